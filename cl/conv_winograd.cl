/* conv_winograd.cl - 3x3 convolution, stride 1, with few multiplications, for CPUs.
 * SPDX-License-Identifier: MIT
 *
 * Winograd's F(m x m, 3x3) after Lavin and Gray, arXiv 1509.09308: for a tile of m x m output pixels
 *   Y = AT [ (G g GT) . (BT d B) ] A,   d the (m+2) x (m+2) input pixels, g the kernel
 * with one product per point of the transformed tile instead of nine per pixel: 2.25 times fewer
 * multiplications for m = 2, 4 times for m = 4. Points 0, 1, -1, 2, -2 and infinity (m = 4).
 * Summed over channels, each of the T*T points is a matrix product [tiles x in] [in x out]:
 *
 *   input    p [images][in_rows][in_width][c]       -> v [T*T][tiles][v_stride]
 *   product  v, u [T*T][panels][c][PANEL]           -> q [T*T][tiles][q_stride]
 *   output   q (+ bias, time, residual)             -> y
 *   weights  kernels [panels][9][c][PANEL]          -> u, for layers that keep no transformed weights
 *
 * p is the padded input of conv_gather.cl, wide enough for whole tiles; c is a multiple of 16. `tiles` is
 * rounded up to ROWS: what the unused rows hold never reaches y. Transforms work on 16 channels at a time.
 * Tunables: OUTPUT (m), and those of conv_tile.h. Grid: jobs (common.h). */
#include "common.h"
#include "conv_tile.h"
#include "conv_store.h"
#ifndef OUTPUT
#define OUTPUT 4
#endif
#define T (OUTPUT + 2)

/* o = BT d */
static inline void transform_input(const float16 d[T], float16 o[T])
{
#if OUTPUT == 2
    o[0] = d[0] - d[2];
    o[1] = d[1] + d[2];
    o[2] = d[2] - d[1];
    o[3] = d[3] - d[1];
#else
    float16 even1 = fma((float16)(-4.0f), d[2], d[4]), odd1 = fma((float16)(-4.0f), d[1], d[3]);
    float16 even2 = d[4] - d[2], odd2 = d[3] - d[1];
    o[0] = fma((float16)(4.0f), d[0], fma((float16)(-5.0f), d[2], d[4]));
    o[1] = even1 + odd1;
    o[2] = even1 - odd1;
    o[3] = fma((float16)(2.0f), odd2, even2);
    o[4] = fma((float16)(-2.0f), odd2, even2);
    o[5] = fma((float16)(4.0f), d[1], fma((float16)(-5.0f), d[3], d[5]));
#endif
}

/* o = AT q */
static inline void transform_output(const float16 q[T], float16 o[OUTPUT])
{
#if OUTPUT == 2
    o[0] = q[0] + (q[1] + q[2]);
    o[1] = (q[1] - q[2]) + q[3];
#else
    float16 sum1 = q[1] + q[2], difference1 = q[1] - q[2];
    float16 sum2 = q[3] + q[4], difference2 = q[3] - q[4];
    o[0] = q[0] + sum1 + sum2;
    o[1] = fma((float16)(2.0f), difference2, difference1);
    o[2] = fma((float16)(4.0f), sum2, sum1);
    o[3] = fma((float16)(8.0f), difference2, difference1) + q[5];
#endif
}

/* o = G g */
static inline void transform_weights(const float16 g[3], float16 o[T])
{
#if OUTPUT == 2
    float16 even = (g[0] + g[2]) * 0.5f, odd = g[1] * 0.5f;
    o[0] = g[0];
    o[1] = even + odd;
    o[2] = even - odd;
    o[3] = g[2];
#else
    float16 even1 = (g[0] + g[2]) * (-1.0f / 6), odd1 = g[1] * (-1.0f / 6);
    float16 even2 = fma((float16)(4.0f), g[2], g[0]) * (1.0f / 24), odd2 = g[1] * (1.0f / 12);
    o[0] = g[0] * 0.25f;
    o[1] = even1 + odd1;
    o[2] = even1 - odd1;
    o[3] = even2 + odd2;
    o[4] = even2 - odd2;
    o[5] = g[2];
#endif
}

