/* conv_winograd.cl - 3x3 convolution, stride 1, with a quarter of the multiplications, for CPUs.
 * SPDX-License-Identifier: MIT
 *
 * Formulas and transforms: conv_winograd.h.
 *
 *   large maps
 *     input    p [images][in_rows][in_width][c]  -> v [c/v_depth][36][v_tiles][v_stride]
 *     weights  kernels [panels][c][9][PANEL]     -> u [36][panels][c][PANEL]
 *     product  v, u                              -> q [36][q_tiles][q_stride]
 *     output   q (+ bias, time, residual)        -> y
 *   large maps, few channels of input
 *     weights  as above
 *     blocks   p, u (+ bias, ...)                -> y
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

#define LANES float16
#include "conv_winograd.h"

#define PAIRS 3 /* points and their opposites, down: 0 and infinity, +-A1, +-B1 */
#define PAIR 12 /* points of a pair */
#define PAD 16  /* between points in scratch: or all would meet in one set of the cache */

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
            store16(o[x], v + (y * T + x) * v_point);
    }
}

/* u = G g GT of sixteen outputs' kernels at `from`, [9][width], for a pair of rows of G: 0 and
 * infinity, +-5/8 or +-3/2; to `to`, points `point` apart. */
INLINE void vector_weights(
    __global const WEIGHT *from, int width, int pair, __global float *to, size_t point)
{
    float16 columns[2][3], g[3], o[T];
    EACH (x, 3) {
        EACH (y, 3)
            g[y] = WEIGHT16(0, from + (y * 3 + x) * width);
        o[0] = g[0];
        o[1] = g[2];
        if (pair)
            weights_at(pair == 1 ? A1 : B1, g, o);
        columns[0][x] = o[0];
        columns[1][x] = o[1];
    }
    EACH (y, 2) {
        transform_weights(columns[y], o);
        EACH (x, T)
            store16(o[x], to + (y * T + x) * point);
    }
}

/* The same for `count` input channels' kernels [count][9][width], to [PAIR][count][PANEL]. Where
 * the last panel of a layer is narrower, its last vector fills the rest. */
INLINE void some_weights(
    __global const WEIGHT *from, int count, int width, int pair, __global float *to, size_t point)
{
    for (int i = 0; i < count; i++, from += 9 * width, to += PANEL)
        for (int j = 0; j < PANEL; j += 16)
            vector_weights(from + min(j, width - 16), width, pair, to + j, point);
}

/* Each pair with a loop of its own. */
static inline void tile_weights(
    __global const WEIGHT *from, int count, int width, int pair, __global float *to, size_t point)
{
    if (pair == 0)
        some_weights(from, count, width, 0, to, point);
    else if (pair == 1)
        some_weights(from, count, width, 1, to, point);
    else
        some_weights(from, count, width, 2, to, point);
}

/* Channels of a panel in memory. */
static inline int panel_width(int panel, int out)
{
    return min(PANEL, BLOCKS(out, 16) * 16 - panel * PANEL);
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
    int3 place = tile_place(t, down, across);
    float16 values[OUTPUT][OUTPUT];
    tile_output(q, q_point, values);
    EACH (i, OUTPUT)
        EACH (j, OUTPUT)
            store_output(ending, values[i][j], place.x, place.y + i, place.z + j, o);
}

/* ---- the kernels ---------------------------------------------------------------------------- */

/* A job is `per` of tiles = images*down*across; v has room for v_tiles of them. */
KERNEL_CPU void input(TENSOR_IN(p), int in_rows, int in_width, int c, TENSOR_OUT(v), int v_depth,
    int v_tiles, int v_stride, int tiles, int down, int across, int per, int jobs, JOB_COUNTER)
{
    size_t row = (size_t)in_width * c, point = (size_t)v_tiles * v_stride;
    JOBS(job, jobs)
    {
        int last = min((job + 1) * per, tiles);
        for (int t = job * per; t < last; t++) {
            int3 place = tile_place(t, down, across);
            __global const float *from =
                TENSOR_AT(p) + ((size_t)place.x * in_rows + place.y) * row + (size_t)place.z * c;
            __global float *to = TENSOR_AT(v) + (size_t)t * v_stride;
            for (int i = 0; i < c; i += 16)
                tile_input(
                    from + i, row, c, to + i / v_depth * POINTS * point + i % v_depth, point);
        }
    }
    JOBS_END
}

