/* reference_conv.c - 3x3 convolution in plain C and double. SPDX-License-Identifier: MIT */
#include "selftest/reference_conv.h"

#include "base/memory.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

/* Channel c of the input after norm, SiLU and upsampling; 0 outside. */
static double input(const struct reference_conv *conv, int n, int y, int x, int c)
{
    int up = conv->upsample ? 2 : 1, in = conv->c1 + conv->c2;
    if (y < 0 || x < 0 || y >= conv->h * up || x >= conv->w * up)
        return 0;
    size_t pixel = ((size_t)n * conv->h + y / up) * conv->w + x / up;
    double v =
        c < conv->c1 ? conv->x[pixel * conv->c1 + c] : conv->x2[pixel * conv->c2 + c - conv->c1];
    if (conv->fold)
        v = v * conv->fold[(size_t)n * 2 * in + c] + conv->fold[((size_t)n * 2 + 1) * in + c];
    if (conv->silu)
        v /= 1 + exp(-v);
    return conv->rounded ? conv->rounded((float)v) : v;
}

enum clat_status reference_conv_pixel(
    const struct reference_conv *conv, int n, int y, int x, double *values)
{
    int terms = 9 * (conv->c1 + conv->c2);
    size_t pixel = ((size_t)n * conv->height + y) * conv->width + x;
    double *patch; /* [in][3][3], as the weights */
    enum clat_status status;
    TRY(memory_new((size_t)terms, sizeof *patch, &patch));
    for (int i = 0; i < terms; i++)
        patch[i] = input(conv, n, y * conv->stride - conv->pad + i % 9 / 3,
            x * conv->stride - conv->pad + i % 3, i / 9);
    for (int o = 0; o < conv->out; o++) {
        double sum = conv->bias ? conv->bias[o] : 0;
        if (conv->time)
            sum += conv->time[(size_t)n * conv->out + o];
        if (conv->residual)
            sum += conv->residual[pixel * conv->out + o];
        for (int i = 0; i < terms; i++)
            sum += patch[i] * conv->weight[(size_t)o * terms + i];
        values[o] = sum;
    }
    free(patch);
out:
    return status;
}
