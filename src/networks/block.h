/* block.h - what all networks share: the forward pass, and how a block resamples and ends.
 * SPDX-License-Identifier: MIT
 *
 * A block is a struct of packed layers, a load function (names as in the checkpoint) and a forward
 * function that writes into a tensor made by the caller. Channels x pixels, NHWC: a token is a
 * pixel. The blocks: resnet.h, transformer.h, self_attention.h. Source: Rombach et al. 2021 (arXiv
 * 2112.10752), sections 3.3 and E; diffusers' module names. */
#ifndef CLATENT_NETWORKS_BLOCK_H
#define CLATENT_NETWORKS_BLOCK_H

#include "networks/loader.h"

/* One forward pass: where its activations live, and who looks on (tests; NULL: nobody). */
struct forward {
    struct pool *pool;
    enum clat_status (*tap)(void *user, const char *name, const struct tensor *tensor);
    void *user;
};
/* Shows the output of module "NAME" to the onlooker. */
enum clat_status forward_tap(const struct forward *run, const struct tensor *tensor,
    const char *name, ...) __attribute__((format(printf, 3, 4)));

/* A temporary of x's pixels and `channels` channels, on the back of the pool. */
enum clat_status forward_temporary(
    const struct forward *run, const struct tensor *x, int channels, struct tensor *tensor);
/* The group norm of x (++ x2, or NULL) as a scale and a shift per image and channel, there too. */
enum clat_status forward_fold(const struct forward *run, const struct norm *norm,
    const struct tensor *x, const struct tensor *x2, struct tensor *fold);

/* y = conv(x) of a plain 3x3 convolution. */
enum clat_status downsample_forward(const struct forward *run, const struct conv *conv,
    const char *path, const struct tensor *x, const struct tensor *y);
/* y = conv(nearest(x)), to the size of y: twice that of x, or one less where the skip was odd. */
enum clat_status upsample_forward(const struct forward *run, const struct conv *conv,
    const char *path, const struct tensor *x, const struct tensor *y);

/* y = conv(silu(norm(x))): how a UNet, an encoder and a decoder end. */
enum clat_status head_forward(const struct forward *run, const struct norm *norm,
    const struct conv *conv, const struct tensor *x, const struct tensor *y);

#endif
