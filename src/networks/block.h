/* block.h - what the networks are made of: resnet, transformer, attention and resampling blocks.
 * SPDX-License-Identifier: MIT
 *
 * A block is a struct of packed layers, a load function (names as in the checkpoint) and a forward
 * function that writes into a tensor made by the caller. Channels x pixels, NHWC: a token is a
 * pixel. Source: Rombach et al. 2021 (arXiv 2112.10752), sections 3.3 and E; diffusers' module
 * names. */
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

/* y = shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))) + time))) */
struct resnet {
    struct path path;
    int in, out;
    struct norm norm1, norm2;
    struct conv conv1, conv2;
    bool has_shortcut;
    struct linear shortcut; /* 1x1, where in != out */
    int time_first;         /* its first column in the joined time projections; -1: takes no time */
};
enum clat_status resnet_load(struct loader *loader, struct path path, int in, int out, int groups,
    float eps, int pixels, struct resnet *resnet);
void resnet_free(struct device *device, struct resnet *resnet);
/* x2 (or NULL) holds the channels after those of x; time [n][1][1][all resnets' columns], or NULL.
 */
enum clat_status resnet_forward(const struct forward *run, const struct resnet *resnet,
    const struct tensor *x, const struct tensor *x2, const struct tensor *time,
    const struct tensor *y);

/* Group norm, projection in, self-attention, cross-attention, GEGLU feed-forward, projection out;
 * every one of them added to what it read. */
struct transformer {
    struct path path;
    int channels, heads;
    struct norm norm;
    struct linear proj_in, proj_out;
    struct norm norm1, norm2, norm3;
    struct linear qkv1, out1;    /* attn1: q, k, v side by side */
    struct linear q2, kv2, out2; /* attn2: k and v of the prompt side by side */
    struct linear ff_in, ff_out;
    struct tensor prompt; /* kv2 of the prompts: [n][1][tokens][2*channels], on the pool's front */
};
enum clat_status transformer_load(struct loader *loader, struct path path, int channels, int heads,
    int context, int groups, struct transformer *transformer);
void transformer_free(struct device *device, struct transformer *transformer);
/* Keys and values of cross-attention for these prompts: once, before the sampling loop. */
enum clat_status transformer_set_prompt(
    const struct forward *run, struct transformer *transformer, const struct tensor *context);
enum clat_status transformer_forward(const struct forward *run,
    const struct transformer *transformer, const struct tensor *x, const struct tensor *y);

/* The autoencoder's attention: one head over all pixels, y = x + out(attention(q, k, v of
 * norm(x))). */
struct attention {
    struct path path;
    int channels;
    struct norm group_norm;
    struct linear qkv, out;
};
enum clat_status attention_load(struct loader *loader, struct path path, int channels, int groups,
    float eps, struct attention *attention);
void attention_free(struct device *device, struct attention *attention);
enum clat_status attention_forward(const struct forward *run, const struct attention *attention,
    const struct tensor *x, const struct tensor *y);

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
