/* reference_gemm.c - linear layers in plain C and double. SPDX-License-Identifier: MIT */
#include "selftest/reference.h"

static double dot(const float *a, const float *b, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

void reference_linear(const float *x, size_t rows, int in, const float *w, const float *bias,
    int out, enum activation activation, const float *residual, float *y)
{
    for (size_t r = 0; r < rows; r++)
        for (int o = 0; o < out; o++) {
            size_t gate = (size_t)out + o;
            double value = dot(x + r * in, w + (size_t)o * in, in) + (bias ? bias[o] : 0);
            if (activation == ACTIVATION_GEGLU)
                value *= reference_activation(
                    ACTIVATION_GELU, dot(x + r * in, w + gate * in, in) + (bias ? bias[gate] : 0));
            else
                value = reference_activation(activation, value);
            y[r * out + o] = (float)(value + (residual ? residual[r * out + o] : 0));
        }
}
