/* resample.cl - nearest neighbour to any size, mean of 2x2 pixels. SPDX-License-Identifier: MIT
 *
 * resize_nearest:
 *     y[image][row][column][c] = x[image][row * in_h / out_h][column * in_w / out_w][c], rounded down
 *
 * mean_2x2: y[image][row][column][c] = the mean of pre(x) over rows 2*row, +1 and columns 2*column, +1,
 *     pre(v) = silu(v*scale + shift), scale and shift per image and channel. Options: FOLD, SILU.
 *
 * Grid: (channels, output columns, images * output rows). The _cpu form: a job is one output row. */
#include "common.h"

KERNEL_GROUP(32, 8, 1)
void resize_nearest(TENSOR_IN(x), int x_stride, TENSOR_OUT(y), int y_stride, int in_h, int in_w,
    int out_h, int out_w, int c)
{
    int k = get_global_id(0), column = get_global_id(1), line = get_global_id(2);
    int image = line / out_h, from_row = line % out_h * in_h / out_h;
    if (k >= c || column >= out_w)
        return;
    size_t from = ((size_t)image * in_h + from_row) * in_w + column * in_w / out_w;
    size_t to = (size_t)line * out_w + column;
    TENSOR_AT(y)[to * y_stride + k] = TENSOR_AT(x)[from * x_stride + k];
}

KERNEL_CPU void resize_nearest_cpu(TENSOR_IN(x), int x_stride, TENSOR_OUT(y), int y_stride, int in_h,
    int in_w, int out_h, int out_w, int c, int lines, JOB_COUNTER)
{
    JOBS(line, lines)
    {
        int image = line / out_h, from_row = line % out_h * in_h / out_h;
        size_t from_line = ((size_t)image * in_h + from_row) * in_w;
        for (int column = 0; column < out_w; column++) {
            __global const float *in =
                TENSOR_AT(x) + (from_line + column * in_w / out_w) * x_stride;
            __global float *out = TENSOR_AT(y) + ((size_t)line * out_w + column) * y_stride;
            int k = 0;
            for (; k + 16 <= c; k += 16)
                vstore16(vload16(0, in + k), 0, out + k);
            for (; k < c; k++)
                out[k] = in[k];
        }
    }
    JOBS_END
}

/* ---- mean of 2x2 ---------------------------------------------------------------------------- */

static inline float pre(float v, float scale, float shift)
{
#ifdef FOLD
    v = fma(v, scale, shift);
#endif
#ifdef SILU
    v = silu(v);
#endif
    return v;
}

/* One channel of one output pixel. at: its first input pixel; line: values in an input row. */
static inline float mean_of(
    __global const float *at, int x_stride, size_t line, float scale, float shift)
{
    float above = pre(at[0], scale, shift) + pre(at[x_stride], scale, shift);
    float below = pre(at[line], scale, shift) + pre(at[line + x_stride], scale, shift);
    return 0.25f * (above + below);
}

KERNEL_GROUP(32, 8, 1)
void mean_2x2(TENSOR_IN(x), int x_stride, TENSOR_IN(fold), int fold_stride, TENSOR_OUT(y),
    int y_stride, int in_h, int in_w, int out_h, int out_w, int c)
{
    int k = get_global_id(0), column = get_global_id(1), line = get_global_id(2);
    int image = line / out_h, row = line % out_h * 2;
    if (k >= c || column >= out_w)
        return;
    float scale = 1.0f, shift = 0.0f;
#ifdef FOLD
    scale = TENSOR_AT(fold)[(size_t)image * 2 * fold_stride + k];
    shift = TENSOR_AT(fold)[((size_t)image * 2 + 1) * fold_stride + k];
#endif
    size_t from = ((size_t)image * in_h + row) * in_w + column * 2;
    TENSOR_AT(y)[((size_t)line * out_w + column) * y_stride + k] = mean_of(
        TENSOR_AT(x) + from * x_stride + k, x_stride, (size_t)in_w * x_stride, scale, shift);
}

static inline float16 pre16(float16 v, float16 scale, float16 shift)
{
#ifdef FOLD
    v = fma(v, scale, shift);
#endif
#ifdef SILU
    v = silu16(v);
#endif
    return v;
}

/* All channels of one output pixel: 16 at a time, the rest one by one. */
static inline void mean_pixel(__global const float *at, int x_stride, size_t line,
    __global const float *scales, __global const float *shifts, int c, __global float *out)
{
    float scale = 1.0f, shift = 0.0f;
    float16 scale16 = (float16)(1.0f), shift16 = (float16)(0.0f);
    int k = 0;
    for (; k + 16 <= c; k += 16) {
#ifdef FOLD
        scale16 = vload16(0, scales + k);
        shift16 = vload16(0, shifts + k);
#endif
        float16 above = pre16(vload16(0, at + k), scale16, shift16) +
                        pre16(vload16(0, at + x_stride + k), scale16, shift16);
        float16 below = pre16(vload16(0, at + line + k), scale16, shift16) +
                        pre16(vload16(0, at + line + x_stride + k), scale16, shift16);
        vstore16(0.25f * (above + below), 0, out + k);
    }
    for (; k < c; k++) {
#ifdef FOLD
        scale = scales[k];
        shift = shifts[k];
#endif
        out[k] = mean_of(at + k, x_stride, line, scale, shift);
    }
}

KERNEL_CPU void mean_2x2_cpu(TENSOR_IN(x), int x_stride, TENSOR_IN(fold), int fold_stride,
    TENSOR_OUT(y), int y_stride, int in_h, int in_w, int out_h, int out_w, int c, int lines,
    JOB_COUNTER)
{
    JOBS(line, lines)
    {
        int image = line / out_h, row = line % out_h * 2;
        __global const float *in =
            TENSOR_AT(x) + ((size_t)image * in_h + row) * in_w * x_stride;
        __global const float *scales = TENSOR_AT(fold) + (size_t)image * 2 * fold_stride;
        for (int column = 0; column < out_w; column++)
            mean_pixel(in + (size_t)column * 2 * x_stride, x_stride, (size_t)in_w * x_stride,
                scales, scales + fold_stride, c,
                TENSOR_AT(y) + ((size_t)line * out_w + column) * y_stride);
    }
    JOBS_END
}
