/* gemm_cpu.cl - the product of gemm.cl for CPUs: y = act(x wT + bias) + residual.
 * SPDX-License-Identifier: MIT
 *
 * A register tile is ROWS rows x 16*VECTORS columns, float16 tile[ROWS][VECTORS]; its indices come
 * from unrolled loops only, so that it lives in vector registers. Per step of k it takes VECTORS
 * loads of weights and ROWS broadcasts of x for ROWS*VECTORS multiply-adds. x is read where it is;
 * packing it was slower.
 *
 *   w     [panels][k][PANEL] of WEIGHT, zero padded (gemm.h); a slice is 16*VECTORS columns of a panel
 *   bias  [panels*PANEL] or NULL; x [rows][in] and x2 [rows][in2] at their strides, in + in2 = k
 *
 * A job is slice_block slices x row_block row tiles, at most MOST_ROWS rows. `depth` steps of k of a
 * slice stay in the second-level cache for all row tiles of the job while these fetch the next ones,
 * each its share; the sums of the tiles wait in `sums`. The last row tile ends at the last row: it
 * computes some rows again, and writes only those that are its own.
 * With -DUNPACK=DEPTH a block of half weights is made float once for all row tiles of the job; `depth`
 * is at most DEPTH. Where a job has few of them, its weights become float as they are read.
 * Tunables: ROWS, VECTORS (1, 2, 4); ROWS*VECTORS + VECTORS + 1 vector registers are used.
 * Grid: jobs (common.h). */
#include "common.h"
#ifndef ROWS
#define ROWS 6
#endif
#ifndef VECTORS
#define VECTORS 4
#endif
#define PANEL 64
#define WIDTH (16 * VECTORS)
#define LINES BLOCKS(WIDTH, WEIGHT_LINE) /* of a slice, in a step of k */
#define MOST_ROWS 144
#define STEP 16 /* of k, between two rounds of prefetching */
#include "gemm_finish.h"

/* What tiles are multiplied by: WEIGHT where it lies, or float vectors out of `unpacked`, which
 * are aligned. */
#ifdef UNPACK
#define FACTOR const float16
#define FACTOR16(j, w) ((w)[j])
#define FACTOR_STEP VECTORS
#else
#define FACTOR global const WEIGHT
#define FACTOR16(j, w) WEIGHT16(j, w)
#define FACTOR_STEP PANEL
#endif

/* Cache lines of weights to fetch: `count` per STEP, from line `first` on of a slice. */
struct ahead {
    global const WEIGHT *slice;
    int first, count;
};

static inline void fetch_ahead(struct ahead *ahead)
{
    for (int i = 0; i < ahead->count; i++, ahead->first++)
        PREFETCH_L2(ahead->slice + ahead->first / LINES * PANEL + ahead->first % LINES * WEIGHT_LINE);
}

/* One step of k. */
#define STEP_TILE(tile, a, stride, w)                                                              \
    do {                                                                                           \
        float16 b_[VECTORS];                                                                       \
        UNROLL for (int j = 0; j < VECTORS; j++) b_[j] = FACTOR16(j, w);                            \
        UNROLL for (int i = 0; i < ROWS; i++)                                                      \
        {                                                                                          \
            float16 broadcast_ = (a)[i * (stride)];                                                \
            UNROLL for (int j = 0; j < VECTORS; j++) tile[i][j] =                                  \
                fma(broadcast_, b_[j], tile[i][j]);                                                \
        }                                                                                          \
    } while (0)

/* tile += a w: `k` values of each row from a on, times w [k][FACTOR_STEP]. Inlined by force: a tile that is
 * passed by its address would be kept in memory. */
static inline __attribute__((always_inline)) void tile_multiply(float16 tile[ROWS][VECTORS], global const float *a,
    int stride, FACTOR *w, int k, struct ahead *ahead)
{
    int c = 0;
    for (; c + STEP <= k; c += STEP) {
        fetch_ahead(ahead);
        _Pragma("unroll 4") for (int step = 0; step < STEP; step++)
        {
            STEP_TILE(tile, a, stride, w);
            w += FACTOR_STEP;
            a++;
        }
    }
    for (; c < k; c++) {
        STEP_TILE(tile, a, stride, w);
        w += FACTOR_STEP;
        a++;
    }
}

struct factors {
    global const float *x, *x2;
    global const WEIGHT *w;
    int x_stride, x2_stride, in, k;
};

