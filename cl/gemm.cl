/* gemm.cl - matrix product with its neighbours' work: y = act(x wT + bias) + residual.
 * SPDX-License-Identifier: MIT
 *
 *   x     [rows][in] and x2 [rows][in2] at their strides; together k = in + in2 columns
 *   w     [panels][k][PANEL] of WEIGHT, zero padded (gemm.h); bias [panels*PANEL] or NULL
 *   pairs (GEGLU): of each two blocks of 16 packed columns the first holds values, the second their
 *         gates, and y has half as many columns
 *
 * product: a group computes TILE rows x one panel (group_tile.h); act is none, or GEGLU. With
 * `partial` [parts][rows][panels * PANEL] it takes `depth` columns of x only, and leaves its sums to
 * product_end: a few rows have too few tiles to fill a device. Other activations go that way too, with
 * one part: they are rare, and in sixteen copies, for each quad of sums, they were most of the program.
 *
 * Options of product: GEGLU; ODD unless in and in2 are multiples of four; ROWS of group_tile.h.
 * Grid of product: (WIDE * panels, HIGH * blocks of rows, parts); else: (columns of y, rows). */
#include "common.h"
#include "gemm_quad.h"
#include "group_tile.h"

/* A step from column c on. */
#define FETCH(c)                                                                                   \
    do {                                                                                           \
        UNROLL for (int i = 0; i < X_QUADS; i++) x_next[i] =                                       \
            input_quad(&inputs, row + X_ROW(i), (c) + X_COLUMN);                                   \
        UNROLL for (int i = 0; i < W_QUADS; i++) w_next[i] = (c) + (int)W_ROW(i) < k               \
            ? WEIGHT4((size_t)(c) * (PANEL / 4) + item + i * ITEMS, from)                          \
            : (float4)(0.0f);                                                                      \
    } while (0)

KERNEL_GROUP(WIDE, HIGH, 1) void product(TENSOR_IN(x), int x_stride, int in, TENSOR_IN(x2),
    int x2_stride, int in2, global const WEIGHT *restrict w_memory, uint w_offset, OUTPUT_ARGUMENTS,
    TENSOR_OUT(partial), int panels, int depth)
{
    TILE_LOCAL;
    int panel = GROUP_ID(0, WIDE), row = GROUP_ID(1, HIGH) * TILE, part = GROUP_ID(2, 1), k = in + in2;
    int first = part * depth, last = min(first + depth, k);
    const struct inputs inputs = {TENSOR_AT(x), TENSOR_AT(x2), x_stride, x2_stride, in, k, rows};
    global const WEIGHT *from = TENSOR_AT(w) + (size_t)panel * k * PANEL;
    float4 sum[ROWS][2], x_next[X_QUADS], w_next[W_QUADS];
    UNROLL for (int i = 0; i < ROWS; i++) sum[i][0] = sum[i][1] = (float4)(0.0f);
    FETCH(first);
    for (int c = first; c < last; c += STEP) {
        barrier(CLK_LOCAL_MEM_FENCE);
        TILE_STORE;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (c + STEP < last)
            FETCH(c + STEP);
        TILE_MULTIPLY
    }
    int column = panel * PANEL + COLUMN;
    if (TENSOR_GIVEN(partial)) {
        TILE_LEAVE(TENSOR_AT(partial), part, row, rows, panel, panels);
        return;
    }
    const struct outputs outputs = OUTPUTS;
    float4 bias0 = bias ? vload4(0, bias + column) : (float4)(0.0f);
    float4 bias1 = bias ? vload4(4, bias + column) : (float4)(0.0f);
    UNROLL for (int i = 0; i < ROWS; i++)
    {
        float4 v0 = sum[i][0] + bias0, v1 = sum[i][1] + bias1;
        if (GEGLU)
            output_quad(&outputs, row + ROW(i), panel * 32 + tx * 4, v0, v1);
        else {
            output_quad(&outputs, row + ROW(i), column, v0, v0);
            output_quad(&outputs, row + ROW(i), column + 16, v1, v1);
        }
    }
}

static inline float end_value(int activation, int pairs, float v, float gate)
{
    return pairs ? v * gelu(gate) : activate(activation, v);
}

/* y of the sums of all parts, [parts][rows][packed]. */
KERNEL_GROUP(64, 4, 1) void product_end(TENSOR_IN(partial), int parts, int packed, OUTPUT_ARGUMENTS,
    int activation, int pairs)
{
    int c = get_global_id(0), r = get_global_id(1);
    if (c >= columns || r >= rows)
        return;
    int at = pairs ? c / 16 * 32 + c % 16 : c;
    float v = bias ? bias[at] : 0.0f, gate = bias && pairs ? bias[at + 16] : 0.0f;
    for (int part = 0; part < parts; part++) {
        global const float *sums = TENSOR_AT(partial) + ((size_t)part * rows + r) * packed + at;
        v += sums[0];
        gate += pairs ? sums[16] : 0.0f;
    }
    float value = end_value(activation, pairs, v, gate);
    if (TENSOR_GIVEN(residual))
        value += TENSOR_AT(residual)[(size_t)r * residual_stride + c];
    TENSOR_AT(y)[(size_t)r * y_stride + c] = value;
}

/* What a product by CLBlast still needs: y = act(z + bias) + residual; z [rows][columns] (values then
 * gates if pairs) may be y itself. */
KERNEL_GROUP(64, 4, 1) void epilogue(global const float *z_memory, uint z_offset, int z_stride,
    global const float *restrict bias, TENSOR_IN(residual), int residual_stride,
    global float *y_memory, uint y_offset, int y_stride, int rows, int columns, int activation,
    int pairs)
{
    int c = get_global_id(0), r = get_global_id(1);
    if (c >= columns || r >= rows)
        return;
    global const float *z = TENSOR_AT(z) + (size_t)r * z_stride + c;
    float gate = pairs ? z[columns] + bias[columns + c] : 0.0f;
    float value = end_value(activation, pairs, z[0] + bias[c], gate);
    if (TENSOR_GIVEN(residual))
        value += TENSOR_AT(residual)[(size_t)r * residual_stride + c];
    TENSOR_AT(y)[(size_t)r * y_stride + c] = value;
}
