/* norm.cl - group norm as statistics, fold and apply; layer norm. SPDX-License-Identifier: MIT
 *
 *     group norm:  y = (x - mean) / sqrt(variance + eps) * gamma + beta, mean and biased variance over the
 *                  pixels and the channels of a group; as y = x*scale + shift with
 *                  scale = gamma / sqrt(variance + eps), shift = beta - mean*scale
 *     layer norm:  the same over the channels of a row
 *
 * There is no double, and x may have a mean of a hundred deviations. So all sums are of differences
 * from a pivot (the value of the image's first pixel in that channel, the row's first value), which are
 * exact where it matters; a sum of squares is taken about the mean, in a second pass over a block that
 * is still in cache; blocks are merged as Chan, Golub and LeVeque (1983) do it.
 *
 *     stats:  x -> partial [image][block][2][channels]: mean less pivot, sum of squared deviations,
 *             of `block` pixels. Once per source tensor, channels first_channel .. + c of `channels`.
 *     fold:   partial -> fold [image][2][channels]: scale, shift. A group may lie in x and x2.
 *     moments: partial -> [group]: mean, sum of squared deviations, of a part of an image's rows.
 *     merge:  moments of all parts [part][2][groups] -> fold of the image.
 *     modulate: fold -> fold [image][2][channels]: scale*(1 + s), shift*(1 + s) + t of modulation
 *             [image][2*channels]: s, then t.
 *     apply:  y = act(x*scale + shift), once per source tensor.
 *
 * GPU shape: stats has groups of GROUP_C channels x GROUP_R rows, grid (channels, blocks * GROUP_R,
 * images); fold one group of GROUP_F per (group, image); apply GROUP_C x GROUP_R of (channels, pixels) per
 * image; layer_norm one group of GROUP_F per row.
 * CPU shape: c must be a multiple of 16 (layer_norm: any).
 *
 * Options: ACTIVATION, of apply. */
#include "common.h"

#ifndef ACTIVATION
#define ACTIVATION ACTIVATION_NONE
#endif
#define GROUP_C 32
#define GROUP_R 8
#define GROUP_F 64

/* ---- sums over a work-group ----------------------------------------------------------------- */

/* The sum of `value` over the GROUP_R rows of a group, per column; for all work-items. */
static inline float sum_rows(__local float *sums, float value)
{
    int column = get_local_id(0), row = get_local_id(1);
    barrier(CLK_LOCAL_MEM_FENCE);
    sums[row * GROUP_C + column] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    float sum = 0.0f;
    for (int i = 0; i < GROUP_R; i++)
        sum += sums[i * GROUP_C + column];
    return sum;
}

/* The sum of `value` over the GROUP_F work-items of a group, for all of them. */
static inline float sum_group(__local float *sums, float value)
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

KERNEL_GROUP(GROUP_C, GROUP_R, 1)
void group_stats(TENSOR_IN(x), int x_stride, TENSOR_OUT(partial), int first_channel, int channels,
    int pixels, int c, int block, int blocks)
{
    __local float sums[GROUP_C * GROUP_R];
    int column = min((int)get_global_id(0), c - 1); /* all work-items reach the barriers */
    int image = get_global_id(2), b = GROUP_ID(1, GROUP_R);
    int first = b * block + get_local_id(1), last = min((b + 1) * block, pixels);
    float count = (float)(last - b * block), mean = 0.0f, squares = 0.0f;
    __global const float *in = TENSOR_AT(x) + (size_t)image * pixels * x_stride + column;
    float pivot = in[0];
    for (int p = first; p < last; p += GROUP_R)
        mean += in[(size_t)p * x_stride] - pivot;
    mean = sum_rows(sums, mean) / count;
    for (int p = first; p < last; p += GROUP_R) {
        float d = in[(size_t)p * x_stride] - pivot - mean;
        squares = fma(d, d, squares);
    }
    squares = sum_rows(sums, squares);
    __global float *out = TENSOR_AT(partial) +
        ((size_t)image * blocks + b) * 2 * channels + first_channel + column;
    if (get_local_id(1) == 0 && (int)get_global_id(0) < c) {
        out[0] = mean;
        out[channels] = squares;
    }
}

