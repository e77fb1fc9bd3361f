/* reference.h - what the ops compute, in plain C and double. SPDX-License-Identifier: MIT
 *
 * Arrays are dense NHWC; results are rounded to float once, at the end. */
#ifndef CLATENT_SELFTEST_REFERENCE_H
#define CLATENT_SELFTEST_REFERENCE_H

#include "ops/op.h"
#include <stddef.h>

/* Binary16 by the definition: the nearest multiple of the last place, the even one of two. */
float reference_half(float value);

/* bfloat16 likewise. */
float reference_bf16(float value);

void reference_round(float *values, size_t count, float (*round)(float));

double reference_activation(enum activation activation, double x);

/* y[n][pixels][c] = group norm of x with groups of c/groups channels. fold [n][2][c], if not NULL,
 * gets scale and shift instead of y being needed (y may be NULL). */
void reference_group_norm(const float *x, int n, int pixels, int c, int groups, double eps,
    const float *gamma, const float *beta, float *fold, float *y);

/* Over the c values of each row. */
void reference_layer_norm(const float *x, size_t rows, int c, double eps, const float *gamma,
    const float *beta, float *y);

/* x [n][h][w][c] to y [n][out_h][out_w][c], source index = floor(destination * in / out). */
void reference_resize_nearest(
    const float *x, int n, int h, int w, int c, int out_h, int out_w, float *y);

/* The mean of 2x2 pixels of silu?(x*scale + shift), fold [n][2][c] or NULL; sizes rounded down. */
void reference_mean_2x2(
    const float *x, int n, int h, int w, int c, const float *fold, bool silu, float *y);

/* Per row of x the number of the nearest of `codes` rows, the first of equals, and x + (e - x). */
void reference_quantize(
    const float *x, size_t rows, int c, const float *codes, int count, float *indices, float *y);

/* y[r][o] = act(sum_i x[r][i] w[o][i] + bias[o]) + residual[r][o]; bias and residual may be NULL.
 * With GEGLU w and bias have 2*out rows, values then gates. */
void reference_linear(const float *x, size_t rows, int in, const float *w, const float *bias,
    int out, enum activation activation, const float *residual, float *y);

/* q, y [n][tokens][heads*width], k, v [n][keys][heads*width]. CLAT_ERROR_MEMORY is possible. */
enum clat_status reference_attention(const float *q, const float *k, const float *v, int n,
    int tokens, int keys, int heads, int width, double scale, bool causal, float *y);

#endif
