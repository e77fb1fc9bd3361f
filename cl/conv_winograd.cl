/* conv_winograd.cl - 3x3 convolution, stride 1, with a quarter of the multiplications, for CPUs.
 * SPDX-License-Identifier: MIT
 *
 * Winograd's F(4x4, 3x3) after Lavin and Gray, arXiv 1509.09308, for a tile of 4x4 output pixels:
 *
 *   Y = AT [ (G g GT) . (BT d B) ] A,   d the 6x6 input pixels, g the kernel
 *
 * One product per point of the transformed tile, 36 instead of 144. Summed over channels, each
 * point is a matrix product [tiles x in] [in x out]. The points are 0, +-5/8, +-3/2 and infinity:
 * half the rounding error of the usual +-1, +-2 (relative L2 2.2e-6 against 4.6e-6 for 640
 * channels), and every factor of AT and BT still exact in float.
 *
 *   large maps
 *     input    p [images][in_rows][in_width][c]  -> v [c/depth][36][v_tiles][v_stride]
 *     weights  kernels [panels][c][9][PANEL]     -> u [36][panels][c][PANEL]
 *     product  v, u                              -> q [36][q_tiles][q_stride]
 *     output   q (+ bias, time, residual)        -> y
 *   small maps
 *     input    as above
 *     fused    v, kernels (+ bias, ...)          -> y
 *
 * Transformed weights are four times the plain ones, so nobody keeps them: on large maps `weights`
 * is a small part of a call, on small ones `fused` transforms what it needs into the cache.
 *
 * p is the padded input of conv_gather.cl, wide enough for whole tiles; c is a multiple of 16.
 * Tiles are rounded up to ROWS: what the unused rows hold never reaches y. Transforms work on 16
 * channels at a time. Tunables: those of conv_tile.h. Grid: jobs (common.h). */
#include "common.h"
#include "conv_tile.h"
#include "conv_store.h"

#define OUTPUT 4
#define T 6
#define POINTS 36
#define PAD 16 /* between points in scratch: or all would meet in one set of the cache */
#define A1 0.625f
#define A2 (A1 * A1)
#define B1 1.5f
#define B2 (B1 * B1)
#define FMA(factor, x, y) fma((float16)(factor), x, y)

/* o = BT d */
INLINE void transform_input(const float16 d[T], float16 o[T])
{
    float16 even_a = FMA(-B2, d[2], d[4]), odd_a = FMA(-B2, d[1], d[3]);
    float16 even_b = FMA(-A2, d[2], d[4]), odd_b = FMA(-A2, d[1], d[3]);
    o[0] = FMA(A2 * B2, d[0], FMA(-(A2 + B2), d[2], d[4]));
    o[1] = FMA(A1, odd_a, even_a);
    o[2] = FMA(-A1, odd_a, even_a);
    o[3] = FMA(B1, odd_b, even_b);
    o[4] = FMA(-B1, odd_b, even_b);
    o[5] = FMA(A2 * B2, d[1], FMA(-(A2 + B2), d[3], d[5]));
}

/* o = AT q */
INLINE void transform_output(const float16 q[T], float16 o[OUTPUT])
{
    float16 sum_a = q[1] + q[2], odd_a = A1 * (q[1] - q[2]);
    float16 sum_b = q[3] + q[4], odd_b = B1 * (q[3] - q[4]);
    o[0] = q[0] + sum_a + sum_b;
    o[1] = odd_a + odd_b;
    o[2] = FMA(A2, sum_a, B2 * sum_b);
    o[3] = FMA(A2, odd_a, FMA(B2, odd_b, q[5]));
}

/* o = G g: the row of point p is (1, p, p*p) over the product of its distances to the others. */
INLINE void transform_weights(const float16 g[3], float16 o[T])
{
    const float scale_a = 1.0f / (2 * A2 * (A2 - B2)), scale_b = 1.0f / (2 * B2 * (B2 - A2));
    float16 even_a = FMA(A2, g[2], g[0]) * scale_a, odd_a = g[1] * (A1 * scale_a);
    float16 even_b = FMA(B2, g[2], g[0]) * scale_b, odd_b = g[1] * (B1 * scale_b);
    o[0] = g[0] * (1.0f / (A2 * B2));
    o[1] = even_a + odd_a;
    o[2] = even_a - odd_a;
    o[3] = even_b + odd_b;
    o[4] = even_b - odd_b;
    o[5] = g[2];
}

/* ---- the parts: sixteen channels of one tile or kernel -------------------------------------- */

/* v = BT d B: d at p, rows and pixels so scale_b apart, to v, points v_point apart. */
INLINE void tile_input(
    __global const float *p, size_t row, int pixel, __global float *v, size_t v_point)
{
    float16 columns[T][T], d[T], o[T];
    EACH (x, T) {
        EACH (y, T)
            d[y] = vload16(0, p + y * row + x * pixel);
        transform_input(d, o);
        EACH (y, T)
            columns[y][x] = o[y];
    }
    EACH (y, T) {
        transform_input(columns[y], o);
        EACH (x, T)
            vstore16(o[x], 0, v + (y * T + x) * v_point);
    }
}