/* Rows of a tile, and float16s across it: 64 channels of them stay in the first-level cache. Of the
 * last tile only the first n channels are there; n is a constant 64 for all others, which leaves the
 * loops over j without a branch. */
#define TILE 32
#define WIDE 4

/* Mean (less pivot) and sum of squares of `rows` rows from `in`. */
static inline void tile_stats(__global const float *in, int stride, int rows, int n,
    const float16 *pivot, float16 *mean, float16 *squares)
{
    UNROLL
    for (int j = 0; j < WIDE; j++)
        mean[j] = squares[j] = (float16)0.0f;
    for (int p = 0; p < rows; p++) {
        UNROLL
        for (int j = 0; j < WIDE; j++)
            if (j * 16 < n)
                mean[j] += vload16(j, in + (size_t)p * stride) - pivot[j];
    }
    UNROLL
    for (int j = 0; j < WIDE; j++)
        mean[j] /= (float16)(float)rows;
    for (int p = 0; p < rows; p++) {
        UNROLL
        for (int j = 0; j < WIDE; j++)
            if (j * 16 < n) {
                float16 d = vload16(j, in + (size_t)p * stride) - pivot[j] - mean[j];
                squares[j] = fma(d, d, squares[j]);
            }
    }
}

/* The block [first, last) of one image, tile by tile. */
static inline void block_stats(__global const float *image, int stride, int first, int last, int n,
    __global float *out, int channels)
{
    float16 pivot[WIDE], mean[WIDE], squares[WIDE], tile_mean[WIDE], tile_squares[WIDE];
    UNROLL
    for (int j = 0; j < WIDE; j++) {
        pivot[j] = j * 16 < n ? vload16(j, image) : (float16)0.0f;
        mean[j] = squares[j] = (float16)0.0f;
    }
    for (int p = first; p < last; p += TILE) {
        int rows = min(TILE, last - p);
        float before = (float)(p - first), share = (float)rows / (before + (float)rows);
        tile_stats(image + (size_t)p * stride, stride, rows, n, pivot, tile_mean, tile_squares);
        UNROLL
        for (int j = 0; j < WIDE; j++) {
            float16 d = tile_mean[j] - mean[j];
            mean[j] = fma(d, (float16)share, mean[j]);
            squares[j] += fma(d * d, (float16)(before * share), tile_squares[j]);
        }
    }
    UNROLL
    for (int j = 0; j < WIDE; j++)
        if (j * 16 < n) {
            vstore16(mean[j], j, out);
            vstore16(squares[j], j, out + channels);
        }
}

/* Job: (image, block, span of channels); jobs = images * blocks * spans. */
KERNEL_CPU void group_stats_cpu(TENSOR_IN(x), int x_stride, TENSOR_OUT(partial), int first_channel,
    int channels, int pixels, int c, int block, int blocks, int span, int jobs, JOB_COUNTER)
{
    int spans = BLOCKS(c, span);
    JOBS(job, jobs)
    {
        int part = job % spans, ib = job / spans, b = ib % blocks, image = ib / blocks;
        int first = b * block, last = min(first + block, pixels);
        int column = part * span, end = min(column + span, c);
        __global const float *in = TENSOR_AT(x) + (size_t)image * pixels * x_stride;
        __global float *out = TENSOR_AT(partial) + (size_t)ib * 2 * channels + first_channel;
        for (; column + 64 <= end; column += 64)
            block_stats(in + column, x_stride, first, last, 64, out + column, channels);
        if (column < end)
            block_stats(in + column, x_stride, first, last, end - column, out + column, channels);
    }
    JOBS_END
}

/* ---- group norm: fold ----------------------------------------------------------------------- */