/* A job is 16 input channels of one panel. */
KERNEL_CPU void weights(__global const WEIGHT *restrict kernels, int c, int panels, int out,
    TENSOR_OUT(u), int jobs, JOB_COUNTER)
{
    size_t point = (size_t)panels * c * PANEL + PAD;
    JOBS(job, jobs)
    {
        int panel = job / (c / 16), first = job % (c / 16) * 16, width = panel_width(panel, out);
        __global const WEIGHT *from =
            kernels + (size_t)panel * c * 9 * PANEL + (size_t)first * 9 * width;
        __global float *to = TENSOR_AT(u) + (size_t)job * 16 * PANEL;
        for (int pair = 0; pair < PAIRS; pair++, to += PAIR * point)
            tile_weights(from, 16, width, pair, to, point);
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
        int lines = BLOCKS(PANEL, last - first);
        for (; panel < panel_end; panel++)
            for (int t = first; t < last; t++) {
                __global const float *a =
                    TENSOR_AT(v) + ((size_t)point * tiles + t * ROWS) * v_stride;
                __global const float *w =
                    TENSOR_AT(u) + ((size_t)point * panels + panel) * k * PANEL + point * PAD;
                __global const char *next =
                    (__global const char *)(w + (last - first > 1 ? k * PANEL : 16 * PANEL));
                __global float *to =
                    TENSOR_AT(q) + ((size_t)point * tiles + t * ROWS) * q_stride + panel * PANEL;
                float16 tile[ROWS][VECTORS];
                tile_clear(tile);
                tile_multiply(tile, a, steps, w, k,
                    (struct ahead){next + (size_t)(t - first) * lines * k * 4, lines, 0});
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

/* A job is `block` tiles, from p to y: their v, [POINTS][block][c + PAD], and the sums of one
 * panel, [POINTS][block][PANEL], stay in the second level of the cache, the weights come from the
 * last one, fetched a point ahead. */
KERNEL_CPU void blocks(TENSOR_IN(p), int in_rows, int in_width, int c, TENSOR_IN(u), int panels,
    TENSOR_OUT(scratch), int block, int tiles, int down, int across, ENDING_ARGUMENTS, int jobs,
    JOB_COUNTER)
{
    const struct ending ending = ENDING;
    int v_stride = c + PAD, v_point = block * v_stride, sum_point = block * PANEL + PAD;
    const struct steps steps = {v_stride, 4 * v_stride, 8 * v_stride};
    size_t row = (size_t)in_width * c;
    __global float *v = TENSOR_AT(scratch) + get_global_id(0) * POINTS * (v_point + sum_point);
    __global float *sums = v + POINTS * v_point;
    JOBS(job, jobs)
    {
        int first = job * block, count = min(block, tiles - first);
        int lines = BLOCKS(PANEL, BLOCKS(count, ROWS));
        for (int t = 0; t < count; t++) {
            int3 place = tile_place(first + t, down, across);
            __global const float *from =
                TENSOR_AT(p) + ((size_t)place.x * in_rows + place.y) * row + (size_t)place.z * c;
            for (int i = 0; i < c; i += 16)
                tile_input(from + i, row, c, v + t * v_stride + i, v_point);
        }
        for (int panel = 0; panel < panels; panel++) {
            for (int point = 0; point < POINTS; point++)
                for (int t = 0; t < count; t += ROWS) {
                    __global const float *w =
                        TENSOR_AT(u) + ((size_t)point * panels + panel) * c * PANEL + point * PAD;
                    __global const float *next = w + (size_t)panels * c * PANEL + PAD;
                    float16 tile[ROWS][VECTORS];
                    tile_clear(tile);
                    tile_multiply(tile, v + point * v_point + t * v_stride, steps, w, c,
                        (struct ahead){
                            (__global const char *)(next + t / ROWS * lines * c), lines, 0});
                    tile_save(tile, sums + point * sum_point + t * PANEL, PANEL);
                }
            for (int t = 0; t < count; t++)
                for (int o = 0; o < PANEL && panel * PANEL + o < out; o += 16)
                    store_tile(&ending, sums + t * PANEL + o, sum_point, first + t, down, across,
                        panel * PANEL + o);
        }
    }
    JOBS_END
}

/* ---- the fused form: product and output in one, weights transformed on the way -------------- */

/* The tiles that a job of the fused form works on. */
struct tiles {
    __global const float *v; /* the first one's values, [c/v_depth][POINTS][..][v_stride] */
    size_t v_point;
    int v_depth, v_stride, count;
};

static inline __global const float *tiles_at(const struct tiles *tiles, int pair, int c)
{
    return tiles->v + (c / tiles->v_depth * POINTS + pair * PAIR) * tiles->v_point +
           c % tiles->v_depth;
}

/* Transformed weights of some channels and a pair of points, and the sums of that pair. */
struct pair {
    __global float *u, *sums; /* [PAIR][k][PANEL], [PAIR][count][PANEL] */
    int k, u_point, sum_point;
};

/* Adds the products with the values at `a`, or begins the sums with them. Meanwhile fetches the
 * values of the next tiles, at last those at `after`, and the next weights. */
INLINE void add_products(const struct tiles *tiles, const struct pair *pair, bool begin,
    __global const float *a, __global const float *after, struct ahead ahead)
{
    int stride = tiles->v_stride, fetched = BLOCKS(pair->k, 16) * ahead.lines * LINE;
    const struct steps steps = {stride, 4 * stride, 8 * stride};
    for (int point = 0; point < PAIR; point++, a += tiles->v_point)
        for (int t = 0; t < tiles->count; t += ROWS, ahead.weights += fetched) {
            __global float *sum = pair->sums + point * pair->sum_point + t * PANEL;
            __global const float *row = a + t * stride;
            float16 tile[ROWS][VECTORS];
            if (begin)
                tile_clear(tile);
            else
                tile_load(tile, sum, PANEL);
            ahead.a = t + ROWS < tiles->count ? row + ROWS * stride
                      : point + 1 < PAIR      ? a + tiles->v_point
                                              : after;
            tile_multiply(tile, row, steps, pair->u + point * pair->u_point, pair->k, ahead);
            tile_save(tile, sum, PANEL);
        }
}

/* The sums of `tiles`, begun with channel 0, over channels [c, c + count), whose kernels are at
 * `from`. All kernels pass once for each pair of points, `chunk` channels at a time; these are
 * transformed, and then multiplied for all tiles. The next kernels, behind these, are fetched. */
INLINE void add_channels(const struct tiles *tiles, struct pair pair, __global const WEIGHT *from,
    int width, int c, int count, int chunk)
{
    int multiplies = POINTS * BLOCKS(tiles->count, ROWS);
    int lines = BLOCKS(9 * width * min(chunk, 16) / WEIGHT_LINE, multiplies);
    struct ahead ahead = {(__global const char *)(from + count * 9 * width), lines, 0};
    for (int p = 0; p < PAIRS; p++, pair.sums += PAIR * pair.sum_point)
        for (int i = c; i < c + count; i += chunk) {
            bool last = i + chunk >= c + count;
            pair.k = min(chunk, c + count - i);
            tile_weights(from + (i - c) * 9 * width, pair.k, width, p, pair.u, pair.u_point);
            add_products(tiles, &pair, i == 0, tiles_at(tiles, p, i),
                last ? tiles_at(tiles, p + 1, c) : tiles_at(tiles, p, i + chunk), ahead);
            ahead.weights += multiplies / PAIRS * BLOCKS(pair.k, 16) * lines * LINE;
        }
}

/* A job is one panel x `block` tiles. The work-item's own scratch stays in its caches: transformed
 * weights [PAIR][chunk][PANEL], sums [POINTS][block][PANEL]. Plain weights come from memory once,
 * `depth` channels ahead of their use. */
KERNEL_CPU void fused(TENSOR_IN(v), int v_depth, int v_tiles, int v_stride,
    __global const WEIGHT *restrict kernels, int k, TENSOR_OUT(scratch), int depth, int chunk,
    int block, int tiles, int down, int across, ENDING_ARGUMENTS, int jobs, JOB_COUNTER)
{
    const struct ending ending = ENDING;
    int blocks = BLOCKS(v_tiles, block);
    int u_point = chunk * PANEL + PAD, sum_point = block * PANEL + PAD;
    __global float *u =
        TENSOR_AT(scratch) + (size_t)get_global_id(0) * (PAIR * u_point + POINTS * sum_point);
    const struct pair pair = {u, u + PAIR * u_point, 0, u_point, sum_point};
    JOBS(job, jobs)
    {
        int panel = job / blocks, first = job % blocks * block, width = panel_width(panel, out);
        int o = panel * PANEL;
        const struct tiles here = {TENSOR_AT(v) + (size_t)first * v_stride,
            (size_t)v_tiles * v_stride, v_depth, v_stride, min(block, v_tiles - first)};
        __global const WEIGHT *from = kernels + (size_t)o * k * 9;
        for (int c = 0; c < k; c += depth, from += depth * 9 * width)
            add_channels(&here, pair, from, width, c, min(depth, k - c), chunk);
        for (int t = 0; t < here.count && first + t < tiles; t++)
            for (int i = 0; i < width; i += 16)
                store_tile(
                    &ending, pair.sums + t * PANEL + i, sum_point, first + t, down, across, o + i);
    }
    JOBS_END
}
