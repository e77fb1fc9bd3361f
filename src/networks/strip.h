/* strip.h - some rows of an image in a tensor. SPDX-License-Identifier: MIT
 *
 * What is computed band by band needs more rows at its edges than it gives: rows are numbered as in
 * the whole image, and a strip knows which of them it holds. */
#ifndef CLATENT_NETWORKS_STRIP_H
#define CLATENT_NETWORKS_STRIP_H

#include "networks/block.h"

/* Rows [first, last) of an image. */
struct rows {
    int first, last;
};
/* With `by` more at each end, as far as the image goes. */
struct rows rows_widen(struct rows rows, int by, int height);
/* Rows of the image before nearest-upsampling that a convolution behind it reads. */
struct rows rows_before(struct rows rows, int height);

/* A tensor of one image that holds its rows from `first` on. */
struct strip {
    struct tensor tensor;
    int first;
};
/* A view of some of its rows. */
struct tensor strip_rows(const struct strip *strip, struct rows rows);
/* A strip of such rows on the back of the pool. */
enum clat_status strip_new(
    const struct forward *run, struct rows rows, int w, int c, struct strip *strip);
enum clat_status strip_copy(
    const struct forward *run, const struct strip *from, struct rows rows, const struct strip *to);

#endif
