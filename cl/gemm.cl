/* gemm.cl - matrix product with its neighbours' work: y = act(x wT + bias) + residual.
 * SPDX-License-Identifier: MIT
 *
 *   x     [rows][in] and x2 [rows][in2] at their strides; together k = in + in2 columns
 *   w     [panels][k][PANEL] of WEIGHT, zero padded (gemm.h); bias [panels*PANEL] or NULL
 *   pairs (GEGLU): of each two blocks of 16 packed columns the first holds values, the second their
 *         gates, and y has half as many columns
 *
 * A group of 16 x 16 work-items computes 16*ROWS rows x one panel. Both inputs go through local
 * memory, STEP columns of x at a time; a work-item keeps ROWS x 4 sums: rows ty + 16 i, packed
 * columns tx + 16 j, so that a value and its gate meet in one work-item and no two work-items of a
 * row ask for the same bank.
 * Tunable: ROWS (1, 4, 8). Grid: (16 * panels, 16 * blocks of rows). Local memory: 13 KiB at ROWS 8. */
#include "common.h"
#ifndef ROWS
#define ROWS 4
#endif
#define PANEL 64
#define STEP 16
#define TILE (16 * ROWS)

/* The two inputs, as one matrix. */
struct inputs {
    global const float *x, *x2;
    int x_stride, x2_stride, in, k, rows;
};

/* Zero beyond the edges. */
static inline float input_at(const struct inputs *inputs, int row, int column)
{
    if (row >= inputs->rows || column >= inputs->k)
        return 0.0f;
    if (column < inputs->in)
        return inputs->x[(size_t)row * inputs->x_stride + column];
    return inputs->x2[(size_t)row * inputs->x2_stride + column - inputs->in];
}

KERNEL_GROUP(16, 16, 1) void product(TENSOR_IN(x), int x_stride, int in, TENSOR_IN(x2),
    int x2_stride, int in2, global const WEIGHT *restrict w_memory,
    uint w_offset, global const float *restrict bias, TENSOR_IN(residual),
    int residual_stride, TENSOR_OUT(y), int y_stride, int rows, int columns, int activation,
    int pairs)
{
    /* Used in this function only: PoCL 3.1 lets groups that run at the same time share a local array
     * that a function was given. The odd width spreads transposing writes over the banks. */
    local float x_tile[STEP][TILE + 1], w_tile[STEP][PANEL];
    int tx = get_local_id(0), ty = get_local_id(1);
    uint item = ty * 16 + tx; /* unsigned, for cheap quotients by powers of two */
    int panel = get_group_id(0), row = get_group_id(1) * TILE, k = in + in2;
    struct inputs inputs = {
        TENSOR_AT(x), TENSOR_AT(x2), x_stride, x2_stride, in, k, rows};
    global const WEIGHT *from = TENSOR_AT(w) + (size_t)panel * k * PANEL;
    float sum[ROWS][4];
    UNROLL for (int i = 0; i < ROWS; i++)
        UNROLL for (int j = 0; j < 4; j++) sum[i][j] =
            bias ? bias[panel * PANEL + tx + 16 * j] : 0.0f;
    for (int c = 0; c < k; c += STEP) {
        for (uint i = item; i < TILE * STEP; i += 256)
            x_tile[i % STEP][i / STEP] = input_at(&inputs, row + i / STEP, c + i % STEP);
        for (uint i = item; i < PANEL * STEP; i += 256)
            w_tile[i / PANEL][i % PANEL] =
                c + (int)(i / PANEL) < k ? WEIGHT_AT(from, (size_t)c * PANEL + i) : 0.0f;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int step = 0; step < STEP; step++)
            UNROLL for (int i = 0; i < ROWS; i++)
                UNROLL for (int j = 0; j < 4; j++) sum[i][j] =
                    fma(x_tile[step][ty + 16 * i], w_tile[step][tx + 16 * j], sum[i][j]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    UNROLL for (int i = 0; i < ROWS; i++)
        UNROLL for (int j = 0; j < 4; j++)
        {
            int r = row + ty + 16 * i, block = panel * 4 + j;
            int c = (pairs ? block / 2 : block) * 16 + tx;
            if (r >= rows || c >= columns || (pairs && j % 2))
                continue;
            float value = pairs ? sum[i][j] * gelu(sum[i][(j + 1) % 4])
                                : activate(activation, sum[i][j]);
            if (TENSOR_GIVEN(residual))
                value += TENSOR_AT(residual)[(size_t)r * residual_stride + c];
            TENSOR_AT(y)[(size_t)r * y_stride + c] = value;
        }
}

/* What a product by CLBlast still needs: y = act(z + bias) + residual; z [rows][columns] (values then
 * gates if pairs) may be y itself. Grid: (columns, rows). */
KERNEL_GROUP(64, 4, 1) void epilogue(global const float *z_memory, uint z_offset, int z_stride,
    global const float *restrict bias, TENSOR_IN(residual), int residual_stride,
    global float *y_memory, uint y_offset, int y_stride, int rows, int columns, int activation,
    int pairs)
{
    int c = get_global_id(0), r = get_global_id(1);
    if (c >= columns || r >= rows)
        return;
    global const float *z = TENSOR_AT(z) + (size_t)r * z_stride + c;
    float value = z[0] + bias[c];
    if (pairs)
        value *= gelu(z[columns] + bias[columns + c]);
    else
        value = activate(activation, value);
    if (TENSOR_GIVEN(residual))
        value += TENSOR_AT(residual)[(size_t)r * residual_stride + c];
    TENSOR_AT(y)[(size_t)r * y_stride + c] = value;
}
