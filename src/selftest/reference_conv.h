/* reference_conv.h - 3x3 convolution in plain C and double, one pixel at a time.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_SELFTEST_REFERENCE_CONV_H
#define CLATENT_SELFTEST_REFERENCE_CONV_H

#include "base/status.h"
#include <stdbool.h>

/* All arrays are dense. */
struct reference_conv {
    int n, h, w;     /* of x */
    int c1, c2, out; /* channels of x and x2 (0: none), and of y */
    int stride, pad; /* pad: before; behind, the input is zero as far as needed */
    bool upsample, silu;
    const float *x, *x2;     /* [n][h][w][c1], [n][h][w][c2] */
    const float *fold;       /* [n][2][c1 + c2] or NULL */
    const float *weight;     /* [out][c1 + c2][3][3] */
    const float *bias;       /* [out] or NULL */
    const float *time;       /* [n][out] or NULL */
    const float *residual;   /* [n][height][width][out] or NULL */
    int height, width;       /* of y */
    float (*rounded)(float); /* of what is convolved, after norm and SiLU; NULL: as it is */
};

/* The `out` values of pixel (y, x) of image n. CLAT_ERROR_MEMORY is possible. */
enum clat_status reference_conv_pixel(
    const struct reference_conv *conv, int n, int y, int x, double *values);

#endif
