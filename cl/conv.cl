/* conv.cl - 3x3 convolution as its formula, on any device. SPDX-License-Identifier: MIT
 *
 *   y[n][r][x][o] = bias[o] + time[n][o] + residual[n][r][x][o]
 *       + sum_{s,c} pre(in)[n][r*stride - pad + s/3][x*stride - pad + s%3][c] weight[s][c][o]
 *
 * in is x and x2 side by side in channels, read as nearest x2 if `up` is 1; pre is scale and shift
 * of the group norm, then SiLU, each if asked for; outside the image pre(in) is 0.
 *
 * One work-item per value of y: the formula, to be read and to check the other variants against. */
#include "common.h"

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