/* tile += rows from `row` on, columns first..last of x ++ x2, times w from `first` on. */
static inline __attribute__((always_inline)) void multiply_block(float16 tile[ROWS][VECTORS],
    const struct factors *f, int row, FACTOR *w, int first, int last,
    struct ahead *ahead)
{
    int from2 = max(first, f->in);
    if (first < f->in)
        tile_multiply(tile, f->x + (size_t)row * f->x_stride + first, f->x_stride,
            w, min(last, f->in) - first, ahead);
    if (last > f->in)
        tile_multiply(tile, f->x2 + (size_t)row * f->x2_stride + (from2 - f->in), f->x2_stride,
            w + (size_t)(from2 - first) * FACTOR_STEP, last - from2, ahead);
}

static inline global const WEIGHT *slice_of(const struct factors *f, int slice)
{
    int column = slice * WIDTH;
    return f->w + (size_t)(column / PANEL) * f->k * PANEL + column % PANEL;
}

/* k steps of a slice, as float. */
static inline void unpack_block(global const WEIGHT *from, int k, float16 *to)
{
    for (int c = 0; c < k; c++, from += PANEL, to += VECTORS)
        UNROLL for (int j = 0; j < VECTORS; j++)
            to[j] = WEIGHT16(j, from);
}

KERNEL_CPU void product_cpu(TENSOR_IN(x), int x_stride, int in, TENSOR_IN(x2), int x2_stride,
    int in2, global const WEIGHT *restrict w_memory, uint w_offset, global const float *restrict bias, TENSOR_IN(residual),
    int residual_stride, TENSOR_OUT(y), int y_stride, int rows, int columns, int activation,
    int pairs, int slices, int row_block, int slice_block, int depth, int jobs, JOB_COUNTER)
{
    int tiles = BLOCKS(rows, ROWS), blocks_across = BLOCKS(slices, slice_block), k = in + in2;
    struct factors factors = {
        TENSOR_AT(x), TENSOR_AT(x2), TENSOR_AT(w), x_stride, x2_stride, in, k};
    struct finish finish = {bias, TENSOR_GIVEN(residual) ? TENSOR_AT(residual) : 0, TENSOR_AT(y),
        activation, pairs, residual_stride, y_stride, columns};
    float sums[MOST_ROWS * WIDTH];
#ifdef UNPACK
    float16 unpacked[UNPACK * VECTORS];
#endif
    JOBS(job, jobs)
    {
        int block = job / blocks_across, start = (job - block * blocks_across) * slice_block;
        int first = block * row_block, last = min(first + row_block, tiles);
        int end = min(start + slice_block, slices), share = BLOCKS(STEP * LINES, last - first);
        for (int slice = start; slice < end; slice++)
            for (int c = 0; c < k; c += depth) {
                global const WEIGHT *here = slice_of(&factors, slice);
                int next = min(c + depth, k);
#ifdef UNPACK
                FACTOR *w = unpacked;
                unpack_block(here + (size_t)c * PANEL, next - c, unpacked);
#else
                FACTOR *w = here + (size_t)c * PANEL;
#endif
                for (int t = first; t < last; t++) {
                    int row = min(t * ROWS, rows - ROWS);
                    float *values = sums + (t - first) * ROWS * WIDTH;
                    struct ahead ahead = {
                        next < k ? here + (size_t)next * PANEL : slice_of(&factors, slice + 1),
                        (t - first) * share * (depth / STEP), share};
                    if (last - first == 1)
                        ahead = (struct ahead){here, STEP * LINES, share};
                    float16 tile[ROWS][VECTORS];
                    UNROLL for (int i = 0; i < ROWS; i++)
                        UNROLL for (int j = 0; j < VECTORS; j++) tile[i][j] =
                            c ? vload16(i * VECTORS + j, values) : (float16)(0.0f);
                    multiply_block(tile, &factors, row, w, c, next, &ahead);
                    UNROLL for (int i = 0; i < ROWS; i++)
                        UNROLL for (int j = 0; j < VECTORS; j++)
                            vstore16(tile[i][j], i * VECTORS + j, values);
                    for (int i = next < k ? ROWS : t * ROWS - row; i < ROWS; i++)
                        store_row(values + i * WIDTH, &finish, row + i, slice * WIDTH);
                }
            }
    }
    JOBS_END
}