/* The pivot of a channel: the first pixel of x, then of x2. */
static inline float pivot_of(__global const float *x, int c1, __global const float *x2, int channel)
{
    return channel < c1 ? x[channel] : x2[channel - c1];
}

/* shift = beta - (pivot + d)*scale with one rounding of the large term. */
static inline float shift_of(float beta, float pivot, float d, float scale)
{
    float large = pivot * scale;
    float lost = fma(pivot, scale, -large);
    return (beta - lost - d * scale) - large;
}

KERNEL_GROUP(GROUP_F, 1, 1)
void group_fold(TENSOR_IN(x), int x_stride, int c1, TENSOR_IN(x2), int x2_stride,
    TENSOR_IN(partial), __global const float *gamma, __global const float *beta, TENSOR_OUT(fold),
    int fold_stride, int pixels, int channels, int groups, int block, int blocks, float eps)
{
    __local float sums[GROUP_F];
    int item = get_local_id(0), group = GROUP_ID(0, GROUP_F), image = get_global_id(1);
    int width = channels / groups, first = group * width, values = blocks * width;
    __global const float *in = TENSOR_AT(x) + (size_t)image * pixels * x_stride;
    __global const float *in2 = TENSOR_AT(x2) + (size_t)image * pixels * x2_stride;
    __global const float *stats = TENSOR_AT(partial) + (size_t)image * blocks * 2 * channels + first;
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
        __global const float *at = stats + (size_t)b * 2 * channels + channel;
        float d = pivot_of(in, c1, in2, first + channel) - pivot + at[0] - mean;
        squares += fma(d * d, count, at[channels]);
    }
    float inverse = 1.0f / sqrt(sum_group(sums, squares) / total + eps);
    __global float *out = TENSOR_AT(fold) + (size_t)image * 2 * fold_stride;
    for (int channel = first + item; channel < first + width; channel += GROUP_F) {
        float scale = gamma[channel] * inverse;
        out[channel] = scale;
        out[fold_stride + channel] = shift_of(beta[channel], pivot, mean, scale);
    }
}

/* Job: (image, group). Sums go block by block within a channel, so that rounding grows with
 * blocks + width, not with their product. */
KERNEL_CPU void group_fold_cpu(TENSOR_IN(x), int x_stride, int c1, TENSOR_IN(x2), int x2_stride,
    TENSOR_IN(partial), __global const float *gamma, __global const float *beta, TENSOR_OUT(fold),
    int fold_stride, int pixels, int channels, int groups, int block, int blocks, float eps,
    int jobs, JOB_COUNTER)
{
    int width = channels / groups, tail = pixels - (blocks - 1) * block;
    float total = (float)pixels * width;
    JOBS(job, jobs)
    {
        int image = job / groups, first = job % groups * width;
        __global const float *in = TENSOR_AT(x) + (size_t)image * pixels * x_stride;
        __global const float *in2 = TENSOR_AT(x2) + (size_t)image * pixels * x2_stride;
        __global const float *stats = TENSOR_AT(partial) + (size_t)image * blocks * 2 * channels;
        float pivot = pivot_of(in, c1, in2, first), mean = 0.0f, squares = 0.0f;
        for (int channel = first; channel < first + width; channel++) {
            float d = pivot_of(in, c1, in2, channel) - pivot, sum = 0.0f;
            for (int b = 0; b < blocks; b++)
                sum = fma(d + stats[(size_t)b * 2 * channels + channel],
                    (float)(b < blocks - 1 ? block : tail), sum);
            mean += sum;
        }
        mean /= total;
        for (int channel = first; channel < first + width; channel++) {
            float d = pivot_of(in, c1, in2, channel) - pivot, sum = 0.0f;
            for (int b = 0; b < blocks; b++) {
                __global const float *at = stats + (size_t)b * 2 * channels + channel;
                float e = d + at[0] - mean;
                sum += fma(e * e, (float)(b < blocks - 1 ? block : tail), at[channels]);
            }
            squares += sum;
        }
        float inverse = 1.0f / sqrt(squares / total + eps);
        __global float *out = TENSOR_AT(fold) + (size_t)image * 2 * fold_stride;
        for (int channel = first; channel < first + width; channel++) {
            float scale = gamma[channel] * inverse;
            out[channel] = scale;
            out[fold_stride + channel] = shift_of(beta[channel], pivot, mean, scale);
        }
    }
    JOBS_END
}