/* Sixteen channels of one tile: d at p (distances between rows and pixels given) to v, v_point apart. */
static inline void tile_input(__global const float *restrict p, size_t row, int pixel, __global float *restrict v,
    size_t v_point)
{
    float16 columns[T][T], d[T], o[T];
    UNROLL for (int x = 0; x < T; x++)
    {
        UNROLL for (int y = 0; y < T; y++)
            d[y] = vload16(0, p + y * row + x * pixel);
        transform_input(d, o);
        UNROLL for (int y = 0; y < T; y++)
            columns[y][x] = o[y];
    }
    UNROLL for (int y = 0; y < T; y++)
    {
        transform_input(columns[y], o);
        UNROLL for (int x = 0; x < T; x++)
            vstore16(o[x], 0, v + (y * T + x) * v_point);
    }
}

/* The two-dimensional AT q A of sixteen channels. */
static inline void tile_output(__global const float *restrict q, size_t q_point, float16 y[OUTPUT][OUTPUT])
{
    float16 columns[OUTPUT][T], d[T], o[OUTPUT];
    UNROLL for (int x = 0; x < T; x++)
    {
        UNROLL for (int i = 0; i < T; i++)
            d[i] = vload16(0, q + (i * T + x) * q_point);
        transform_output(d, o);
        UNROLL for (int i = 0; i < OUTPUT; i++)
            columns[i][x] = o[i];
    }
    UNROLL for (int i = 0; i < OUTPUT; i++)
        transform_output(columns[i], y[i]);
}

/* A job is `per` tiles. tiles = images*down*across, v has room for v_tiles of them. */
KERNEL_CPU void input(TENSOR_IN(p), int in_rows, int in_width, int c, TENSOR_OUT(v), int v_tiles, int v_stride, int tiles,
    int down, int across, int per, int jobs, JOB_COUNTER)
{
    size_t row = (size_t)in_width * c;
    JOBS(job, jobs)
    {
        int last = min((job + 1) * per, tiles);
        for (int t = job * per; t < last; t++) {
            int n = t / (down * across), y = t / across % down * OUTPUT, x = t % across * OUTPUT;
            __global const float *from = TENSOR_AT(p) + ((size_t)n * in_rows + y) * row + (size_t)x * c;
            __global float *to = TENSOR_AT(v) + (size_t)t * v_stride;
            for (int i = 0; i < c; i += 16)
                tile_input(from + i, row, c, to + i, (size_t)v_tiles * v_stride);
        }
    }
    JOBS_END
}

/* A job is one point x `panel_block` panels x `row_block` register tiles; a panel stays in the second-level
 * cache for all row tiles of the job while these fetch the next panel, each its share. */
