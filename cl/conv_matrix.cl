/* conv_matrix.cl - conv_tiled.cl on the matrix unit of a sub-group: 3x3 convolution as an implicit
 * product. SPDX-License-Identifier: MIT
 *
 *   y[p][o] = bias[o] + time[image of p][o] + residual[p][o]
 *       + sum_{tap,c} x[p at tap][c] weight[tap][c][o]
 *
 * words    what is convolved (conv_quad.h: inputs joined, norm, SiLU), rounded to 16 bits and written
 *          as words of unit.h: [pixels of x][quads*4], zero beyond the last channel
 * matrix   TILE pixels x PANELS panels of a group (matrix_tile.h), STEP channels of one tap at a time;
 *          nine taps read half the bytes of floats, and nothing is left to do on the way into local
 *          memory. With `partial` it takes `steps` steps only; conv_tiled.cl adds the parts.
 *
 *   weight   words, [panels][9][steps of a tap][64][16], zero padded
 *
 * Options of words: a unit's, for the kind of number. Of matrix: a unit's, TILE and PANELS.
 * Grid of words: (words of a pixel, pixels); of matrix: (ITEMS * panels / PANELS, blocks of TILE pixels,
 * parts). */
#include "common.h"
#include "unit.h"
#include "conv_quad.h"
#include "matrix_tile.h"

KERNEL_GROUP(64, 4, 1) void words(SOURCE_ARGUMENTS, TENSOR_OUT(y), int y_words)
{
    int c = get_global_id(0), p = get_global_id(1);
    const struct source source = SOURCE;
    if (c < y_words && p < pixels)
        ((global uint *)TENSOR_AT(y))[(size_t)p * y_words + c] =
            unit_word(source_value(&source, p, 2 * c), source_value(&source, p, 2 * c + 1));
}

/* Four words of a pixel, -1: outside the image. A branch, as in conv_tiled.cl. */
static inline uint4 pixel_words(global const uint4 *x, int quads, int pixel, int at)
{
    if (pixel < 0)
        return (uint4)(0);
    return x[(size_t)pixel * quads + at];
}

/* Step `step` of `tap`, at the pixels of x in `place`. */
#define FETCH(tap, step)                                                                           \
    do {                                                                                           \
        UNROLL for (int i = 0; i < X_WORDS; i++) x_next[i] = pixel_words(input, quads,             \
            place[min((int)X_WORD_ROW(i), TILE - 1)], (step)*STEP_QUADS + (int)item % 4);          \
        UNROLL for (int i = 0; i < W_WORDS; i++) w_next[i] =                                       \
            from[((size_t)(W_PLACE(i) / PANEL_QUADS * 9 + (tap)) * slices + (step)) *              \
                    PANEL_QUADS +                                                                  \
                W_PLACE(i) % PANEL_QUADS];                                                         \
    } while (0)

UNIT_KERNEL(ITEMS)
void matrix(global const uint4 *restrict x_memory, uint x_offset, int h, int w, int quads, int up,
    global const uint4 *restrict weight, int rows, int width, int stride, int pad,
    ENDING_ARGUMENTS, TENSOR_OUT(partial), int panels, int steps)
{
    TILE_LOCAL;
    local int place[TILE]; /* of the tap that is fetched: a work-item works out one pixel */
    int panel = GROUP_ID(0, ITEMS) * PANELS, first = GROUP_ID(1, 1) * TILE, part = GROUP_ID(2, 1);
    int slices = quads / STEP_QUADS, left = min(steps, 9 * slices - part * steps);
    int tap = part * steps / slices, step = part * steps - tap * slices;
    const struct map map = {h, w, up, rows, width, pixels, stride, pad};
    global const uint4 *input = x_memory + x_offset / 4;
    global const uint4 *from = weight + (size_t)panel * 9 * slices * PANEL_QUADS;
    uint4 x_next[X_WORDS], w_next[W_WORDS];
    TILE_ZERO;
    if (item < TILE)
        place[item] = tap_pixel(&map, first + (int)item, tap);
    barrier(CLK_LOCAL_MEM_FENCE);
    FETCH(tap, step);
    while (left-- > 0) {
        barrier(CLK_LOCAL_MEM_FENCE);
        TILE_STORE_WORDS;
        TILE_STORE_WEIGHTS;
        if (++step >= slices) {
            step = 0;
            tap++;
            if (item < TILE)
                place[item] = tap_pixel(&map, first + (int)item, tap);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (left > 0)
            FETCH(tap, step);
        TILE_MULTIPLY
    }
    const struct ending ending = ENDING;
    UNIT_LOOP for (int i = 0; i < DOWN; i++)
    {
        TILE_LEAVE(i);
        ROLLED for (int q = item; q < BAND * BAND_QUADS; q += ITEMS)
        {
            int r = q / BAND_QUADS, c = q % BAND_QUADS, p = first + BAND_ROW(i, r);
            int o = panel * PANEL + c * 4;
            if (!TENSOR_GIVEN(partial))
                end_quad(&ending, p, o, BAND_QUAD(r, c));
            else if (p < pixels)
                vstore4(BAND_QUAD(r, c), 0,
                    TENSOR_AT(partial) + ((size_t)part * pixels + p) * panels * PANEL + o);
        }
    }
}
