/* conv_winograd_groups.cl - 3x3 convolution, stride 1, with a quarter of the multiplications, in work-groups.
 * SPDX-License-Identifier: MIT
 *
 * Formulas and transforms: conv_winograd.h. Each of the 36 points is a product of its own (group_tile.h):
 *
 *   input    x, x2 (+ norm, SiLU)            -> v [36][tiles][k]
 *   weights  kernels [panels][9][k][PANEL]   -> u [36][panels of a pass][k][PANEL]
 *   product  v, u                            -> q [36][tiles][columns of the pass]
 *   output   q (+ bias, time, residual)      -> those columns of y
 *
 * k: in rounded up to whole steps. In the transforms a work-item has one channel and its neighbours the
 * next ones, so that each access of a wave is whole cache lines, whatever the channels' stride; a tile's 36
 * values stay in its registers. Norm and SiLU are done where a pixel is read, which is 2.25 times.
 *
 * Options of input: FOLD, SILU; of weights: HALF_WEIGHTS; of product: ROWS of group_tile.h.
 * Grids: input (k, tiles); weights (PANEL, panels * k); product (WIDE * panels, HIGH * blocks of
 * tiles, 36); output (columns, tiles). */
#include "common.h"
#include "conv_store.h"
#define UNROLLED 1 /* with two, ROWS 8 spills on Intel's chips */
#include "group_tile.h"
#define LANES float
#include "conv_winograd.h"

/* One channel of an image, `stride` apart from pixel to pixel; h x w pixels, each twice if up is 1. */
struct channel {
    global const float *from;
    int stride, h, w, up;
    float scale, shift;
};

static inline float channel_pixel(const struct channel *x, int row, int column)
{
    if (row < 0 || column < 0 || row >= x->h << x->up || column >= x->w << x->up)
        return 0.0f;
    float v = x->from[(size_t)((row >> x->up) * x->w + (column >> x->up)) * x->stride];
#ifdef FOLD
    v = fma(v, x->scale, x->shift);
#endif
#ifdef SILU
    v = silu(v);
#endif
    return v;
}

/* first_row: of y, the first one of the tiles. fold [images][2][channels]. */
KERNEL_GROUP(32, 8, 1)
void input(TENSOR_IN(x), int x_stride, int c1, TENSOR_IN(x2), int x2_stride, TENSOR_IN(fold),
    int channels, int h, int w, int up, int first_row, TENSOR_OUT(v), int k, int tiles, int down,
    int across)
{
    int c = get_global_id(0), t = get_global_id(1);
    if (c >= k || t >= tiles)
        return;
    int3 place = tile_place(t, down, across);
    int row = first_row + place.y - 1, column = place.z - 1;
    size_t first = (size_t)place.x * h * w;
    struct channel x = {0, x_stride, h, w, up, 1.0f, 0.0f};
    x.from = TENSOR_AT(x) + first * x_stride + c;
    if (c >= c1) {
        x.stride = x2_stride;
        x.from = TENSOR_AT(x2) + first * x2_stride + (c - c1);
    }
    if (c >= channels)
        x.h = 0; /* nothing but zeros */
#ifdef FOLD
    if (c < channels) {
        x.scale = TENSOR_AT(fold)[(size_t)place.x * 2 * channels + c];
        x.shift = TENSOR_AT(fold)[((size_t)place.x * 2 + 1) * channels + c];
    }
#endif
    float columns[T][T], d[T], o[T];
    EACH (i, T) {
        EACH (j, T)
            d[j] = channel_pixel(&x, row + j, column + i);
        transform_input(d, o);
        EACH (j, T)
            columns[j][i] = o[j];
    }
    global float *to = TENSOR_AT(v) + (size_t)t * k + c;
    EACH (j, T) {
        transform_input(columns[j], o);
        EACH (i, T)
            to[(size_t)(j * T + i) * tiles * k] = o[i];
    }
}

