/* norm.cl - group norm and layer norm in work-groups: norm.h. SPDX-License-Identifier: MIT
 *
 * Of maps a group takes a column of 32 channels: QUADS work-items of four channels side by side, whole
 * cache lines of 128 bytes, in LINES rows. stats reads a block once: a work-item takes DEPTH of its rows
 * into registers, and merges their mean and squares into its own; the work-items of a column are joined
 * in one order. apply does DEEP pixels on each work-item.
 *
 * Grids: stats (QUADS * blocks of 32 channels, LINES * blocks, images); fold, moments and merge GROUP_F for
 * each (group, image); modulate (channels, images); apply (QUADS * blocks of 32 channels, LINES *
 * blocks of LINES * DEEP pixels, images); layer_norm (LANES, rows). */
#include "common.h"
#include "norm.h"

#define QUADS 8
#define LINES 16
#define DEPTH 8 /* rows in registers */
#define DEEP 4
#define GROUP_F 64
#define LANES 32 /* of a row of layer_norm */
#define ROWS 4

/* The sum of `value` over the GROUP_F work-items of a group, for all of them. */
static inline float sum_group(local float *sums, float value)
{
    int item = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    sums[item] = value;
    for (int half_size = GROUP_F / 2; half_size > 0; half_size /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < half_size)
            sums[item] += sums[item + half_size];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return sums[0];
}

/* ---- group norm: statistics ----------------------------------------------------------------- */

/* Mean and sum of squared deviations of `count` values of each of four channels. */
struct moments {
    float4 mean, squares;
    float count;
};

/* Merges `rows` rows, `step` apart, of which the first min(rows, DEPTH) are there, less pivot. */
static inline void moments_add(struct moments *m, global const float *in, size_t step, int rows, int width,
    float4 pivot)
{
    float4 v[DEPTH], mean = (float4)(0.0f), squares = mean;
    float count = (float)min(rows, DEPTH), share = count / (m->count + count);
    EACH (i, DEPTH) {
        v[i] = (float4)(0.0f);
        if (i < rows)
            v[i] = load_quad(in + i * step, width) - pivot;
        mean += v[i];
    }
    mean /= count;
    EACH (i, DEPTH)
        if (i < rows)
            squares = fma(v[i] - mean, v[i] - mean, squares);
    float4 d = mean - m->mean;
    m->mean = fma(d, (float4)(share), m->mean);
    m->squares += fma(d * d, (float4)(m->count * share), squares);
    m->count += count;
}

/* The sum of `value` over the LINES of a group, for each column; for all work-items. */
static inline float4 sum_lines(local float4 (*sums)[QUADS], float4 value)
{
    int quad = get_local_id(0), line = get_local_id(1);
    barrier(CLK_LOCAL_MEM_FENCE);
    sums[line][quad] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    float4 sum = (float4)(0.0f);
    for (int i = 0; i < LINES; i++)
        sum += sums[i][quad];
    return sum;
}

KERNEL_GROUP(QUADS, LINES, 1)
void group_stats(TENSOR_IN(x), int x_stride, TENSOR_OUT(partial), int first_channel, int channels,
    int pixels, int c, int block, int blocks)
{
    local float4 sums[LINES][QUADS];
    int column = get_global_id(0) * 4, image = get_global_id(2), b = GROUP_ID(1, LINES);
    int first = b * block + get_local_id(1), last = min((b + 1) * block, pixels);
    float total = (float)(last - b * block);
    global const float *in = TENSOR_AT(x) + (size_t)image * pixels * x_stride + column;
    float4 pivot = load_quad(in, c - column);
    struct moments own = {(float4)(0.0f), (float4)(0.0f), 0.0f};
    for (int p = first; p < last; p += LINES * DEPTH)
        moments_add(&own, in + (size_t)p * x_stride, (size_t)LINES * x_stride,
            BLOCKS(last - p, LINES), c - column, pivot);
    float4 mean = sum_lines(sums, own.mean * own.count) / total, d = own.mean - mean;
    float4 squares = sum_lines(sums, fma(d * d, (float4)(own.count), own.squares));
    global float *out =
        TENSOR_AT(partial) + ((size_t)image * blocks + b) * 2 * channels + first_channel + column;
    if (get_local_id(1) == 0) {
        store_quad(mean, out, c - column);
        store_quad(squares, out + channels, c - column);
    }
}

/* ---- group norm: fold ----------------------------------------------------------------------- */

