/* band_stage.h - a resnet over a large image, in bands of rows. SPDX-License-Identifier: MIT
 *
 * A stage is a resnet, with the upsampling before it if there is one, and goes over the bands up to
 * three times:
 *
 *     x -> [u = conv(nearest(x)), statistics of u]
 *     x -> [u, hidden = conv1(norm1(u)), statistics of hidden]
 *     x -> [u, hidden, y = conv2(norm2(hidden)) + shortcut(u)]
 *
 * Each time a band is computed from the rows of x, with as many more rows at its edges as the
 * convolutions in between reach. Nothing but x is kept; the last time y replaces it. */
#ifndef CLATENT_NETWORKS_BAND_STAGE_H
#define CLATENT_NETWORKS_BAND_STAGE_H

#include "networks/resnet.h"
#include "networks/strip.h"

struct band_stage {
    const struct conv *upsampler; /* or NULL */
    const struct resnet *resnet;
    int height, width;          /* of y */
    int band, bands;            /* rows of one (even), how many */
    struct tensor fold1, fold2; /* of the resnet's norms, over the whole image */
};
struct rows band_rows(const struct band_stage *stage, int band);

/* Makes the folds, on the back of the pool. */
enum clat_status band_stage_statistics(
    const struct forward *run, struct band_stage *stage, const struct strip *x);

/* y may stand where x does. Both begin at the same place: then the bands must go up, from the last,
 * if y is larger than x (it comes from behind, and reaches what is left of x at the end only), and
 * down if it is not. What the next band needs of rows that are overwritten is kept aside. */
enum clat_status band_stage_replace(const struct forward *run, const struct band_stage *stage,
    const struct strip *x, bool up, const struct strip *y);

#endif
