/* norm_cpu.cl - group norm and layer norm on a CPU: norm.h. SPDX-License-Identifier: MIT
 *
 * A block of pixels is read tile by tile, twice while it is in the first-level cache. c must be a multiple
 * of 16 (layer_norm: any). Grid: jobs (common.h). */
#include "common.h"
#include "norm.h"

/* ---- group norm ----------------------------------------------------------------------------- */

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