KERNEL_CPU void product(TENSOR_IN(v), int tiles, int v_stride, TENSOR_IN(u), int k, int panels, TENSOR_OUT(q), int q_stride,
    int row_block, int panel_block, int jobs, JOB_COUNTER)
{
    int row_tiles = tiles / ROWS, blocks_down = (row_tiles + row_block - 1) / row_block;
    int blocks_across = (panels + panel_block - 1) / panel_block;
    const struct steps steps = {v_stride, 4 * v_stride, 8 * v_stride};
    JOBS(job, jobs)
    {
        int point = job / (blocks_across * blocks_down);
        int first = job / blocks_across % blocks_down * row_block, last = min(first + row_block, row_tiles);
        int panel = job % blocks_across * panel_block, panel_end = min(panel + panel_block, panels);
        int ahead = (PANEL + last - first - 1) / (last - first);
        for (; panel < panel_end; panel++)
            for (int t = first; t < last; t++) {
                __global const float *a = TENSOR_AT(v) + ((size_t)point * tiles + t * ROWS) * v_stride;
                __global const float *w = TENSOR_AT(u) + ((size_t)point * panels + panel) * k * PANEL;
                __global const float *next = w + (last - first > 1 ? k * PANEL : 16 * PANEL);
                __global float *to = TENSOR_AT(q) + ((size_t)point * tiles + t * ROWS) * q_stride + panel * PANEL;
                float16 tile[ROWS][VECTORS];
                tile_clear(tile);
                tile_multiply(tile, a, steps, w, k, next + (size_t)(t - first) * ahead * k, ahead);
                UNROLL for (int i = 0; i < ROWS; i++)
                    UNROLL for (int j = 0; j < VECTORS; j++)
                        vstore16(tile[i][j], j, to + (size_t)i * q_stride);
            }
    }
    JOBS_END
}

/* y and residual: [images][rows][width][out] at their strides; a job is `per` tiles. */
KERNEL_CPU void output(TENSOR_IN(q), int q_tiles, int q_stride, __global const float *restrict bias,
    TENSOR_IN(time), int time_stride, TENSOR_IN(residual), int residual_stride, TENSOR_OUT(y), int y_stride,
    int rows, int width, int out, int tiles, int down, int across, int per, int jobs, JOB_COUNTER)
{
    const struct ending ending = {bias, TENSOR_GIVEN(time) ? TENSOR_AT(time) : 0, time_stride,
        TENSOR_GIVEN(residual) ? TENSOR_AT(residual) : 0, residual_stride, TENSOR_AT(y), y_stride, rows,
        width, out};
    JOBS(job, jobs)
    {
        int last = min((job + 1) * per, tiles);
        for (int t = job * per; t < last; t++) {
            int n = t / (down * across), ty = t / across % down * OUTPUT, tx = t % across * OUTPUT;
            for (int o = 0; o < out; o += 16) {
                float16 values[OUTPUT][OUTPUT];
                tile_output(TENSOR_AT(q) + (size_t)t * q_stride + o, (size_t)q_tiles * q_stride, values);
                UNROLL for (int i = 0; i < OUTPUT; i++)
                    UNROLL for (int j = 0; j < OUTPUT; j++)
                        store_output(&ending, values[i][j], n, ty + i, tx + j, o);
            }
        }
    }
    JOBS_END
}

/* Sixteen outputs' kernels, tap after tap at `from`, to their points at `to`. */
static inline void tile_weights(
    __global const float *restrict from, size_t tap, __global float *restrict to, size_t point)
{
    float16 columns[T][3], g[3], o[T];
    UNROLL for (int x = 0; x < 3; x++)
    {
        UNROLL for (int y = 0; y < 3; y++)
            g[y] = vload16(0, from + (y * 3 + x) * tap);
        transform_weights(g, o);
        UNROLL for (int y = 0; y < T; y++)
            columns[y][x] = o[y];
    }
    UNROLL for (int y = 0; y < T; y++)
    {
        transform_weights(columns[y], o);
        UNROLL for (int x = 0; x < T; x++)
            vstore16(o[x], 0, to + (y * T + x) * point);
    }
}

/* A job is one panel and 16 of its c. */
KERNEL_CPU void weights(__global const float *restrict kernels, int c, int panels, TENSOR_OUT(u), int jobs,
    JOB_COUNTER)
{
    size_t tap = (size_t)c * PANEL, point = panels * tap;
    JOBS(job, jobs)
    {
        int panel = job / (c / 16), first = job % (c / 16) * 16;
        for (int i = first * PANEL; i < (first + 16) * PANEL; i += 16)
            tile_weights(kernels + panel * 9 * tap + i, tap, TENSOR_AT(u) + panel * tap + i, point);
    }
    JOBS_END
}
