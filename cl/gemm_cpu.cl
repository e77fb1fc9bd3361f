/* gemm_cpu.cl - the product of gemm.cl for CPUs: y = act(x wT + bias) + residual.
 * SPDX-License-Identifier: MIT
 *
 * A register tile is ROWS rows x 16*VECTORS columns, float16 tile[ROWS][VECTORS]; its indices come
 * from unrolled loops only, so that it lives in vector registers. Per step of k it takes VECTORS
 * loads of weights and ROWS broadcasts of x for ROWS*VECTORS multiply-adds. x is read where it is;
 * packing it was slower.
 *
 *   w     [panels][k][PANEL], zero padded (gemm.h); a slice is 16*VECTORS columns of a panel
 *   bias  [panels*PANEL] or NULL; x [rows][in] and x2 [rows][in2] at their strides, in + in2 = k
 *
 * A job is slice_block slices x row_block row tiles. A slice stays in the second-level cache for all
 * row tiles of the job while these fetch the next slice, each its share. The last row tile ends at
 * the last row: it computes some rows again, and writes only those that are its own.
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
#define STEP 16 /* of k, between two rounds of prefetching */

/* Cache lines of weights to fetch: `count` per STEP, from line `first` on of a slice. */
struct ahead {
    global const float *slice;
    int first, count;
};

static inline void fetch_ahead(struct ahead *ahead)
{
    for (int i = 0; i < ahead->count; i++, ahead->first++)
        PREFETCH_L2(ahead->slice + ahead->first / VECTORS * PANEL + ahead->first % VECTORS * 16);
}

/* One step of k. */
#define STEP_TILE(tile, a, stride, w)                                                              \
    do {                                                                                           \
        float16 b_[VECTORS];                                                                       \
        UNROLL for (int j = 0; j < VECTORS; j++) b_[j] = vload16(j, w);                            \
        UNROLL for (int i = 0; i < ROWS; i++)                                                      \
        {                                                                                          \
            float16 broadcast_ = (a)[i * (stride)];                                                \
            UNROLL for (int j = 0; j < VECTORS; j++) tile[i][j] =                                  \
                fma(broadcast_, b_[j], tile[i][j]);                                                \
        }                                                                                          \
    } while (0)

/* tile += a w: `k` values of each row from a on, times w [k][PANEL]. Inlined by force: a tile that is
 * passed by its address would be kept in memory. */
static inline __attribute__((always_inline)) void tile_multiply(float16 tile[ROWS][VECTORS], global const float *a,
    int stride, global const float *w, int k, struct ahead *ahead)
{
    int c = 0;
    for (; c + STEP <= k; c += STEP) {
        fetch_ahead(ahead);
        _Pragma("unroll 4") for (int step = 0; step < STEP; step++)
        {
            STEP_TILE(tile, a, stride, w);
            w += PANEL;
            a++;
        }
    }
    for (; c < k; c++) {
        STEP_TILE(tile, a, stride, w);
        w += PANEL;
        a++;
    }
}

/* What becomes of a product: bias, activation (GEGLU if pairs), residual; `columns` of y. */
struct finish {
    global const float *bias, *residual;
    global float *y;
    int activation, pairs, residual_stride, y_stride, columns;
};

/* y[0..left) = value + residual, at most 16 of them */
static inline void store_part(
    float16 value, global const float *residual, global float *y, int left)
{
    float part[16];
    vstore16(value, 0, part);
    for (int i = 0; i < left; i++)
        y[i] = residual ? part[i] + residual[i] : part[i];
}

static inline void store_vector(float16 value, const struct finish *f, int row, int column)
{
    global float *y = f->y + (size_t)row * f->y_stride + column;
    global const float *residual =
        f->residual ? f->residual + (size_t)row * f->residual_stride + column : 0;
    if (column + 16 > f->columns)
        store_part(value, residual, y, f->columns - column);
    else
        vstore16(residual ? value + vload16(0, residual) : value, 0, y);
}

/* Row `row` of the product from column `first` on (in packed order) to y. */
static inline void store_row(const float *values, const struct finish *f, int row, int first)
{
    for (int j = 0; j < VECTORS; j++) {
        float16 value = vload16(j, values);
        if (f->bias)
            value += vload16(j, f->bias + first);
#if VECTORS > 1
        if (f->pairs) {
            float16 gate = vload16(j + 1, values);
            if (f->bias)
                gate += vload16(j + 1, f->bias + first);
            store_vector(value * gelu16(gate), f, row, (first + j * 16) / 2);
            j++;
            continue;
        }
#endif
        store_vector(activate16(f->activation, value), f, row, first + j * 16);
    }
}

KERNEL_CPU void product_cpu(TENSOR_IN(x), int x_stride, int in, TENSOR_IN(x2), int x2_stride,
    int in2, TENSOR_IN(w), global const float *restrict bias, TENSOR_IN(residual),
    int residual_stride, TENSOR_OUT(y), int y_stride, int rows, int columns, int activation,
    int pairs, int slices, int row_block, int slice_block, int jobs, JOB_COUNTER)
{
    int tiles = BLOCKS(rows, ROWS), blocks_across = BLOCKS(slices, slice_block), k = in + in2;
    struct finish finish = {bias, TENSOR_GIVEN(residual) ? TENSOR_AT(residual) : 0, TENSOR_AT(y),
        activation, pairs, residual_stride, y_stride, columns};
    JOBS(job, jobs)
    {
        int block = job / blocks_across;
        int first = block * row_block, last = min(first + row_block, tiles);
        int slice = (job - block * blocks_across) * slice_block, end = min(slice + slice_block, slices);
        int share = BLOCKS(STEP * VECTORS, last - first);
        for (; slice < end; slice++) {
            int column = slice * WIDTH, next = column + WIDTH;
            global const float *from =
                TENSOR_AT(w) + (size_t)(column / PANEL) * k * PANEL + column % PANEL;
            global const float *after =
                TENSOR_AT(w) + (size_t)(next / PANEL) * k * PANEL + next % PANEL;
            for (int t = first; t < last; t++) {
                int row = min(t * ROWS, rows - ROWS);
                struct ahead ahead = {after, (t - first) * share * (k / STEP), share};
                if (last - first == 1)
                    ahead = (struct ahead){from, STEP * VECTORS, share};
                float16 tile[ROWS][VECTORS];
                UNROLL for (int i = 0; i < ROWS; i++)
                    UNROLL for (int j = 0; j < VECTORS; j++) tile[i][j] = (float16)(0.0f);
                tile_multiply(
                    tile, TENSOR_AT(x) + (size_t)row * x_stride, x_stride, from, in, &ahead);
                if (in2)
                    tile_multiply(tile, TENSOR_AT(x2) + (size_t)row * x2_stride, x2_stride,
                        from + (size_t)in * PANEL, in2, &ahead);
                float values[ROWS * WIDTH];
                UNROLL for (int i = 0; i < ROWS; i++)
                    UNROLL for (int j = 0; j < VECTORS; j++)
                        vstore16(tile[i][j], i * VECTORS + j, values);
                for (int i = t * ROWS - row; i < ROWS; i++)
                    store_row(values + i * WIDTH, &finish, row + i, column);
            }
        }
    }
    JOBS_END
}
