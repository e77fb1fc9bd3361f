/* conv_tiled.cl - 3x3 convolution as an implicit matrix product, in work-groups.
 * SPDX-License-Identifier: MIT
 *
 *   y[p][o] = bias[o] + time[image of p][o] + residual[p][o]
 *       + sum_{tap,c} x[p at tap][c] weight[tap][c][o]
 *
 * over the pixels p of y: a product [pixels x 9*in] [9*in x out] whose left side is x itself, shifted
 * by the tap; outside the image it is zero. x is read as nearest x2 if `up` is 1.
 *
 *   x       [n][h][w] rows of in numbers, a multiple of four
 *   weight  [panels][9][channels][PANEL], zero padded; channels: in rounded up to whole steps
 *
 * tiled: a group makes TILE pixels x one panel (group_tile.h), STEP channels of one tap at a time;
 * where a tap lies is worked out once for all its steps. With `partial` it takes `steps` steps only
 * and leaves its sums to tiled_end: an 8x8 map has few tiles, but 9*1280 channels to sum.
 *
 * few: the same for up to four channels (the first layers), whose taps share steps: three steps instead
 * of nine.
 *
 * joined: x for tiled, where it is not as it is: x and x2 side by side, scale and shift of the group
 * norm, SiLU. On the way into local memory these would be done nine times for every panel, a quarter
 * of tiled's work; as a pass of its own they are a few percent.
 *
 * Options of tiled: ROWS of group_tile.h. Grid of tiled: (WIDE * panels, HIGH * blocks of
 * pixels, parts); of tiled_end: (quads of y, pixels); of joined: (columns of the result, pixels). */
#include "common.h"
#define UNROLLED 1 /* the addresses take the registers that more would want */
#include "conv_quad.h"
#include "group_tile.h"

KERNEL_GROUP(64, 4, 1) void joined(SOURCE_ARGUMENTS, TENSOR_OUT(y), int y_stride)
{
    int c = get_global_id(0), p = get_global_id(1);
    const struct source source = SOURCE;
    if (c < y_stride && p < pixels)
        TENSOR_AT(y)[(size_t)p * y_stride + c] = source_value(&source, p, c);
}

/* Channels from c on; beyond the last they meet weights of zero. A branch, not a choice between two
 * values, which would wait for the load. */
static inline float4 map_quad(global const float *x, int stride, int in, int pixel, int c)
{
    if (pixel < 0)
        return (float4)(0.0f);
    return vload4(0, x + (size_t)pixel * stride + min(c, in - 4));
}

/* A step: channels from c on of `tap`, at the pixels of x in `place`. */
#define FETCH(tap, c)                                                                              \
    do {                                                                                           \
        UNROLL for (int i = 0; i < X_QUADS; i++) x_next[i] =                                       \
            map_quad(input, x_stride, in, place[min((int)X_ROW(i), TILE - 1)], (c) + X_COLUMN);    \
        UNROLL for (int i = 0; i < W_QUADS; i++) w_next[i] =                                       \
            WEIGHT4(((size_t)(tap)*channels + (c)) * (PANEL / 4) + item + i * ITEMS, from);        \
    } while (0)

