/* transformer.h - how the prompt enters a UNet. SPDX-License-Identifier: MIT
 *
 *     y = x + proj_out(blocks(proj_in(norm(x))))
 *
 * Each block: self-attention, cross-attention to the prompt's tokens, GEGLU feed-forward, every one
 * of them behind a layer norm and added to what it read. Source: arXiv 2112.10752, 3.3 and E.2.1;
 * Vaswani et al. 2017, Shazeer 2020 (GEGLU). */
#ifndef CLATENT_NETWORKS_TRANSFORMER_H
#define CLATENT_NETWORKS_TRANSFORMER_H

#include "networks/block.h"

struct transformer_block {
    int channels, heads;
    struct norm norm1, norm2, norm3;
    struct linear qkv1, out1;    /* attn1: q, k, v side by side */
    struct linear q2, kv2, out2; /* attn2: k and v of the prompt side by side */
    struct linear ff_in, ff_out;
    struct tensor prompt; /* kv2 of the prompts: [n][1][tokens][2*channels], on the pool's front */
};
struct transformer_shape {
    int channels, heads;
    int context; /* width of a token of the prompt */
    int depth;   /* blocks */
    int groups;  /* of the norm before them */
};
struct transformer {
    struct path path;
    struct transformer_shape shape;
    struct norm norm;
    struct linear proj_in, proj_out;
    struct transformer_block *blocks; /* [depth] */
};
enum clat_status transformer_load(struct loader *loader, struct path path,
    const struct transformer_shape *shape, struct transformer *transformer);
void transformer_free(struct device *device, struct transformer *transformer);
/* Keys and values of cross-attention for these prompts: once, before the sampling loop. */
enum clat_status transformer_set_prompt(
    const struct forward *run, struct transformer *transformer, const struct tensor *context);
enum clat_status transformer_forward(const struct forward *run,
    const struct transformer *transformer, const struct tensor *x, const struct tensor *y);

#endif
