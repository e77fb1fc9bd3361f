/* loader.h - layers from a checkpoint: names, shapes, joined products. SPDX-License-Identifier: MIT
 *
 * Each call asks the weights for "NAME.weight" and "NAME.bias" with the shape that the
 * configuration implies, hands them to the op that packs them, and gives their pages back. On a dry
 * device tensors are looked up and checked but never read, so that the same load function tells
 * what a file lacks. Where the device keeps weights as half, one that is too large for that is
 * refused by its tensor's name. */
#ifndef CLATENT_NETWORKS_LOADER_H
#define CLATENT_NETWORKS_LOADER_H

#include "base/text.h"
#include "checkpoint/weights.h"
#include "ops/op.h"

struct loader {
    struct device *device;
    struct weights *weights;
    bool streams; /* the UNet's levels take turns on the device: device/parking.h */
    int pixels;   /* latent pixels per image that will be asked for: a hint, 0: unknown */
    void (*loaded)(void *user); /* called after every tensor, or NULL */
    void *user;
    /* Dry device only: receives a fault of a tensor and goes on, instead of failing. Or NULL. */
    enum clat_status (*fault)(void *user, const char *sentence);
    float *staging;  /* where joined weights are put together; freed by loader_close */
    size_t capacity; /* of staging, in floats */
};
void loader_close(struct loader *loader);

/* A name below another: path_in("mid_block", "resnets.%d", 0).text is "mid_block.resnets.0". */
struct path {
    char text[160];
};
struct path path_in(const char *parent, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The values of one tensor, valid until the next call of a loader; NULL on a dry device. */
enum clat_status loader_tensor(
    struct loader *loader, const char *name, int rank, const size_t *shape, const float **values);

/* y = x Wt + b; W is [out][in] ([2*out][in] for GEGLU), stored as a linear layer or a 1x1
 * convolution. */
enum clat_status loader_linear(struct loader *loader, const char *name, int out, int in, bool bias,
    enum activation activation, struct linear *linear);

/* Several layers that read the same input, as one product: their outputs stand side by side. */
struct part {
    struct path path;
    int out;
};
enum clat_status loader_joined(struct loader *loader, const struct part *parts, int count, int in,
    bool bias, struct linear *linear);

/* 3x3 convolution; pixels: output pixels per image, see conv_load. */
enum clat_status loader_conv(struct loader *loader, const char *name, int out, int in, int stride,
    int pad_before, int pixels, struct conv *conv);

enum clat_status loader_norm(struct loader *loader, const char *name, int channels, int groups,
    float eps, struct norm *norm); /* groups = 0: layer norm */

#endif
