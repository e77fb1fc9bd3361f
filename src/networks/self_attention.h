/* self_attention.h - group norm and attention among an image's own pixels.
 * SPDX-License-Identifier: MIT
 *
 *     y = x + out(attention(q, k, v of norm(x)))
 *
 * One head in the autoencoder, several in UNets without a prompt. Source: Wang et al. 2018
 * (non-local blocks), Ho et al. 2020. */
#ifndef CLATENT_NETWORKS_SELF_ATTENTION_H
#define CLATENT_NETWORKS_SELF_ATTENTION_H

#include "networks/block.h"

struct self_attention {
    struct path path;
    int channels, heads;
    struct norm group_norm;
    struct linear qkv, out;
};
enum clat_status self_attention_load(struct loader *loader, struct path path, int channels,
    int heads, int groups, float eps, struct self_attention *attention);
void self_attention_free(struct device *device, struct self_attention *attention);
enum clat_status self_attention_forward(const struct forward *run,
    const struct self_attention *attention, const struct tensor *x, const struct tensor *y);

#endif
