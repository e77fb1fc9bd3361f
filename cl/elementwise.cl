/* elementwise.cl - one value in, one value out. SPDX-License-Identifier: MIT
 *
 *     activate: y = act(x)      add: y = a + b      affine: y = x*scale + shift
 *
 * Rows of c values, `stride` apart (rows = pixels or tokens). Grid: (channels, rows), groups of GROUP_C
 * x GROUP_R. The _cpu form: a job is `block` rows; 16 values at a time, the rest one by one.
 *
 * Options: ACTIVATION, a value of common.h (0 if not given). */
#include "common.h"

#ifndef ACTIVATION
#define ACTIVATION ACTIVATION_NONE
#endif
#define GROUP_C 64
#define GROUP_R 4

KERNEL_GROUP(GROUP_C, GROUP_R, 1)
void activate_rows(
    TENSOR_IN(x), int x_stride, TENSOR_OUT(y), int y_stride, int rows, int c)
{
    int column = get_global_id(0), row = get_global_id(1);
    if (column < c && row < rows)
        TENSOR_AT(y)[(size_t)row * y_stride + column] =
            activate(ACTIVATION, TENSOR_AT(x)[(size_t)row * x_stride + column]);
}

KERNEL_GROUP(GROUP_C, GROUP_R, 1)
void add_rows(TENSOR_IN(a), int a_stride, TENSOR_IN(b), int b_stride, TENSOR_OUT(y), int y_stride,
    int rows, int c)
{
    int column = get_global_id(0), row = get_global_id(1);
    if (column < c && row < rows)
        TENSOR_AT(y)[(size_t)row * y_stride + column] =
            TENSOR_AT(a)[(size_t)row * a_stride + column] +
            TENSOR_AT(b)[(size_t)row * b_stride + column];
}

KERNEL_GROUP(GROUP_C, GROUP_R, 1)
void affine_rows(TENSOR_IN(x), int x_stride, float scale, float shift, TENSOR_OUT(y), int y_stride,
    int rows, int c)
{
    int column = get_global_id(0), row = get_global_id(1);
    if (column < c && row < rows)
        TENSOR_AT(y)[(size_t)row * y_stride + column] =
            fma(TENSOR_AT(x)[(size_t)row * x_stride + column], scale, shift);
}

/* ---- the CPU shape -------------------------------------------------------------------------- */

KERNEL_CPU void activate_rows_cpu(TENSOR_IN(x), int x_stride, TENSOR_OUT(y), int y_stride, int rows,
    int c, int block, JOB_COUNTER)
{
    JOBS(job, BLOCKS(rows, block))
    for (int row = job * block; row < min(rows, (job + 1) * block); row++) {
        __global const float *in = TENSOR_AT(x) + (size_t)row * x_stride;
        __global float *out = TENSOR_AT(y) + (size_t)row * y_stride;
        int column = 0;
        for (; column + 16 <= c; column += 16)
            vstore16(activate16(ACTIVATION, vload16(0, in + column)), 0, out + column);
        for (; column < c; column++)
            out[column] = activate(ACTIVATION, in[column]);
    }
    JOBS_END
}

KERNEL_CPU void add_rows_cpu(TENSOR_IN(a), int a_stride, TENSOR_IN(b), int b_stride, TENSOR_OUT(y),
    int y_stride, int rows, int c, int block, JOB_COUNTER)
{
    JOBS(job, BLOCKS(rows, block))
    for (int row = job * block; row < min(rows, (job + 1) * block); row++) {
        __global const float *first = TENSOR_AT(a) + (size_t)row * a_stride;
        __global const float *second = TENSOR_AT(b) + (size_t)row * b_stride;
        __global float *out = TENSOR_AT(y) + (size_t)row * y_stride;
        int column = 0;
        for (; column + 16 <= c; column += 16)
            vstore16(vload16(0, first + column) + vload16(0, second + column), 0, out + column);
        for (; column < c; column++)
            out[column] = first[column] + second[column];
    }
    JOBS_END
}

KERNEL_CPU void affine_rows_cpu(TENSOR_IN(x), int x_stride, float scale, float shift, TENSOR_OUT(y),
    int y_stride, int rows, int c, int block, JOB_COUNTER)
{
    JOBS(job, BLOCKS(rows, block))
    for (int row = job * block; row < min(rows, (job + 1) * block); row++) {
        __global const float *in = TENSOR_AT(x) + (size_t)row * x_stride;
        __global float *out = TENSOR_AT(y) + (size_t)row * y_stride;
        int column = 0;
        for (; column + 16 <= c; column += 16)
            vstore16(fma(vload16(0, in + column), (float16)scale, (float16)shift), 0, out + column);
        for (; column < c; column++)
            out[column] = fma(in[column], scale, shift);
    }
    JOBS_END
}