/* ---- group norm: an image in parts ----------------------------------------------------------- */

/* Grid: a work-group for each group of channels. */
KERNEL_GROUP(GROUP_F, 1, 1)
void group_moments(TENSOR_IN(x), TENSOR_IN(partial), TENSOR_OUT(moments), int moments_stride,
    int pixels, int channels, int groups, int block, int blocks)
{
    __local float sums[GROUP_F];
    int item = get_local_id(0), group = GROUP_ID(0, GROUP_F);
    int width = channels / groups, first = group * width, values = blocks * width;
    __global const float *in = TENSOR_AT(x) + first, *stats = TENSOR_AT(partial) + first;
    float pivot = in[0], total = (float)pixels * width, mean = 0.0f, squares = 0.0f;
    for (int i = item; i < values; i += GROUP_F) {
        int b = i / width, channel = i % width;
        float d = in[channel] - pivot + stats[(size_t)b * 2 * channels + channel];
        mean = fma(d, (float)min(block, pixels - b * block), mean);
    }
    mean = sum_group(sums, mean) / total;
    for (int i = item; i < values; i += GROUP_F) {
        int b = i / width, channel = i % width;
        __global const float *at = stats + (size_t)b * 2 * channels + channel;
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
    __global const float *gamma, __global const float *beta, TENSOR_OUT(fold), int fold_stride,
    int channels, float eps)
{
    __local float sums[GROUP_F];
    int item = get_local_id(0), group = GROUP_ID(0, GROUP_F), width = channels / groups;
    __global const float *at = TENSOR_AT(moments) + group;
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
    __global const float *in = TENSOR_AT(fold) + (size_t)image * 2 * fold_stride;
    __global const float *change = TENSOR_AT(modulation) + (size_t)image * modulation_stride;
    __global float *out = TENSOR_AT(y) + (size_t)image * 2 * y_stride;
    if (column >= c)
        return;
    float scale = 1.0f + change[column];
    out[column] = in[column] * scale;
    out[y_stride + column] = fma(in[fold_stride + column], scale, change[c + column]);
}

/* ---- group norm: apply ---------------------------------------------------------------------- */

KERNEL_GROUP(GROUP_C, GROUP_R, 1)
void group_apply(TENSOR_IN(x), int x_stride, TENSOR_IN(fold), int fold_stride, TENSOR_OUT(y),
    int y_stride, int first_channel, int pixels, int c)
{
    int column = get_global_id(0), pixel = get_global_id(1), image = get_global_id(2);
    __global const float *scale =
        TENSOR_AT(fold) + (size_t)image * 2 * fold_stride + first_channel;
    size_t row = (size_t)image * pixels + pixel;
    if (column < c && pixel < pixels)
        TENSOR_AT(y)[row * y_stride + first_channel + column] = activate(ACTIVATION,
            fma(TENSOR_AT(x)[row * x_stride + column], scale[column], scale[fold_stride + column]));
}

/* Job: (image, block of pixels). */
KERNEL_CPU void group_apply_cpu(TENSOR_IN(x), int x_stride, TENSOR_IN(fold), int fold_stride,
    TENSOR_OUT(y), int y_stride, int first_channel, int pixels, int c, int block, int jobs,
    JOB_COUNTER)
{
    int blocks = BLOCKS(pixels, block);
    JOBS(job, jobs)
    {
        int image = job / blocks, first = job % blocks * block;
        __global const float *scale =
            TENSOR_AT(fold) + (size_t)image * 2 * fold_stride + first_channel;
        for (int pixel = first; pixel < min(first + block, pixels); pixel++) {
            size_t row = (size_t)image * pixels + pixel;
            __global const float *in = TENSOR_AT(x) + row * x_stride;
            __global float *out = TENSOR_AT(y) + row * y_stride + first_channel;
            for (int column = 0; column < c; column += 16) {
                float16 v = fma(vload16(0, in + column), vload16(0, scale + column),
                    vload16(0, scale + fold_stride + column));
                vstore16(activate16(ACTIVATION, v), 0, out + column);
            }
        }
    }
    JOBS_END
}

/* ---- layer norm ----------------------------------------------------------------------------- */

KERNEL_GROUP(GROUP_F, 1, 1)
void layer_norm(TENSOR_IN(x), int x_stride, __global const float *gamma,
    __global const float *beta, TENSOR_OUT(y), int y_stride, int c, float eps)
{
    __local float sums[GROUP_F];
    int item = get_local_id(0), row = GROUP_ID(0, GROUP_F);
    __global const float *in = TENSOR_AT(x) + (size_t)row * x_stride;
    __global float *out = TENSOR_AT(y) + (size_t)row * y_stride;
    float pivot = in[0], mean = 0.0f, squares = 0.0f;
    for (int i = item; i < c; i += GROUP_F)
        mean += in[i] - pivot;
    mean = sum_group(sums, mean) / c;
    for (int i = item; i < c; i += GROUP_F) {
        float d = in[i] - pivot - mean;
        squares = fma(d, d, squares);
    }
    float inverse = 1.0f / sqrt(sum_group(sums, squares) / c + eps);
    for (int i = item; i < c; i += GROUP_F)
        out[i] = fma((in[i] - pivot - mean) * inverse, gamma[i], beta[i]);
}

/* One row on one work-item: 16 channels at a time, the rest one by one. */
static inline void layer_norm_row(__global const float *in, __global const float *gamma,
    __global const float *beta, __global float *out, int c, float eps)
{
    float pivot = in[0], mean = 0.0f, squares = 0.0f;
    float16 lanes = (float16)0.0f;
    int i, whole = c / 16 * 16;
    for (i = 0; i < whole; i += 16)
        lanes += vload16(0, in + i) - (float16)pivot;
    for (; i < c; i++)
        mean += in[i] - pivot;
    mean = (mean + sum16(lanes)) / c;
    lanes = (float16)0.0f;
    for (i = 0; i < whole; i += 16) {
        float16 d = vload16(0, in + i) - (float16)pivot - (float16)mean;
        lanes = fma(d, d, lanes);
    }
    for (; i < c; i++)
        squares = fma(in[i] - pivot - mean, in[i] - pivot - mean, squares);
    float inverse = 1.0f / sqrt((squares + sum16(lanes)) / c + eps);
    for (i = 0; i < whole; i += 16) {
        float16 d = vload16(0, in + i) - (float16)pivot - (float16)mean;
        vstore16(fma(d * inverse, vload16(0, gamma + i), vload16(0, beta + i)), 0, out + i);
    }
    for (; i < c; i++)
        out[i] = fma((in[i] - pivot - mean) * inverse, gamma[i], beta[i]);
}

/* Job: `block` rows. */
KERNEL_CPU void layer_norm_cpu(TENSOR_IN(x), int x_stride, __global const float *gamma,
    __global const float *beta, TENSOR_OUT(y), int y_stride, int c, float eps, int rows, int block,
    JOB_COUNTER)
{
    JOBS(job, BLOCKS(rows, block))
    for (int row = job * block; row < min(rows, (job + 1) * block); row++)
        layer_norm_row(TENSOR_AT(x) + (size_t)row * x_stride, gamma, beta,
            TENSOR_AT(y) + (size_t)row * y_stride, c, eps);
    JOBS_END
}