/* u = G g GT of sixteen outputs' kernels at `from`, [9][PANEL]; to `to`, points `point` apart. */
INLINE void tile_weights(__global const WEIGHT *from, __global float *to, size_t point)
{
    float16 columns[T][3], g[3], o[T];
    EACH (x, 3) {
        EACH (y, 3)
            g[y] = WEIGHT16(0, from + (y * 3 + x) * PANEL);
        transform_weights(g, o);
        EACH (y, T)
            columns[y][x] = o[y];
    }
    EACH (y, T) {
        transform_weights(columns[y], o);
        EACH (x, T)
            vstore16(o[x], 0, to + (y * T + x) * point);
    }
}

/* Y = AT q A, the points of q standing q_point apart. */
INLINE void tile_output(__global const float *q, size_t q_point, float16 y[OUTPUT][OUTPUT])
{
    float16 columns[OUTPUT][T], d[T], o[OUTPUT];
    EACH (x, T) {
        EACH (i, T)
            d[i] = vload16(0, q + (i * T + x) * q_point);
        transform_output(d, o);
        EACH (i, OUTPUT)
            columns[i][x] = o[i];
    }
    EACH (i, OUTPUT)
        transform_output(columns[i], y[i]);
}

/* Sixteen channels, from o on, of tile t out of its points' sums at q. */
INLINE void store_tile(const struct ending *ending, __global const float *q, size_t q_point, int t,
    int down, int across, int o)
{
    int n = t / (down * across), y = t / across % down * OUTPUT, x = t % across * OUTPUT;
    float16 values[OUTPUT][OUTPUT];
    tile_output(q, q_point, values);
    EACH (i, OUTPUT)
        EACH (j, OUTPUT)
            store_output(ending, values[i][j], n, y + i, x + j, o);
}

/* ---- the kernels ---------------------------------------------------------------------------- */

/* A job is `per` of tiles = images*down*across; v has room for v_tiles of them. */
KERNEL_CPU void input(TENSOR_IN(p), int in_rows, int in_width, int c, TENSOR_OUT(v), int depth,
    int v_tiles, int v_stride, int tiles, int down, int across, int per, int jobs, JOB_COUNTER)
{
    size_t row = (size_t)in_width * c, point = (size_t)v_tiles * v_stride;
    JOBS(job, jobs)
    {
        int last = min((job + 1) * per, tiles);
        for (int t = job * per; t < last; t++) {
            int n = t / (down * across), y = t / across % down * OUTPUT, x = t % across * OUTPUT;
            __global const float *from =
                TENSOR_AT(p) + ((size_t)n * in_rows + y) * row + (size_t)x * c;
            __global float *to = TENSOR_AT(v) + (size_t)t * v_stride;
            for (int i = 0; i < c; i += 16)
                tile_input(from + i, row, c, to + i / depth * POINTS * point + i % depth, point);
        }
    }
    JOBS_END
}

/* A job is 16 input channels of one panel. */
KERNEL_CPU void weights(
    __global const WEIGHT *restrict kernels, int c, int panels, TENSOR_OUT(u), int jobs, JOB_COUNTER)
{
    size_t point = (size_t)panels * c * PANEL + PAD;
    JOBS(job, jobs)
    {
        __global const WEIGHT *from = kernels + (size_t)job * 16 * 9 * PANEL;
        __global float *to = TENSOR_AT(u) + (size_t)job * 16 * PANEL;
        for (int i = 0; i < 16 * PANEL; i += 16)
            tile_weights(from + i / PANEL * 9 * PANEL + i % PANEL, to + i, point);
    }
    JOBS_END
}

/* A job is one point x `panel_block` panels x `row_block` register tiles; a panel stays in the
 * second level of the cache for all row tiles of the job while these fetch the next panel, each its
 * share. */
KERNEL_CPU void product(TENSOR_IN(v), int tiles, int v_stride, TENSOR_IN(u), int k, int panels,
    TENSOR_OUT(q), int q_stride, int row_block, int panel_block, int jobs, JOB_COUNTER)
{
    int row_tiles = tiles / ROWS, blocks_down = BLOCKS(row_tiles, row_block);
    int blocks_across = BLOCKS(panels, panel_block);
    const struct steps steps = {v_stride, 4 * v_stride, 8 * v_stride};
    JOBS(job, jobs)
    {
        int point = job / (blocks_across * blocks_down);
        int first = job / blocks_across % blocks_down * row_block;
        int last = min(first + row_block, row_tiles);
        int panel = job % blocks_across * panel_block, panel_end = min(panel + panel_block, panels);
        int ahead = BLOCKS(PANEL, last - first);
        for (; panel < panel_end; panel++)
            for (int t = first; t < last; t++) {
                __global const float *a =
                    TENSOR_AT(v) + ((size_t)point * tiles + t * ROWS) * v_stride;
                __global const float *w =
                    TENSOR_AT(u) + ((size_t)point * panels + panel) * k * PANEL + point * PAD;
                __global const float *next = w + (last - first > 1 ? k * PANEL : 16 * PANEL);
                __global float *to =
                    TENSOR_AT(q) + ((size_t)point * tiles + t * ROWS) * q_stride + panel * PANEL;
                float16 tile[ROWS][VECTORS];
                tile_clear(tile);
                tile_multiply(tile, a, steps, w, k, next + (size_t)(t - first) * ahead * k, ahead);
                tile_save(tile, to, q_stride);
            }
    }
    JOBS_END
}

