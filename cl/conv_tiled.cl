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
 * joined: x for tiled, where it is not as it is: x and x2 side by side, scale and shift of the group
 * norm, SiLU. On the way into local memory these would be done nine times for every panel, a quarter
 * of tiled's work; as a pass of its own they are a few percent.
 *
 * Options of tiled: ROWS of group_tile.h. Grid of tiled: (WIDE * panels, HIGH * blocks of
 * pixels, parts); of tiled_end: (quads of y, pixels); of joined: (columns of the result, pixels). */
#include "common.h"
#define UNROLLED 1 /* the addresses take the registers that more would want */
#include "group_tile.h"

KERNEL_GROUP(64, 4, 1)
void joined(TENSOR_IN(x), int x_stride, int c1, TENSOR_IN(x2), int x2_stride, TENSOR_IN(fold),
    int channels, int silu_wanted, int image, int pixels, TENSOR_OUT(y), int y_stride)
{
    int c = get_global_id(0), p = get_global_id(1);
    if (c >= y_stride || p >= pixels)
        return;
    float v = 0.0f;
    if (c < c1)
        v = TENSOR_AT(x)[(size_t)p * x_stride + c];
    else if (c < channels)
        v = TENSOR_AT(x2)[(size_t)p * x2_stride + c - c1];
    if (TENSOR_GIVEN(fold) && c < channels) {
        global const float *scale = TENSOR_AT(fold) + (size_t)(p / image) * 2 * channels + c;
        v = fma(v, scale[0], scale[channels]);
    }
    TENSOR_AT(y)[(size_t)p * y_stride + c] = silu_wanted ? silu(v) : v;
}

/* The input, and how pixels of the result lie on it. */
struct map {
    global const float *x;
    int h, w, in, x_stride, up;
    int rows, width, pixels, stride, pad; /* of the result */
};

/* The pixel of x under `tap` of pixel p of the result; -1 outside the image. */
static inline int tap_pixel(const struct map *m, int p, int tap)
{
    int row = p / m->width, n = row / m->rows;
    int y = (row - n * m->rows) * m->stride - m->pad + tap / 3;
    int x = (p - row * m->width) * m->stride - m->pad + tap % 3;
    bool inside = p < m->pixels && y >= 0 && x >= 0 && y < m->h << m->up && x < m->w << m->up;
    return inside ? (n * m->h + (y >> m->up)) * m->w + (x >> m->up) : -1;
}

/* Channels from c on; beyond the last they meet weights of zero. A branch, not a choice between two
 * values, which would wait for the load. */
static inline float4 map_quad(const struct map *m, int pixel, int c)
{
    if (pixel < 0)
        return (float4)(0.0f);
    return vload4(0, m->x + (size_t)pixel * m->x_stride + min(c, m->in - 4));
}

/* A step: channels from c on of `tap`, at the pixels of x in `place`. */
#define FETCH(tap, c)                                                                              \
    do {                                                                                           \
        UNROLL for (int i = 0; i < X_QUADS; i++) x_next[i] =                                       \
            map_quad(&map, place[min((int)X_ROW(i), TILE - 1)], (c) + X_COLUMN);                   \
        UNROLL for (int i = 0; i < W_QUADS; i++) w_next[i] =                                       \
            WEIGHT4(((size_t)(tap)*channels + (c)) * (PANEL / 4) + item + i * ITEMS, from);        \
    } while (0)

#define ENDING_ARGUMENTS                                                                           \
    global const float *restrict bias, TENSOR_IN(time), int time_stride, TENSOR_IN(residual),      \
        int residual_stride, TENSOR_OUT(y), int y_stride, int image, int pixels, int out

/* What is added to the sums, and where they go; `image` is the pixels of one. */
struct ending {
    global const float *bias, *time, *residual;
    global float *y;
    int time_stride, residual_stride, y_stride, image, pixels, out;
};
#define ENDING                                                                                     \
    {                                                                                              \
        bias, TENSOR_GIVEN(time) ? TENSOR_AT(time) : 0,                                            \
            TENSOR_GIVEN(residual) ? TENSOR_AT(residual) : 0, TENSOR_AT(y), time_stride,           \
            residual_stride, y_stride, image, pixels, out                                          \
    }

static inline void end_quad(const struct ending *e, int p, int o, float4 v)
{
    int count = e->out - o;
    if (p >= e->pixels || count <= 0)
        return;
    v += vload4(0, e->bias + o); /* padded to sixteen */
    if (e->time)
        v += load_quad(e->time + (size_t)(p / e->image) * e->time_stride + o, count);
    if (e->residual)
        v += load_quad(e->residual + (size_t)p * e->residual_stride + o, count);
    store_quad(v, e->y + (size_t)p * e->y_stride + o, count);
}

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
    const struct map map = {
        TENSOR_AT(x), h, w, in, x_stride, up, rows, width, pixels, stride, pad};
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
