/* gemm_tile.cl - the product of gemm.cl on the matrix unit of a CPU: y = act(x wT + bias) + residual.
 * SPDX-License-Identifier: MIT
 *
 * Blocks of 32 rows x 32 columns, each float as two bf16 (tile_bf16.h). STEP is 32 of k, 1024 words of
 * either factor:
 *
 *   w     [panels of 32 columns][steps][hi, lo][2][TILE_WORDS], zero padded (ops/gemm_tile.c)
 *   bias  [columns] or NULL; x [rows][in] and x2 [rows][in2] at their strides, in + in2 = k
 *   scratch  [work-items][scratch_size] words: the job's rows as [blocks][depth][lo, hi][2][TILE_WORDS],
 *         then, where k has more than `depth` steps, its sums [panels][blocks][32][32]
 *
 * A job is row_block blocks x panel_block panels. Its rows are split into bf16 once for all its panels;
 * a work-item keeps them for its next job if that has the same. Products are a third of the work of
 * `depth` steps that were read from the second-level cache: while a panel is multiplied, the next one
 * is fetched.
 * Grid: jobs (common.h). */
#include "common.h"
#include "tile_bf16.h"
#define VECTORS 2
#include "gemm_finish.h"
#define STEP_WORDS (4 * TILE_WORDS)
#define BLOCK 32      /* rows, and columns */
#define SPLIT_STEPS 8 /* whose words stay in the first-level cache while rows are split */

struct factors {
    global const float *x, *x2;
    global const uint *w;
    int x_stride, x2_stride, in, k, rows, steps;
};

/* Floats k to k + 31 of a row of x ++ x2, zero beyond its end, that are not all in one of both. */
static inline void load_mixed(const struct factors *f, int row, int k, float16 *u, float16 *v)
{
    float part[TILE_STEP];
    for (int i = 0; i < TILE_STEP; i++, k++)
        part[i] = k < f->in  ? f->x[(size_t)row * f->x_stride + k]
                  : k < f->k ? f->x2[(size_t)row * f->x2_stride + (k - f->in)]
                             : 0.0f;
    *u = vload16(0, part);
    *v = vload16(1, part);
}

static inline void load_step(const struct factors *f, int row, int k, float16 *u, float16 *v)
{
    global const float *x = k < f->in ? f->x + (size_t)row * f->x_stride + k
                                      : f->x2 + (size_t)row * f->x2_stride + (k - f->in);
    if (k + TILE_STEP > (k < f->in ? f->in : f->k)) {
        load_mixed(f, row, k, u, v);
        return;
    }
    *u = vload16(0, x);
    *v = vload16(1, x);
}

/* Steps first..last of one row to its place in the tiles of step `first`. */
static inline void split_row(
    const struct factors *f, int row, int first, int last, global uint *words)
{
    for (int s = first; s < last; s++, words += STEP_WORDS) {
        uint16 hi = 0, lo = 0;
        float16 u, v;
        if (row < f->rows) {
            load_step(f, row, s * TILE_STEP, &u, &v);
            bf16_split(u, v, &hi, &lo);
        }
        vstore16(lo, 0, words);
        vstore16(hi, 0, words + 2 * TILE_WORDS);
    }
}

/* Steps first..last of one block of rows. */
static inline void split_block(
    const struct factors *f, int block, int first, int last, global uint *words)
{
    for (int s = first; s < last; s += SPLIT_STEPS)
        for (int r = 0; r < BLOCK; r++)
            split_row(f, block * BLOCK + r, s, min(s + SPLIT_STEPS, last),
                words + (size_t)(s - first) * STEP_WORDS + r * 16);
}

/* Words of w to fetch: `count` cache lines with each step. */
struct ahead {
    global const uint *line;
    int count;
};

static inline void fetch_ahead(struct ahead *ahead)
{
    for (int i = 0; i < ahead->count; i++, ahead->line += 16)
        PREFETCH_L2(ahead->line);
}

static inline __attribute__((always_inline)) void multiply_steps(struct tiles *tiles,
    global const uint *a, global const uint *w, int steps, bool both, struct ahead ahead)
{
    for (int s = 0; s < steps; s++, a += STEP_WORDS, w += STEP_WORDS) {
        fetch_ahead(&ahead);
        TILES_STEP(tiles, a, w, both);
    }
}

static inline __attribute__((always_inline)) void load_sums(
    struct tiles *tiles, global const float *sums)
{
    TILE_LOAD(tiles, 0, sums, BLOCK);
    TILE_LOAD(tiles, 1, sums + 16, BLOCK);
    TILE_LOAD(tiles, 2, sums + 16 * BLOCK, BLOCK);
    TILE_LOAD(tiles, 3, sums + 16 * BLOCK + 16, BLOCK);
}

