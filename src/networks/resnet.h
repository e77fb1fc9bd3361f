/* resnet.h - the residual block of all networks here, which may also resample.
 * SPDX-License-Identifier: MIT
 *
 *     y = shortcut(R(x)) + conv2(silu(norm2(conv1(R(silu(norm1(x)))) + time)))
 *
 * R halves (mean of 2x2 pixels), doubles (nearest) or does nothing. With scale_shift the time is
 * not added but gives scale and shift: norm2(..)*(1 + scale) + shift. Source: He et al. 2015,
 * Dhariwal and Nichol 2021 (arXiv 2105.05233). */
#ifndef CLATENT_NETWORKS_RESNET_H
#define CLATENT_NETWORKS_RESNET_H

#include "networks/block.h"

enum resnet_resample { RESNET_KEEP, RESNET_HALVE, RESNET_DOUBLE };

struct resnet_shape {
    int in, out;
    int groups; /* of both norms */
    float eps;
    int pixels; /* per image, of the output: a hint, see conv_load; 0: unknown */
    enum resnet_resample resample;
    bool scale_shift;
};
struct resnet {
    struct path path;
    struct resnet_shape shape;
    struct norm norm1, norm2;
    struct conv conv1, conv2;
    bool has_shortcut;
    struct linear shortcut; /* 1x1, where in != out */
    int time_first;         /* its first column in the joined time projections; -1: takes no time */
};
enum clat_status resnet_load(struct loader *loader, struct path path,
    const struct resnet_shape *shape, struct resnet *resnet);
void resnet_free(struct device *device, struct resnet *resnet);

/* Columns of its time projection. */
int resnet_time_columns(const struct resnet *resnet);

/* x2 (or NULL; not where it resamples) holds the channels after those of x; time
 * [n][1][1][all resnets' columns], or NULL. */
enum clat_status resnet_forward(const struct forward *run, const struct resnet *resnet,
    const struct tensor *x, const struct tensor *x2, const struct tensor *time,
    const struct tensor *y);

#endif
