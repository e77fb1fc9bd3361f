/* cephes.c - logarithm, sine and cosine in float, the same bits on every machine.
 * SPDX-License-Identifier: MIT
 *
 * A polynomial here is a chain of fused multiply-adds: where an fmaf stands and where a product is
 * rounded first decides the last bit, so neither may be "tidied". */
#include "sampling/cephes.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* x*c[0]... Horner's rule with every step fused. */
static float polynomial(float x, const float *coefficients, int count)
{
    float y = coefficients[0];
    for (int i = 1; i < count; i++)
        y = fmaf(y, x, coefficients[i]);
    return y;
}

/* x = m * 2^e with m about 1, log m by polynomial. */
float cephes_log(float x)
{
    static const float coefficients[] = {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f,
        -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f,
        3.3333331174e-1f};
    uint32_t bits;
    x = fmaxf(x, 0x1p-126f);
    memcpy(&bits, &x, sizeof bits);
    float e = (float)((int)(bits >> 23) - 126);
    bits = (bits & 0x807fffffu) | 0x3f000000u;
    float m;
    memcpy(&m, &bits, sizeof m);
    if (m < 0.707106781186547524f) {
        e -= 1;
        m = (m - 1) + m;
    } else {
        m = m - 1;
    }
    float z = m * m;
    float y = polynomial(m, coefficients, 9) * m;
    y = fmaf(y, z, e * -2.12194440e-4f);
    y = fmaf(-z, 0.5f, y);
    return fmaf(e, 0.693359375f, m + y);
}

/* x is brought to [-pi/4, pi/4] by an even multiple j of pi/4. */
void cephes_sincos(float x, float *sine, float *cosine)
{
    static const float even[] = {
        2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f};
    static const float odd[] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
    int j = ((int)(x * 1.27323954473516f) + 1) & ~1;
    float y = (float)j;
    x = fmaf(y, -0.78515625f, x); /* pi/4 in three parts */
    x = fmaf(y, -2.4187564849853515625e-4f, x);
    x = fmaf(y, -3.77489497744594108e-8f, x);
    float z = x * x;
    float p = polynomial(z, even, 3) * z;
    p = fmaf(p, z, -(z * 0.5f)) + 1;
    float r = polynomial(z, odd, 3) * z;
    r = fmaf(r, x, x);
    float s = j & 2 ? p : r, c = j & 2 ? r : p;
    *sine = j & 4 ? -s : s;
    *cosine = ~(j - 2) & 4 ? -c : c;
}