#define STORE_SUMS(tiles, sums)                                                                    \
    do {                                                                                           \
        TILE_STORE(tiles, 0, sums, BLOCK);                                                         \
        TILE_STORE(tiles, 1, (sums) + 16, BLOCK);                                                  \
        TILE_STORE(tiles, 2, (sums) + 16 * BLOCK, BLOCK);                                          \
        TILE_STORE(tiles, 3, (sums) + 16 * BLOCK + 16, BLOCK);                                     \
    } while (0)

static inline __attribute__((always_inline)) void zero_sums(struct tiles *tiles)
{
    TILE_ZERO(tiles, 0);
    TILE_ZERO(tiles, 1);
    TILE_ZERO(tiles, 2);
    TILE_ZERO(tiles, 3);
}

/* The whole sums of one block, from the tiles to y. */
static inline __attribute__((always_inline)) void finish_block(
    struct tiles *tiles, const struct finish *finish, int row, int rows, int column)
{
    float16 aligned[BLOCK * VECTORS];
    float *values = (float *)aligned;
    STORE_SUMS(tiles, values);
    for (int i = 0; i < min(rows - row, BLOCK); i++)
        store_row(values + i * BLOCK, finish, row + i, column);
}

KERNEL_CPU void product_tile(TENSOR_IN(x), int x_stride, int in, TENSOR_IN(x2), int x2_stride,
    int in2, global const uint *restrict w_memory, uint w_offset, global const float *restrict bias,
    TENSOR_IN(residual), int residual_stride, TENSOR_OUT(y), int y_stride, int rows, int columns,
    int activation, int pairs, int panels, int row_block, int panel_block, int depth,
    TENSOR_OUT(scratch), int scratch_size, int jobs, JOB_COUNTER)
{
    int k = in + in2, steps = BLOCKS(k, TILE_STEP), across = BLOCKS(panels, panel_block);
    struct factors factors = {
        TENSOR_AT(x), TENSOR_AT(x2), TENSOR_AT(w), x_stride, x2_stride, in, k, rows, steps};
    struct finish finish = {bias, TENSOR_GIVEN(residual) ? TENSOR_AT(residual) : 0, TENSOR_AT(y),
        activation, pairs, residual_stride, y_stride, columns};
    global float *memory = TENSOR_AT(scratch) + get_global_id(0) * (size_t)scratch_size;
    global uint *a = (global uint *)memory;
    global float *sums = memory + (size_t)row_block * depth * STEP_WORDS;
    struct tiles tiles;
    int held = -1; /* whose rows are in scratch */
    TILES_BEGIN(&tiles);
    JOBS(job, jobs)
    {
        int part = job / across, start = (job - part * across) * panel_block;
        int end = min(start + panel_block, panels);
        int first = part * row_block, last = min(first + row_block, BLOCKS(rows, BLOCK));
        for (int s = 0; s < steps; s += depth) {
            int next = min(s + depth, steps), share = BLOCKS(STEP_WORDS / 16, last - first);
            for (int b = first; b < last && (held != part || steps > depth); b++)
                split_block(&factors, b, s, next, a + (size_t)(b - first) * depth * STEP_WORDS);
            held = part;
            for (int panel = start; panel < end; panel++)
                for (int b = first; b < last; b++) {
                    global const uint *here = factors.w + ((size_t)panel * steps + s) * STEP_WORDS;
                    global const uint *there =
                        panel + 1 < end || next == steps
                            ? here + (size_t)(panel + 1 < end ? steps : next - s) * STEP_WORDS
                            : factors.w + ((size_t)start * steps + next) * STEP_WORDS;
                    struct ahead ahead = {
                        there + (size_t)(b - first) * share * (next - s) * 16, share};
                    global const uint *words = a + (size_t)(b - first) * depth * STEP_WORDS;
                    global float *kept =
                        sums + (size_t)((panel - start) * row_block + b - first) * BLOCK * BLOCK;
                    if (s)
                        load_sums(&tiles, kept);
                    else
                        zero_sums(&tiles);
                    if (rows - b * BLOCK > TILE_ROWS)
                        multiply_steps(&tiles, words, here, next - s, true, ahead);
                    else
                        multiply_steps(&tiles, words, here, next - s, false, ahead);
                    if (next < steps)
                        STORE_SUMS(&tiles, kept);
                    else
                        finish_block(&tiles, &finish, b * BLOCK, rows, panel * BLOCK);
                }
        }
    }
    TILES_END(&tiles);
    JOBS_END
}
