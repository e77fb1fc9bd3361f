/* reference.c - the ops in plain C and double. SPDX-License-Identifier: MIT */
#include "selftest/reference.h"

#include <math.h>

float reference_half(float value)
{
    int exponent;
    frexpf(value, &exponent);
    float place = ldexpf(1, (exponent < -13 ? -13 : exponent) - 11);
    return rintf(value / place) * place;
}

float reference_bf16(float value)
{
    int exponent;
    frexpf(value, &exponent);
    float place = ldexpf(1, (exponent < -125 ? -125 : exponent) - 8);
    return rintf(value / place) * place;
}

void reference_round(float *values, size_t count, float (*round)(float))
{
    for (size_t i = 0; i < count; i++)
        values[i] = round(values[i]);
}

double reference_activation(enum activation activation, double x)
{
    switch (activation) {
    case ACTIVATION_SILU:
        return x / (1 + exp(-x));
    case ACTIVATION_GELU: /* erfc, since 1 + erf loses the lower tail even in double */
        return 0.5 * x * erfc(-x / sqrt(2));
    case ACTIVATION_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    default:
        return x;
    }
}

/* Mean and biased variance of the values of channels [first, first + count) in all pixels. */
static void group_statistics(
    const float *x, int pixels, int c, int first, int count, double *mean, double *variance)
{
    double total = (double)pixels * count, sum = 0, squares = 0;
    for (int p = 0; p < pixels; p++)
        for (int i = first; i < first + count; i++)
            sum += x[(size_t)p * c + i];
    *mean = sum / total;
    for (int p = 0; p < pixels; p++)
        for (int i = first; i < first + count; i++) {
            double d = x[(size_t)p * c + i] - *mean;
            squares += d * d;
        }
    *variance = squares / total;
}

static void group_norm_image(const float *x, int pixels, int c, int groups, double eps,
    const float *gamma, const float *beta, float *fold, float *y)
{
    int width = c / groups;
    for (int i = 0; i < c; i++) {
        double mean, variance;
        group_statistics(x, pixels, c, i / width * width, width, &mean, &variance);
        double scale = gamma[i] / sqrt(variance + eps);
        if (fold) {
            fold[i] = (float)scale;
            fold[c + i] = (float)(beta[i] - mean * scale);
        }
        for (int p = 0; y && p < pixels; p++)
            y[(size_t)p * c + i] = (float)((x[(size_t)p * c + i] - mean) * scale + beta[i]);
    }
}

void reference_group_norm(const float *x, int n, int pixels, int c, int groups, double eps,
    const float *gamma, const float *beta, float *fold, float *y)
{
    size_t size = (size_t)pixels * (size_t)c;
    for (int i = 0; i < n; i++)
        group_norm_image(x + i * size, pixels, c, groups, eps, gamma, beta,
            fold ? fold + (size_t)i * 2 * c : NULL, y ? y + i * size : NULL);
}

void reference_layer_norm(
    const float *x, size_t rows, int c, double eps, const float *gamma, const float *beta, float *y)
{
    for (size_t row = 0; row < rows; row++) {
        const float *in = x + row * c;
        double mean, variance;
        group_statistics(in, 1, c, 0, c, &mean, &variance);
        for (int i = 0; i < c; i++)
            y[row * c + i] = (float)((in[i] - mean) / sqrt(variance + eps) * gamma[i] + beta[i]);
    }
}

void reference_resize_nearest(
    const float *x, int n, int h, int w, int c, int out_h, int out_w, float *y)
{
    for (int i = 0; i < n; i++)
        for (int row = 0; row < out_h; row++)
            for (int column = 0; column < out_w; column++) {
                int from_row = (int)((long long)row * h / out_h);
                int from_column = (int)((long long)column * w / out_w);
                for (int k = 0; k < c; k++)
                    y[(((size_t)i * out_h + row) * out_w + column) * c + k] =
                        x[(((size_t)i * h + from_row) * w + from_column) * c + k];
            }
}

static double mean_of(const float *x, int w, int c, double scale, double shift, bool silu)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        double v = x[((size_t)(i / 2) * w + i % 2) * c] * scale + shift;
        sum += silu ? reference_activation(ACTIVATION_SILU, v) : v;
    }
    return sum / 4;
}

void reference_mean_2x2(
    const float *x, int n, int h, int w, int c, const float *fold, bool silu, float *y)
{
    for (int i = 0; i < n; i++)
        for (int row = 0; row < h / 2; row++)
            for (int column = 0; column < w / 2; column++)
                for (int k = 0; k < c; k++) {
                    double scale = fold ? fold[((size_t)i * 2) * c + k] : 1;
                    double shift = fold ? fold[((size_t)i * 2 + 1) * c + k] : 0;
                    const float *from = x + (((size_t)i * h + 2 * row) * w + 2 * column) * c + k;
                    *y++ = (float)mean_of(from, w, c, scale, shift, silu);
                }
}

void reference_quantize(
    const float *x, size_t rows, int c, const float *codes, int count, float *indices, float *y)
{
    for (size_t row = 0; row < rows; row++, x += c, y += c) {
        double least = INFINITY;
        int best = 0;
        for (int j = 0; j < count; j++) {
            double distance = 0;
            for (int k = 0; k < c; k++)
                distance += ((double)x[k] - codes[(size_t)j * c + k]) *
                            ((double)x[k] - codes[(size_t)j * c + k]);
            best = distance < least ? j : best;
            least = distance < least ? distance : least;
        }
        indices[row] = (float)best;
        for (int k = 0; k < c; k++)
            y[k] = x[k] + (codes[(size_t)best * c + k] - x[k]);
    }
}