/* A job is `per` tiles; they have room for q_tiles in q. */
KERNEL_CPU void output(TENSOR_IN(q), int q_tiles, int q_stride, int tiles, int down, int across,
    int per, ENDING_ARGUMENTS, int jobs, JOB_COUNTER)
{
    const struct ending ending = ENDING;
    size_t point = (size_t)q_tiles * q_stride;
    JOBS(job, jobs)
    {
        int last = min((job + 1) * per, tiles);
        for (int t = job * per; t < last; t++)
            for (int o = 0; o < out; o += 16)
                store_tile(
                    &ending, TENSOR_AT(q) + (size_t)t * q_stride + o, point, t, down, across, o);
    }
    JOBS_END
}

/* ---- the fused form: product and output in one, weights transformed on the way -------------- */

/* Adds the products of k channels to the sums [POINTS][count][PANEL] of `count` tiles, or begins
 * them. a: [POINTS][..][v_stride], points a_point apart; u: [POINTS][k][PANEL]. Meanwhile fetches
 * `next`. */
INLINE void add_products(__global float *sums, int sum_point, bool begin, __global const float *a,
    size_t a_point, int v_stride, __global const float *u, int u_point, int k, int count,
    __global const WEIGHT *next)
{
    const struct steps steps = {v_stride, 4 * v_stride, 8 * v_stride};
    int ahead = BLOCKS(9 * PANEL * 16 / WEIGHT_LINE, POINTS * count / ROWS);
    for (int point = 0; point < POINTS; point++)
        for (int t = 0; t < count; t += ROWS, next += ahead * k * WEIGHT_LINE / 16) {
            __global float *sum = sums + point * sum_point + t * PANEL;
            float16 tile[ROWS][VECTORS];
            if (begin)
                tile_clear(tile);
            else
                tile_load(tile, sum, PANEL);
            tile_multiply(tile, a + point * a_point + (size_t)t * v_stride, steps,
                u + point * u_point, k, next, ahead);
            tile_save(tile, sum, PANEL);
        }
}

/* A job is one panel x `block` tiles. The work-item's own scratch, weights [POINTS][depth][PANEL]
 * and sums [POINTS][block][PANEL], stays in the second level of the cache. For `depth` channels
 * after the other: transform their kernels, add their products to the sums while the next kernels
 * are fetched. */
KERNEL_CPU void fused(TENSOR_IN(v), int v_tiles, int v_stride,
    __global const WEIGHT *restrict kernels, int k, TENSOR_OUT(scratch), int depth, int block,
    int tiles, int down, int across, ENDING_ARGUMENTS, int jobs, JOB_COUNTER)
{
    const struct ending ending = ENDING;
    int blocks = BLOCKS(v_tiles, block);
    int u_point = depth * PANEL + PAD, sum_point = block * PANEL + PAD;
    size_t v_point = (size_t)v_tiles * v_stride;
    __global float *u =
        TENSOR_AT(scratch) + (size_t)get_global_id(0) * POINTS * (u_point + sum_point);
    __global float *sums = u + POINTS * u_point;
    JOBS(job, jobs)
    {
        int panel = job / blocks, first = job % blocks * block, count = min(block, v_tiles - first);
        __global const WEIGHT *from = kernels + (size_t)panel * k * 9 * PANEL;
        __global const float *a = TENSOR_AT(v) + (size_t)first * v_stride;
        for (int c = 0; c < k; c += depth, a += POINTS * v_point) {
            int some = min(depth, k - c);
            for (int i = 0; i < some * PANEL; i += 16)
                tile_weights(from + i / PANEL * 9 * PANEL + i % PANEL, u + i, u_point);
            from += some * 9 * PANEL;
            add_products(
                sums, sum_point, c == 0, a, v_point, v_stride, u, u_point, some, count, from);
        }
        for (int t = 0; t < count && first + t < tiles; t++)
            for (int o = 0; o < PANEL && panel * PANEL + o < out; o += 16)
                store_tile(&ending, sums + t * PANEL + o, sum_point, first + t, down, across,
                    panel * PANEL + o);
    }
    JOBS_END
}
