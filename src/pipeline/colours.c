/* colours.c - the linear map from latents to colours. SPDX-License-Identifier: MIT
 *
 * Normal equations with a trace of ridge regression, solved by Cholesky's factors: at most 65
 * unknowns for each colour. */
#include "base/memory.h"
#include "pipeline/preview.h"

#include <math.h>
#include <stdlib.h>

#define RIDGE 1e-6

/* Feature i of a pixel: its channels, then 1. */
static double feature(const float *latents, size_t count, int channels, int i, size_t pixel)
{
    return i < channels ? (double)latents[(size_t)i * count + pixel] : 1;
}

/* The lower half of features' products, and their products with each colour. */
static void accumulate(int channels, size_t count, const float *latents, const float *rgb,
    double *square, double *right)
{
    int n = channels + 1;
    for (int i = 0; i < n; i++)
        for (size_t p = 0; p < count; p++) {
            double x = feature(latents, count, channels, i, p);
            for (int j = 0; j <= i; j++)
                square[i * n + j] += x * feature(latents, count, channels, j, p);
            for (int c = 0; c < 3; c++)
                right[c * n + i] += x * (double)rgb[3 * p + (size_t)c];
        }
    for (int i = 0; i < n; i++)
        square[i * n + i] += RIDGE * (double)count;
}

/* square = L L^T in place; false if it is not positive. */
static bool factorize(double *square, int n)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            double sum = square[i * n + j];
            for (int k = 0; k < j; k++)
                sum -= square[i * n + k] * square[j * n + k];
            if (i == j && !(sum > 0 && isfinite(sum)))
                return false;
            square[i * n + j] = i == j ? sqrt(sum) : sum / square[j * n + j];
        }
    return true;
}

/* L L^T x = right, in place. */
static void solve(const double *lower, int n, double *right)
{
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++)
            right[i] -= lower[i * n + k] * right[k];
        right[i] /= lower[i * n + i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++)
            right[i] -= lower[k * n + i] * right[k];
        right[i] /= lower[i * n + i];
    }
}

enum clat_status colours_fit(
    struct colours *colours, int channels, size_t count, const float *latents, const float *rgb)
{
    enum clat_status status;
    int n = channels + 1;
    double *square = NULL;
    *colours = (struct colours){.channels = channels};
    TRY(memory_new((size_t)n * (size_t)n, sizeof *square, &square));
    TRY(memory_new(3 * (size_t)n, sizeof *colours->map, &colours->map));
    accumulate(channels, count, latents, rgb, square, colours->map);
    if (!factorize(square, n))
        FAIL(CLAT_ERROR_CHECK, "the decoder's colours are no numbers");
    for (int c = 0; c < 3; c++)
        solve(square, n, colours->map + c * n);
out:
    free(square);
    if (status != CLAT_OK)
        colours_free(colours);
    return status;
}

void colours_apply(const struct colours *colours, size_t count, const float *latents, float *rgb)
{
    int n = colours->channels + 1;
    for (size_t p = 0; p < count; p++)
        for (int c = 0; c < 3; c++) {
            const double *row = colours->map + c * n;
            double sum = row[colours->channels];
            for (int i = 0; i < colours->channels; i++)
                sum += row[i] * (double)latents[(size_t)i * count + p];
            rgb[3 * p + (size_t)c] = (float)fmin(fmax(sum / 2 + 0.5, 0), 1);
        }
}

void colours_free(struct colours *colours)
{
    free(colours->map);
    *colours = (struct colours){.map = NULL};
}
