/* attention_wide.cl - what attention by three products needs besides the products (gemm.h), for CPUs.
 * SPDX-License-Identifier: MIT
 *
 * For heads too wide to keep 32 of them in the first-level cache (the autoencoder's one head of 512):
 *   keys    k [keys][width]   -> packed [panels of keys][width][PANEL], the weights of s = q kT
 *   values  v [keys][width]   -> packed [panels of columns][keys][PANEL], the weights of y = p v
 *   softmax s [rows][columns] -> p in place, of scale * s
 *   softmax_chunk  the same for one chunk of the keys: p relative to the largest score so far, which
 *           stands with the total so far in state [rows][2]; sums [rows][width], p v of the chunks
 *           before, are scaled to it. The first chunk comes without sums; the last one divides both by
 *           the total.
 * Grid: jobs (common.h). */
#include "common.h"
#define PANEL 64

/* packed[step][0..16) = matrix[step*step_stride + lane*lane_stride], zero from lane `lanes` on */
static inline void pack_lanes(global const float *matrix, size_t step_stride, size_t lane_stride,
    int lanes, int steps, global float *packed)
{
    for (int step = 0; step < steps; step++)
        for (int lane = 0; lane < 16; lane++)
            packed[(size_t)step * PANEL + lane] =
                lane < lanes ? matrix[step * step_stride + lane * lane_stride] : 0.0f;
}

/* A job is 16 packed columns. */
KERNEL_CPU void pack_keys(
    TENSOR_IN(k), int k_stride, int keys, int width, TENSOR_OUT(packed), int jobs, JOB_COUNTER)
{
    JOBS(job, jobs)
    {
        int key = job * 16;
        pack_lanes(TENSOR_AT(k) + (size_t)key * k_stride, 1, k_stride, keys - key, width,
            TENSOR_AT(packed) + (size_t)(key / PANEL) * width * PANEL + key % PANEL);
    }
    JOBS_END
}

KERNEL_CPU void pack_values(
    TENSOR_IN(v), int v_stride, int keys, int width, TENSOR_OUT(packed), int jobs, JOB_COUNTER)
{
    JOBS(job, jobs)
    {
        int column = job * 16;
        pack_lanes(TENSOR_AT(v) + column, v_stride, 1, width - column, keys,
            TENSOR_AT(packed) + (size_t)(column / PANEL) * keys * PANEL + column % PANEL);
    }
    JOBS_END
}

static inline float16 exp16(float16 x)
{
    return exp_bounded16(max(x, (float16)(-87.0f)));
}

static inline float largest(float16 x)
{
    float8 a = max(x.lo, x.hi);
    float4 b = max(a.lo, a.hi);
    float2 c = max(b.lo, b.hi);
    return max(c.x, c.y);
}

static inline float row_largest(global const float *row, int columns)
{
    int whole = columns / 16 * 16;
    float16 top16 = (float16)(row[0]);
    for (int c = 0; c < whole; c += 16)
        top16 = max(top16, vload16(0, row + c));
    float top = largest(top16);
    for (int c = whole; c < columns; c++)
        top = max(top, row[c]);
    return top;
}

/* row = exp(scale*(row - top)); its sum. */
static inline float row_exp(global float *row, int columns, float top, float scale)
{
    int whole = columns / 16 * 16;
    float16 total16 = (float16)(0.0f);
    float total = 0.0f;
    for (int c = 0; c < whole; c += 16) {
        float16 weight = exp16((vload16(0, row + c) - top) * scale);
        total16 += weight;
        vstore16(weight, 0, row + c);
    }
    for (int c = whole; c < columns; c++) {
        row[c] = exp_bounded(max((row[c] - top) * scale, -87.0f));
        total += row[c];
    }
    return total + sum16(total16);
}

static inline void row_multiply(global float *row, int columns, float factor)
{
    int whole = columns / 16 * 16;
    for (int c = 0; c < whole; c += 16)
        vstore16(vload16(0, row + c) * factor, 0, row + c);
    for (int c = whole; c < columns; c++)
        row[c] *= factor;
}

/* A job is one row; it stays in the first-level cache for the three passes. */
KERNEL_CPU void softmax_rows(
    TENSOR_OUT(s), int s_stride, int columns, float scale, int jobs, JOB_COUNTER)
{
    JOBS(job, jobs)
    {
        global float *row = TENSOR_AT(s) + (size_t)job * s_stride;
        float total = row_exp(row, columns, row_largest(row, columns), scale);
        row_multiply(row, columns, 1.0f / total);
    }
    JOBS_END
}

KERNEL_CPU void softmax_chunk(TENSOR_OUT(s), int s_stride, int columns, float scale,
    TENSOR_OUT(state), TENSOR_OUT(sums), int sums_stride, int width, int last, int jobs,
    JOB_COUNTER)
{
    JOBS(job, jobs)
    {
        global float *row = TENSOR_AT(s) + (size_t)job * s_stride;
        global float *so_far = TENSOR_AT(state) + (size_t)job * 2;
        bool begun = TENSOR_GIVEN(sums);
        float top = row_largest(row, columns), shrink = 0.0f;
        if (begun) {
            top = max(top, so_far[0]);
            shrink = exp_bounded(max((so_far[0] - top) * scale, -87.0f));
        }
        float total = row_exp(row, columns, top, scale);
        total = begun ? fma(so_far[1], shrink, total) : total;
        so_far[0] = top;
        so_far[1] = total;
        if (last)
            row_multiply(row, columns, 1.0f / total);
        if (begun)
            row_multiply(TENSOR_AT(sums) + (size_t)job * sums_stride, width,
                last ? shrink / total : shrink);
    }
    JOBS_END
}