KERNEL_GROUP(WIDE, HIGH, 1)
void tiled(TENSOR_IN(x), int h, int w, int in, int x_stride, int up,
    global const WEIGHT *restrict weight, int channels, int rows, int width, int stride, int pad,
    ENDING_ARGUMENTS, TENSOR_OUT(partial), int steps)
{
    TILE_LOCAL;
    local int place[TILE]; /* of the tap that is fetched: a work-item works out one pixel */
    int panel = GROUP_ID(0, WIDE), first_pixel = GROUP_ID(1, HIGH) * TILE, part = GROUP_ID(2, 1);
    int slices = channels / STEP, left = min(steps, 9 * slices - part * steps);
    int tap = part * steps / slices, c = (part * steps - tap * slices) * STEP;
    const struct map map = {h, w, up, rows, width, pixels, stride, pad};
    global const float *input = TENSOR_AT(x);
    global const WEIGHT *from = weight + (size_t)panel * 9 * channels * PANEL;
    float4 sum[ROWS][2], x_next[X_QUADS], w_next[W_QUADS];
    UNROLL for (int i = 0; i < ROWS; i++) sum[i][0] = sum[i][1] = (float4)(0.0f);
    if (item < TILE)
        place[item] = tap_pixel(&map, first_pixel + (int)item, tap);
    barrier(CLK_LOCAL_MEM_FENCE);
    FETCH(tap, c);
    while (left-- > 0) {
        barrier(CLK_LOCAL_MEM_FENCE);
        TILE_STORE;
        c += STEP;
        if (c >= channels) {
            c = 0;
            tap++;
            if (item < TILE)
                place[item] = tap_pixel(&map, first_pixel + (int)item, tap);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (left > 0)
            FETCH(tap, c);
        TILE_MULTIPLY
    }
    int o = panel * PANEL + COLUMN;
    if (TENSOR_GIVEN(partial)) {
        TILE_LEAVE(TENSOR_AT(partial), part, first_pixel, pixels, panel, BLOCKS(out, PANEL));
        return;
    }
    const struct ending ending = ENDING;
    UNROLL for (int i = 0; i < ROWS; i++)
    {
        end_quad(&ending, first_pixel + ROW(i), o, sum[i][0]);
        end_quad(&ending, first_pixel + ROW(i), o + 16, sum[i][1]);
    }
}

/* ---- few input channels: a step is four of them under four taps ------------------------------- */

/* Taps `first` .. + 3; beyond the last they are zero. */
#define FETCH_TAPS(first)                                                                          \
    do {                                                                                           \
        UNROLL for (int i = 0; i < X_QUADS; i++) x_next[i] = map_quad(                             \
            input, x_stride, in, place[item % 4][min((int)X_ROW(i), TILE - 1)], 0);                \
        UNROLL for (int i = 0; i < W_QUADS; i++)                                                   \
        {                                                                                          \
            int tap = (first) + (int)W_ROW(i) / 4;                                                 \
            w_next[i] = (float4)(0.0f);                                                            \
            if (tap < 9)                                                                           \
                w_next[i] = WEIGHT4(                                                               \
                    (tap * channels + (int)W_ROW(i) % 4) * (PANEL / 4) + item % 16, from);         \
        }                                                                                          \
    } while (0)

/* tiled for in = 4, without parts; at ROWS 8 it would spill on Intel's chips. */
#if ROWS <= 4
KERNEL_GROUP(WIDE, HIGH, 1)
void few(TENSOR_IN(x), int h, int w, int in, int x_stride, int up,
    global const WEIGHT *restrict weight, int channels, int rows, int width, int stride, int pad,
    ENDING_ARGUMENTS)
{
    TILE_LOCAL;
    local int place[4][TILE]; /* of the taps of a step */
    int panel = GROUP_ID(0, WIDE), first_pixel = GROUP_ID(1, HIGH) * TILE;
    const struct map map = {h, w, up, rows, width, pixels, stride, pad};
    global const float *input = TENSOR_AT(x);
    global const WEIGHT *from = weight + (size_t)panel * 9 * channels * PANEL;
    float4 sum[ROWS][2], x_next[X_QUADS], w_next[W_QUADS];
    UNROLL for (int i = 0; i < ROWS; i++) sum[i][0] = sum[i][1] = (float4)(0.0f);
    ROLLED for (int first = 0; first < 9; first += 4)
    {
        ROLLED for (int i = 0; i < 4 && item < TILE; i++) place[i][item] =
            first + i < 9 ? tap_pixel(&map, first_pixel + (int)item, first + i) : -1;
        barrier(CLK_LOCAL_MEM_FENCE);
        FETCH_TAPS(first);
        TILE_STORE;
        barrier(CLK_LOCAL_MEM_FENCE);
        TILE_MULTIPLY
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const struct ending ending = ENDING;
    UNROLL for (int i = 0; i < ROWS; i++)
    {
        end_quad(&ending, first_pixel + ROW(i), panel * PANEL + COLUMN, sum[i][0]);
        end_quad(&ending, first_pixel + ROW(i), panel * PANEL + COLUMN + 16, sum[i][1]);
    }
}
#endif

/* y of the sums of all parts, [parts][pixels][packed]. */
KERNEL_GROUP(64, 4, 1)
void tiled_end(TENSOR_IN(partial), int parts, int packed, ENDING_ARGUMENTS)
{
    int o = get_global_id(0) * 4, p = get_global_id(1);
    const struct ending ending = ENDING;
    if (o >= out || p >= pixels)
        return;
    float4 v = (float4)(0.0f);
    for (int part = 0; part < parts; part++)
        v += vload4(0, TENSOR_AT(partial) + ((size_t)part * pixels + p) * packed + o);
    end_quad(&ending, p, o, v);
}
