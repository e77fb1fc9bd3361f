/* conv_gather.cl - the input of a 3x3 convolution as the CPU-shaped kernels want it.
 * SPDX-License-Identifier: MIT
 *
 * One band of rows, zero all round, group norm and SiLU applied, nearest x2 done, two tensors
 * joined by one launch each, so that no later kernel knows of edges, norms or sources:
 *
 *   p[n][y][x][first + c] = pre(x[n][(y + top) >> up][(x - pad) >> up][c]), 0 outside the image
 *   pre(v) = silu(v * scale[n][c] + shift[n][c])
 *
 * It costs one pass over the input, about as much as SiLU would cost a Winograd transform that
 * reads every pixel 2.25 times.
 *
 * Grid: jobs (common.h), one job is one row of p. Options: FOLD, SILU. */
#include "common.h"
#include "conv_store.h"

/* One pixel: c channels from `from`, then zeros up to `fill`. */
static inline void copy_pixel(__global const float *from, __global const float *scale,
    __global const float *shift, int c, int fill, __global float *to)
{
    for (int i = 0; i < c; i += 16) {
        float16 v = load_part(from + i, c - i);
#ifdef FOLD
        v = fma(v, load_part(scale + i, c - i), load_part(shift + i, c - i));
#endif
#ifdef SILU
        v = silu16(v);
#endif
        store_part(v, to + i, c - i);
    }
    for (int i = c; i < fill; i++)
        to[i] = 0.0f;
}

static inline void clear_pixel(int fill, __global float *to)
{
    for (int i = 0; i < fill; i += 16)
        store_part((float16)(0.0f), to + i, fill - i);
}

/* x: [n][h][w][c] at x_stride. p: [n][rows][width][p_stride], of which this launch writes channels
 * [first, first + fill). fold: [n][2][fold_stride], from channel `first`. */
KERNEL_CPU void gather(TENSOR_IN(x), int h, int w, int c, int x_stride, TENSOR_IN(fold),
    int fold_stride, TENSOR_OUT(p), int rows, int width, int p_stride, int first, int fill, int top,
    int pad, int up, int jobs, JOB_COUNTER)
{
    JOBS(job, jobs)
    {
        int n = job / rows, y = job % rows + top;
        bool inside_y = y >= 0 && y < h << up;
        __global const float *row =
            TENSOR_AT(x) + ((size_t)n * h + (inside_y ? y >> up : 0)) * w * x_stride;
        __global const float *scale = TENSOR_AT(fold) + (size_t)n * 2 * fold_stride + first;
        __global float *to = TENSOR_AT(p) + (size_t)job * width * p_stride + first;
        for (int i = 0; i < width; i++, to += p_stride) {
            int at = i - pad;
            if (inside_y && at >= 0 && at < w << up)
                copy_pixel(
                    row + (size_t)(at >> up) * x_stride, scale, scale + fold_stride, c, fill, to);
            else
                clear_pixel(fill, to);
        }
    }
    JOBS_END
}
