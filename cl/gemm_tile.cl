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
 * A job is row_block blocks x panel_block panels. Its rows are split into bf16, `depth` steps at a time, for all its
 * panels; a work-item keeps them for its next job if that has the same and all steps. While a panel is
 * multiplied the next one is fetched into the second-level cache. So that this goes on from job to
 * job, the next one is drawn before the last panel, not as JOBS does.
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

/* What is fetched while a block is multiplied: with each step `count` cache lines of the next words of w;
 * and `rows` of the places where its sums go, from row `row` to row `end`. */
struct ahead {
    global const uint *line;
    int count, row, end, rows;
};

static inline void fetch_ahead(struct ahead *ahead, const struct finish *finish, int column)
{
    for (int i = 0; i < ahead->count; i++, ahead->line += 16)
        PREFETCH_L2(ahead->line);
    for (int i = 0; i < ahead->rows && ahead->row < ahead->end; i++, ahead->row++)
        fetch_place(finish, ahead->row, column);
}

/* The whole sums of one block, from the tiles to y. */
static inline __attribute__((always_inline)) void finish_block(
    struct tiles *tiles, const struct finish *finish, int row, int rows, int column)
{
    float16 aligned[BLOCK * VECTORS];
    float *values = (float *)aligned;
    TILES_STORE_SUMS(tiles, values, BLOCK);
    for (int i = 0; i < min(rows - row, BLOCK); i++)
        store_row(values + i * BLOCK, finish, row + i, column);
}

/* Of one block of sums: its place in the product, its words of either factor for some steps, and where
 * its sums are before (NULL: zero) and after them (NULL: whole, they go to y). */
struct block {
    int row, rows, column, steps;
    global const uint *a, *w;
    global const float *before;
    global float *after;
};

static inline __attribute__((always_inline)) void multiply_steps(struct tiles *tiles,
    const struct block *block, bool both, const struct finish *finish, struct ahead ahead)
{
    global const uint *a = block->a, *w = block->w;
    for (int s = 0; s < block->steps; s++, a += STEP_WORDS, w += STEP_WORDS) {
        fetch_ahead(&ahead, finish, block->column);
        TILES_STEP(tiles, a, w, both);
    }
}

static inline __attribute__((always_inline)) void multiply_block(struct tiles *tiles,
    const struct block *block, const struct finish *finish, struct ahead ahead)
{
    if (block->before)
        TILES_LOAD_SUMS(tiles, block->before, BLOCK);
    else
        TILES_ZERO_SUMS(tiles);
    if (block->rows - block->row > TILE_ROWS)
        multiply_steps(tiles, block, true, finish, ahead);
    else
        multiply_steps(tiles, block, false, finish, ahead);
    if (block->after)
        TILES_STORE_SUMS(tiles, block->after, BLOCK);
    else
        finish_block(tiles, finish, block->row, block->rows, block->column);
}

static inline global const uint *words_of(const struct factors *f, int panel, int step)
{
    return f->w + ((size_t)panel * f->steps + step) * STEP_WORDS;
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
    int job = atomic_inc(job_counter), following = job;
    int held = -1; /* whose rows are in scratch */
    struct tiles tiles;
    TILES_BEGIN(&tiles);
    for (; job < jobs; job = following) {
        int part = job / across, start = (job - part * across) * panel_block;
        int end = min(start + panel_block, panels);
        int first = part * row_block, last = min(first + row_block, BLOCKS(rows, BLOCK));
        int share = BLOCKS(STEP_WORDS / 16, last - first);
        for (int s = 0; s < steps; s += depth) {
            int next = min(s + depth, steps);
            for (int b = first; b < last && (held != part || steps > depth); b++)
                split_block(&factors, b, s, next, a + (size_t)(b - first) * depth * STEP_WORDS);
            held = part;
            for (int panel = start; panel < end; panel++) {
                global const uint *there = words_of(&factors, panel + 1, s);
                if (panel + 1 == end && next < steps)
                    there = words_of(&factors, start, next);
                else if (panel + 1 == end) {
                    following = atomic_inc(job_counter);
                    there = words_of(&factors, following % across * panel_block, 0);
                }
                for (int b = first; b < last; b++) {
                    global float *kept =
                        sums + (size_t)((panel - start) * row_block + b - first) * BLOCK * BLOCK;
                    struct block block = {b * BLOCK, rows, panel * BLOCK, next - s,
                        a + (size_t)(b - first) * depth * STEP_WORDS, words_of(&factors, panel, s),
                        s ? kept : 0, next < steps ? kept : 0};
                    struct ahead ahead = {there + (size_t)(b - first) * share * (next - s) * 16,
                        share, block.row, next < steps ? 0 : min(rows, block.row + BLOCK),
                        BLOCKS(BLOCK, next - s)};
                    multiply_block(&tiles, &block, &finish, ahead);
                }
            }
        }
    }
    TILES_END(&tiles);
    JOBS_END
}