KERNEL_GROUP(GROUP_F, 1, 1)
void group_fold(TENSOR_IN(x), int x_stride, int c1, TENSOR_IN(x2), int x2_stride,
    TENSOR_IN(partial), global const float *gamma, global const float *beta, TENSOR_OUT(fold),
    int fold_stride, int pixels, int channels, int groups, int block, int blocks, float eps)
{
    local float sums[GROUP_F];
    int item = get_local_id(0), group = GROUP_ID(0, GROUP_F), image = get_global_id(1);
    int width = channels / groups, first = group * width, values = blocks * width;
    global const float *in = TENSOR_AT(x) + (size_t)image * pixels * x_stride;
    global const float *in2 = TENSOR_AT(x2) + (size_t)image * pixels * x2_stride;
    global const float *stats = TENSOR_AT(partial) + (size_t)image * blocks * 2 * channels + first;
    float pivot = pivot_of(in, c1, in2, first), total = (float)pixels * width;
    float mean = 0.0f, squares = 0.0f;
    for (int i = item; i < values; i += GROUP_F) {
        int b = i / width, channel = i % width;
        float count = (float)min(block, pixels - b * block);
        float d = pivot_of(in, c1, in2, first + channel) - pivot +
            stats[(size_t)b * 2 * channels + channel];
        mean = fma(d, count, mean);
    }
    mean = sum_group(sums, mean) / total;
    for (int i = item; i < values; i += GROUP_F) {
        int b = i / width, channel = i % width;
        float count = (float)min(block, pixels - b * block);
        global const float *at = stats + (size_t)b * 2 * channels + channel;
        float d = pivot_of(in, c1, in2, first + channel) - pivot + at[0] - mean;
        squares += fma(d * d, count, at[channels]);
    }
    float inverse = 1.0f / sqrt(sum_group(sums, squares) / total + eps);
    global float *out = TENSOR_AT(fold) + (size_t)image * 2 * fold_stride;
    for (int channel = first + item; channel < first + width; channel += GROUP_F) {
        float scale = gamma[channel] * inverse;
        out[channel] = scale;
        out[fold_stride + channel] = shift_of(beta[channel], pivot, mean, scale);
    }
}

/* ---- group norm: an image in parts ----------------------------------------------------------- */

/* Grid: a work-group for each group of channels. */
KERNEL_GROUP(GROUP_F, 1, 1)
void group_moments(TENSOR_IN(x), TENSOR_IN(partial), TENSOR_OUT(moments), int moments_stride,
    int pixels, int channels, int groups, int block, int blocks)
{
    local float sums[GROUP_F];
    int item = get_local_id(0), group = GROUP_ID(0, GROUP_F);
    int width = channels / groups, first = group * width, values = blocks * width;
    global const float *in = TENSOR_AT(x) + first, *stats = TENSOR_AT(partial) + first;
    float pivot = in[0], total = (float)pixels * width, mean = 0.0f, squares = 0.0f;
    for (int i = item; i < values; i += GROUP_F) {
        int b = i / width, channel = i % width;
        float d = in[channel] - pivot + stats[(size_t)b * 2 * channels + channel];
        mean = fma(d, (float)min(block, pixels - b * block), mean);
    }
    mean = sum_group(sums, mean) / total;
    for (int i = item; i < values; i += GROUP_F) {
        int b = i / width, channel = i % width;
        global const float *at = stats + (size_t)b * 2 * channels + channel;
        float d = in[channel] - pivot + at[0] - mean;
        squares += fma(d * d, (float)min(block, pixels - b * block), at[channels]);
    }
    squares = sum_group(sums, squares);
    if (item == 0) {
        TENSOR_AT(moments)[group] = pivot + mean;
        TENSOR_AT(moments)[moments_stride + group] = squares;
    }
}

/* `part` values of a group in each part but the last, which has `tail`. Grid: as above. */
KERNEL_GROUP(GROUP_F, 1, 1)
void group_merge(TENSOR_IN(moments), int groups, int parts, float part, float tail,
    global const float *gamma, global const float *beta, TENSOR_OUT(fold), int fold_stride,
    int channels, float eps)
{
    local float sums[GROUP_F];
    int item = get_local_id(0), group = GROUP_ID(0, GROUP_F), width = channels / groups;
    global const float *at = TENSOR_AT(moments) + group;
    float pivot = at[0], total = part * (parts - 1) + tail, mean = 0.0f, squares = 0.0f;
    for (int i = item; i < parts; i += GROUP_F)
        mean = fma(at[(size_t)i * 2 * groups] - pivot, i < parts - 1 ? part : tail, mean);
    mean = sum_group(sums, mean) / total;
    for (int i = item; i < parts; i += GROUP_F) {
        float d = at[(size_t)i * 2 * groups] - pivot - mean;
        squares += fma(d * d, i < parts - 1 ? part : tail, at[((size_t)i * 2 + 1) * groups]);
    }
    float inverse = 1.0f / sqrt(sum_group(sums, squares) / total + eps);
    for (int channel = group * width + item; channel < (group + 1) * width; channel += GROUP_F) {
        float scale = gamma[channel] * inverse;
        TENSOR_AT(fold)[channel] = scale;
        TENSOR_AT(fold)[fold_stride + channel] = shift_of(beta[channel], pivot, mean, scale);
    }
}

