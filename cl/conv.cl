/* conv.cl - 3x3 convolution on any device. SPDX-License-Identifier: MIT
 *
 *   y[n][r][x][o] = bias[o] + time[n][o] + residual[n][r][x][o]
 *       + sum_{s,c} pre(in)[n][r*stride - pad + s/3][x*stride - pad + s%3][c] weight[s][c][o]
 *
 * in is x and x2 side by side in channels, read as nearest x2 if `up` is 1; pre is scale and shift
 * of the group norm, then SiLU, each if asked for; outside the image pre(in) is 0.
 *
 * plain: one work-item per value of y; the formula, to be read and to check the others against.
 *
 * tiled: an implicit matrix product [pixels x 9*in] [9*in x out]. A group makes TILE x TILE values
 * of y from slices of DEPTH channels of one tap, both factors staged in local memory (8*DEPTH*TILE
 * bytes and a little). Within a tap the gather is a shifted copy, so that addresses and edges cost
 * one test per pixel and slice.
 *
 * Tunables of tiled: TILE (multiple of SIDE), SIDE (a group is SIDE x SIDE), DEPTH (DEPTH*TILE a
 * multiple of SIDE*SIDE). */
#include "common.h"
#ifndef TILE
#define TILE 64
#endif
#ifndef SIDE
#define SIDE 16
#endif
#ifndef DEPTH
#define DEPTH 16
#endif
#define SHARE (TILE / SIDE) /* a work-item makes SHARE x SHARE values */

struct source {
    __global const float *x, *x2; /* [n][h][w] pixels of c1 and in - c1 channels */
    __global const float *fold;   /* [n][2][in] or NULL */
    int h, w, c1, in, x_stride, x2_stride, silu, up;
};

/* Channel c of pre(in) at (y, x) of image n. */
static inline float source_value(const struct source *s, int n, int y, int x, int c)
{
    if (y < 0 || x < 0 || y >= s->h << s->up || x >= s->w << s->up)
        return 0.0f;
    size_t pixel = ((size_t)n * s->h + (y >> s->up)) * s->w + (x >> s->up);
    float v = c < s->c1 ? s->x[pixel * s->x_stride + c] : s->x2[pixel * s->x2_stride + c - s->c1];
    if (s->fold)
        v = fma(v, s->fold[(size_t)n * 2 * s->in + c], s->fold[((size_t)n * 2 + 1) * s->in + c]);
    return s->silu ? silu(v) : v;
}

#define SOURCE_ARGUMENTS                                                                           \
    TENSOR_IN(x), int h, int w, int c1, int x_stride, TENSOR_IN(x2), int x2_stride,                \
        TENSOR_IN(fold), int in, int silu, int up
#define SOURCE                                                                                     \
    {                                                                                              \
        TENSOR_AT(x), TENSOR_AT(x2), TENSOR_GIVEN(fold) ? TENSOR_AT(fold) : 0, h, w, c1, in,       \
            x_stride, x2_stride, silu, up                                                          \
    }
#define RESULT_ARGUMENTS                                                                           \
    __global const WEIGHT *restrict weight, __global const float *restrict bias, TENSOR_IN(time),   \
        int time_stride, TENSOR_IN(residual), int residual_stride, TENSOR_OUT(y), int y_stride,    \
        int rows, int width, int out, int pixels, int stride, int pad

/* Grid: out, pixels (both may be rounded up). */
KERNEL_GROUP(16, 4, 1)
void plain(SOURCE_ARGUMENTS, RESULT_ARGUMENTS)
{
    int o = get_global_id(0), pixel = get_global_id(1);
    if (o >= out || pixel >= pixels)
        return;
    const struct source source = SOURCE;
    int n = pixel / (rows * width), r = pixel / width % rows, column = pixel % width;
    float sum = 0.0f;
    for (int s = 0; s < 9; s++)
        for (int c = 0; c < in; c++)
            sum = fma(source_value(
                          &source, n, r * stride - pad + s / 3, column * stride - pad + s % 3, c),
                WEIGHT_AT(weight, ((size_t)s * in + c) * out + o), sum);
    sum += bias[o];
    if (TENSOR_GIVEN(time))
        sum += TENSOR_AT(time)[(size_t)n * time_stride + o];
    if (TENSOR_GIVEN(residual))
        sum += TENSOR_AT(residual)[(size_t)pixel * residual_stride + o];
    TENSOR_AT(y)[(size_t)pixel * y_stride + o] = sum;
}

/* Grid: groups over out and pixels in steps of TILE, each SIDE x SIDE. Work-item (i, j) makes the
 * channels i + SIDE*k and the pixels j + SIDE*k of its group's tile: neighbours read and write
 * neighbouring words. */
KERNEL_GROUP(SIDE, SIDE, 1)
void tiled(SOURCE_ARGUMENTS, RESULT_ARGUMENTS)
{
    __local float a[DEPTH][TILE + 1], b[DEPTH][TILE]; /* + 1: a is written down its columns */
    int i = get_local_id(0), j = get_local_id(1), item = j * SIDE + i;
    int first_out = get_group_id(0) * TILE, first_pixel = get_group_id(1) * TILE;
    const struct source source = SOURCE;
    float sum[SHARE][SHARE];
    for (int p = 0; p < SHARE; p++)
        for (int q = 0; q < SHARE; q++)
            sum[p][q] = 0.0f;

    for (int s = 0; s < 9; s++)
        for (int slice = 0; slice < in; slice += DEPTH) {
            for (int k = item; k < DEPTH * TILE; k += SIDE * SIDE) {
                int c = slice + k % DEPTH, pixel = first_pixel + k / DEPTH, row = pixel / width;
                a[k % DEPTH][k / DEPTH] =
                    c < in && pixel < pixels
                        ? source_value(&source, row / rows, row % rows * stride - pad + s / 3,
                              pixel % width * stride - pad + s % 3, c)
                        : 0.0f;
            }
            for (int k = item; k < DEPTH * TILE; k += SIDE * SIDE) {
                int c = slice + k / TILE, o = first_out + k % TILE;
                b[k / TILE][k % TILE] =
                    c < in && o < out ? WEIGHT_AT(weight, ((size_t)s * in + c) * out + o) : 0.0f;
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int c = 0; c < DEPTH; c++)
                for (int p = 0; p < SHARE; p++)
                    for (int q = 0; q < SHARE; q++)
                        sum[p][q] = fma(a[c][j + SIDE * p], b[c][i + SIDE * q], sum[p][q]);
            barrier(CLK_LOCAL_MEM_FENCE);
        }

    for (int p = 0; p < SHARE; p++) {
        int pixel = first_pixel + j + SIDE * p, n = pixel / (rows * width);
        for (int q = 0; q < SHARE; q++) {
            int o = first_out + i + SIDE * q;
            if (pixel >= pixels || o >= out)
                continue;
            float v = sum[p][q] + bias[o];
            if (TENSOR_GIVEN(time))
                v += TENSOR_AT(time)[(size_t)n * time_stride + o];
            if (TENSOR_GIVEN(residual))
                v += TENSOR_AT(residual)[(size_t)pixel * residual_stride + o];
            TENSOR_AT(y)[(size_t)pixel * y_stride + o] = v;
        }
    }
}
