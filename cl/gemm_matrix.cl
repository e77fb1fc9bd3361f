/* gemm_matrix.cl - gemm.cl on the matrix unit of a sub-group: y = act(x wT + bias) + residual.
 * SPDX-License-Identifier: MIT
 *
 *   x     [rows][in] and x2 [rows][in2] at their strides; together k = in + in2 columns
 *   w     words of unit.h, [panels][steps][64][16] (matrix_tile.h); bias [panels*64] or NULL
 *   pairs (GEGLU) as in gemm.cl
 *
 * x is rounded to 16 bits on its way into local memory; sums and all that follows are float. With
 * `partial` [parts][rows][panels*64] a group takes `depth` columns of x, a multiple of STEP, and leaves
 * its sums to product_end of gemm.cl, which also does other activations than GEGLU.
 *
 * Options: a unit's (unit.h), TILE and PANELS of matrix_tile.h, those of gemm_quad.h.
 * Grid: (ITEMS * panels / PANELS, blocks of TILE rows, parts). */
#include "common.h"
#include "unit.h"
#include "gemm_quad.h"
#include "matrix_tile.h"

/* A step from column c on. */
#define FETCH(c)                                                                                   \
    do {                                                                                           \
        UNROLL for (int i = 0; i < X_FLOATS; i++) x_next[i] =                                      \
            input_quad(&inputs, row + (int)X_ROW(i), (c) + (int)X_COLUMN);                         \
        UNROLL for (int i = 0; i < W_WORDS; i++) w_next[i] =                                       \
            from[((size_t)(W_PLACE(i) / PANEL_QUADS) * steps + (c) / STEP) * PANEL_QUADS +         \
                W_PLACE(i) % PANEL_QUADS];                                                         \
    } while (0)

UNIT_KERNEL(ITEMS)
void product_matrix(TENSOR_IN(x), int x_stride, int in, TENSOR_IN(x2), int x2_stride, int in2,
    global const uint4 *restrict weight, OUTPUT_ARGUMENTS, TENSOR_OUT(partial), int panels,
    int depth)
{
    TILE_LOCAL;
    int panel = GROUP_ID(0, ITEMS) * PANELS, row = GROUP_ID(1, 1) * TILE, part = GROUP_ID(2, 1);
    int k = in + in2, steps = BLOCKS(k, STEP), first = part * depth, last = min(first + depth, k);
    const struct inputs inputs = {TENSOR_AT(x), TENSOR_AT(x2), x_stride, x2_stride, in, k, rows};
    const struct outputs outputs = OUTPUTS;
    global const uint4 *from = weight + (size_t)panel * steps * PANEL_QUADS;
    float4 x_next[X_FLOATS];
    uint4 w_next[W_WORDS];
    TILE_ZERO;
    FETCH(first);
    for (int c = first; c < last; c += STEP) {
        barrier(CLK_LOCAL_MEM_FENCE);
        TILE_STORE_FLOATS;
        TILE_STORE_WEIGHTS;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (c + STEP < last)
            FETCH(c + STEP);
        TILE_MULTIPLY
    }
    UNIT_LOOP for (int i = 0; i < DOWN; i++)
    {
        TILE_LEAVE(i);
        ROLLED for (int q = item; q < BAND * BAND_QUADS / (GEGLU ? 2 : 1); q += ITEMS)
        {
            int r = q / (BAND_QUADS / (GEGLU ? 2 : 1)), c = q % (BAND_QUADS / (GEGLU ? 2 : 1));
            int at = GEGLU ? c / 4 * 8 + c % 4 : c, to = row + BAND_ROW(i, r);
            int column = panel * PANEL + at * 4;
            float4 v = BAND_QUAD(r, at), gate = GEGLU ? BAND_QUAD(r, at + 4) : v;
            if (TENSOR_GIVEN(partial)) {
                if (to < rows)
                    vstore4(v, 0,
                        TENSOR_AT(partial) + ((size_t)part * rows + to) * panels * PANEL + column);
                continue;
            }
            if (bias) {
                v += vload4(0, bias + column);
                gate += vload4(0, bias + column + (GEGLU ? 16 : 0));
            }
            output_quad(&outputs, to, GEGLU ? column / 32 * 16 + column % 16 : column, v, gate);
        }
    }
}
