/* reference_attention.c - attention in plain C and double. SPDX-License-Identifier: MIT */
#include "selftest/reference.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* One token of one head; rows of k, v are `stride` apart. weights [keys] is scratch. */
static void attend(const float *q, const float *k, const float *v, int stride, int keys, int width,
    double scale, double *weights, float *y)
{
    double top = -INFINITY, total = 0;
    for (int key = 0; key < keys; key++) {
        weights[key] = 0;
        for (int d = 0; d < width; d++)
            weights[key] += scale * q[d] * k[(size_t)key * stride + d];
        top = fmax(top, weights[key]);
    }
    for (int key = 0; key < keys; key++)
        total += weights[key] = exp(weights[key] - top);
    for (int d = 0; d < width; d++) {
        double sum = 0;
        for (int key = 0; key < keys; key++)
            sum += weights[key] * v[(size_t)key * stride + d];
        y[d] = (float)(sum / total);
    }
}

enum clat_status reference_attention(const float *q, const float *k, const float *v, int n,
    int tokens, int keys, int heads, int width, double scale, bool causal, float *y)
{
    int stride = heads * width;
    enum clat_status status;
    double *weights;
    TRY(memory_new((size_t)keys, sizeof *weights, &weights));
    for (int image = 0; image < n; image++)
        for (int token = 0; token < tokens; token++)
            for (int head = 0; head < heads; head++) {
                size_t at = ((size_t)image * tokens + token) * stride + (size_t)head * width;
                size_t from = (size_t)image * keys * stride + (size_t)head * width;
                int seen = causal && token + 1 < keys ? token + 1 : keys;
                attend(q + at, k + from, v + from, stride, seen, width, scale, weights, y + at);
            }
    free(weights);
out:
    return status;
}