/* The panels of a pass, from first_panel on. */
KERNEL_GROUP(PANEL, 4, 1)
void weights(
    global const WEIGHT *restrict kernels, int k, int first_panel, int panels, TENSOR_OUT(u))
{
    int lane = get_global_id(0), row = get_global_id(1), panel = row / k;
    if (panel >= panels)
        return;
    size_t from = ((size_t)(first_panel + panel) * 9 * k + (row - panel * k)) * PANEL + lane;
    float columns[T][3], g[3], o[T];
    EACH (i, 3) {
        EACH (j, 3)
            g[j] = WEIGHT_AT(kernels, from + (size_t)(j * 3 + i) * k * PANEL);
        transform_weights(g, o);
        EACH (j, T)
            columns[j][i] = o[j];
    }
    global float *to = TENSOR_AT(u) + (size_t)row * PANEL + lane;
    EACH (j, T) {
        transform_weights(columns[j], o);
        EACH (i, T)
            to[(size_t)(j * T + i) * panels * k * PANEL] = o[i];
    }
}

/* A step from channel c on. Rows beyond the last are not stored. */
#define FETCH(c)                                                                                   \
    do {                                                                                           \
        UNROLL for (int i = 0; i < X_QUADS; i++) x_next[i] =                                       \
            vload4(0, rows + (size_t)min(row + (int)X_ROW(i), tiles - 1) * k + (c) + X_COLUMN);    \
        UNROLL for (int i = 0; i < W_QUADS; i++) w_next[i] =                                       \
            vload4((size_t)(c) * (PANEL / 4) + item + i * ITEMS, from);                            \
    } while (0)

KERNEL_GROUP(WIDE, HIGH, 1)
void product(TENSOR_IN(v), int tiles, int k, TENSOR_IN(u), int panels, TENSOR_OUT(q))
{
    TILE_LOCAL;
    int panel = GROUP_ID(0, WIDE), row = GROUP_ID(1, HIGH) * TILE, point = GROUP_ID(2, 1);
    global const float *rows = TENSOR_AT(v) + (size_t)point * tiles * k;
    global const float *from = TENSOR_AT(u) + ((size_t)point * panels + panel) * k * PANEL;
    float4 sum[ROWS][2], x_next[X_QUADS], w_next[W_QUADS];
    UNROLL for (int i = 0; i < ROWS; i++) sum[i][0] = sum[i][1] = (float4)(0.0f);
    FETCH(0);
    for (int c = 0; c < k; c += STEP) {
        barrier(CLK_LOCAL_MEM_FENCE);
        TILE_STORE;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (c + STEP < k)
            FETCH(c + STEP);
        TILE_MULTIPLY
    }
    TILE_LEAVE(TENSOR_AT(q), point, row, tiles, panel, panels);
}

/* y = v + bias + time[n] + residual of channel o, as far as the pixel exists. */
static inline void end_value(const struct ending *e, float v, int n, int row, int x, int o)
{
    size_t pixel = ((size_t)n * e->rows + row) * e->width + x;
    if (row >= e->rows || x >= e->width)
        return;
    v += e->bias[o];
    if (e->time)
        v += e->time[(size_t)n * e->time_stride + o];
    if (e->residual)
        v += e->residual[pixel * e->residual_stride + o];
    e->y[pixel * e->y_stride + o] = v;
}

/* q has `columns`, of which the first is channel first_out. */
KERNEL_GROUP(32, 8, 1)
void output(TENSOR_IN(q), int columns, int first_out, int tiles, int down, int across,
    ENDING_ARGUMENTS)
{
    const struct ending ending = ENDING;
    int column = get_global_id(0), t = get_global_id(1), o = first_out + column;
    if (column >= columns || o >= out || t >= tiles)
        return;
    global const float *from = TENSOR_AT(q) + (size_t)t * columns + column;
    float half_way[OUTPUT][T], d[T], y[OUTPUT];
    EACH (i, T) {
        EACH (j, T)
            d[j] = from[(size_t)(j * T + i) * tiles * columns];
        transform_output(d, y);
        EACH (j, OUTPUT)
            half_way[j][i] = y[j];
    }
    int3 place = tile_place(t, down, across);
    EACH (j, OUTPUT) {
        transform_output(half_way[j], y);
        EACH (i, OUTPUT)
            end_value(&ending, y[i], place.x, place.y + j, place.z + i, o);
    }
}