/* ---- group norm: modulate ------------------------------------------------------------------- */

/* Grid: (channels, images). */
KERNEL_GROUP(64, 1, 1)
void group_modulate(TENSOR_IN(fold), int fold_stride, TENSOR_IN(modulation), int modulation_stride,
    TENSOR_OUT(y), int y_stride, int c)
{
    int column = get_global_id(0), image = get_global_id(1);
    global const float *in = TENSOR_AT(fold) + (size_t)image * 2 * fold_stride;
    global const float *change = TENSOR_AT(modulation) + (size_t)image * modulation_stride;
    global float *out = TENSOR_AT(y) + (size_t)image * 2 * y_stride;
    if (column >= c)
        return;
    float scale = 1.0f + change[column];
    out[column] = in[column] * scale;
    out[y_stride + column] = fma(in[fold_stride + column], scale, change[c + column]);
}

/* ---- group norm: apply ---------------------------------------------------------------------- */

KERNEL_GROUP(QUADS, LINES, 1)
void group_apply(TENSOR_IN(x), int x_stride, TENSOR_IN(fold), int fold_stride, TENSOR_OUT(y),
    int y_stride, int first_channel, int pixels, int c)
{
    int column = get_global_id(0) * 4, left = c - column, image = get_global_id(2);
    int first = GROUP_ID(1, LINES) * LINES * DEEP + get_local_id(1);
    global const float *at =
        TENSOR_AT(fold) + (size_t)image * 2 * fold_stride + first_channel + column;
    float4 scale = load_quad(at, left), shift = load_quad(at + fold_stride, left);
    UNROLL for (int i = 0; i < DEEP; i++)
    {
        int pixel = first + i * LINES;
        size_t row = (size_t)image * pixels + pixel;
        if (pixel < pixels && left > 0)
            store_quad(activate4(ACTIVATION,
                           fma(load_quad(TENSOR_AT(x) + row * x_stride + column, left), scale, shift)),
                TENSOR_AT(y) + row * y_stride + first_channel + column, left);
    }
}

/* ---- layer norm ----------------------------------------------------------------------------- */

/* The sum of all lanes of `value` over the LANES of a row, for all of them. */
static inline float sum_lanes(local float (*sums)[LANES], float4 value)
{
    int lane = get_local_id(0), row = get_local_id(1);
    barrier(CLK_LOCAL_MEM_FENCE);
    sums[row][lane] = (value.x + value.y) + (value.z + value.w);
    for (int half_size = LANES / 2; half_size > 0; half_size /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < half_size)
            sums[row][lane] += sums[row][lane + half_size];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return sums[row][0];
}

/* Columns from i on less pivot and mean; zero beyond the last. */
static inline float4 row_quad(global const float *in, int i, int c, float pivot, float mean)
{
    float4 v = load_quad(in + i, c - i) - pivot - mean;
    return i + 4 <= c ? v : select(v, (float4)(0.0f), (int4)(i, i + 1, i + 2, i + 3) >= c);
}

/* Rows beyond the last do what the last one does, and store nothing. */
KERNEL_GROUP(LANES, ROWS, 1)
void layer_norm(TENSOR_IN(x), int x_stride, global const float *gamma, global const float *beta,
    TENSOR_OUT(y), int y_stride, int c, float eps, int rows)
{
    local float sums[ROWS][LANES];
    int row = get_global_id(1), first = get_local_id(0) * 4;
    global const float *in = TENSOR_AT(x) + (size_t)min(row, rows - 1) * x_stride;
    global float *out = TENSOR_AT(y) + (size_t)row * y_stride;
    float pivot = in[0];
    float4 total = (float4)(0.0f), squares = total;
    for (int i = first; i < c; i += LANES * 4)
        total += row_quad(in, i, c, pivot, 0.0f);
    float mean = sum_lanes(sums, total) / c;
    for (int i = first; i < c; i += LANES * 4) {
        float4 d = row_quad(in, i, c, pivot, mean);
        squares = fma(d, d, squares);
    }
    float inverse = 1.0f / sqrt(sum_lanes(sums, squares) / c + eps);
    for (int i = first; i < c && row < rows; i += LANES * 4) {
        float4 d = row_quad(in, i, c, pivot, mean);
        store_quad(fma(d * inverse, load_quad(gamma + i, c - i), load_quad(beta + i, c - i)), out + i,
            c - i);
    }
}
