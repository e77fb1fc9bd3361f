/* rng.c - normal noise, bit-equal to torch's CPU generator. SPDX-License-Identifier: MIT
 *
 * Uniform words come from MT19937 (Matsumoto and Nishimura 1998). Normals are made by Box and
 * Muller: z = sqrt(-2 log(1 - u)) * {cos, sin}(2 pi v). Tensors of 16 values and more are made in
 * blocks of 16, in float, with the logarithm, sine and cosine of the Cephes library (Moshier) as
 * polynomials; smaller ones one by one in double. A polynomial here is a chain of fused
 * multiply-adds: where an fmaf stands and where a product is rounded first decides the last bit, so
 * neither may be "tidied". */
#include "sampling/rng.h"
#include <math.h>
#include <string.h>

#define WORDS 624
#define BLOCK 16

/* ---- MT19937 -------------------------------------------------------------------------------- */

void rng_seed(struct rng *rng, uint64_t seed)
{
    rng->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < WORDS; i++) {
        uint32_t before = rng->state[i - 1];
        rng->state[i] = 1812433253u * (before ^ (before >> 30)) + i;
    }
    rng->next = WORDS;
    rng->has_cached = false;
    rng->cached = 0;
}

static void regenerate(struct rng *rng)
{
    uint32_t *state = rng->state;
    for (int i = 0; i < WORDS; i++) {
        uint32_t word = (state[i] & 0x80000000u) | (state[(i + 1) % WORDS] & 0x7fffffffu);
        state[i] = state[(i + 397) % WORDS] ^ (word >> 1) ^ (word & 1 ? 0x9908b0dfu : 0);
    }
    rng->next = 0;
}

static uint32_t next_word(struct rng *rng)
{
    if (rng->next == WORDS)
        regenerate(rng);
    uint32_t word = rng->state[rng->next++];
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c5680u;
    word ^= (word << 15) & 0xefc60000u;
    return word ^ (word >> 18);
}

/* 24 random bits in [0, 1). */
static float next_uniform(struct rng *rng)
{
    return (float)(next_word(rng) & 0xffffff) * 0x1p-24f;
}

/* 53 random bits in [0, 1), of two words, the first one high. */
static double next_uniform_double(struct rng *rng)
{
    uint64_t high = next_word(rng);
    uint64_t bits = high << 32 | next_word(rng);
    return (double)(bits & ((UINT64_C(1) << 53) - 1)) * 0x1p-53;
}

/* ---- Cephes in float ------------------------------------------------------------------------ */

/* x*c[0]... Horner's rule with every step fused. */
static float polynomial(float x, const float *coefficients, int count)
{
    float y = coefficients[0];
    for (int i = 1; i < count; i++)
        y = fmaf(y, x, coefficients[i]);
    return y;
}

/* Natural logarithm of x > 0: x = m * 2^e with m about 1, log m by polynomial. */
static float log_cephes(float x)
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

/* Sine and cosine of x >= 0: x is brought to [-pi/4, pi/4] by an even multiple j of pi/4. */
static void sincos_cephes(float x, float *sine, float *cosine)
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

/* ---- normals -------------------------------------------------------------------------------- */

/* 16 uniforms become 16 normals in place: pair (u[j], u[j+8]) gives the radius and the angle. */
static void transform_block(float *values)
{
    for (int j = 0; j < BLOCK / 2; j++) {
        float radius = sqrtf(-2 * log_cephes(1 - values[j]));
        float sine, cosine;
        sincos_cephes(6.2831855f * values[j + 8], &sine, &cosine);
        values[j] = radius * cosine + 0.0f; /* + 0: minus zero becomes zero */
        values[j + 8] = radius * sine + 0.0f;
    }
}

/* One normal in double; of each pair the second is kept for the next call. */
static double next_normal(struct rng *rng)
{
    if (rng->has_cached) {
        rng->has_cached = false;
        return rng->cached;
    }
    double u = next_uniform_double(rng);
    double v = next_uniform_double(rng);
    double radius = sqrt(-2 * log1p(-v)), angle = 2 * 3.14159265358979323846 * u;
    rng->cached = radius * sin(angle);
    rng->has_cached = true;
    return radius * cos(angle);
}

void rng_normal(struct rng *rng, float *values, size_t count)
{
    if (count < BLOCK) {
        for (size_t i = 0; i < count; i++)
            values[i] = (float)next_normal(rng);
        return;
    }
    for (size_t i = 0; i < count; i++)
        values[i] = next_uniform(rng);
    for (size_t i = 0; i + BLOCK <= count; i += BLOCK)
        transform_block(values + i);
    if (count % BLOCK == 0)
        return;
    /* A rest: the last 16 values are drawn anew, over some that were finished. */
    float *last = values + count - BLOCK;
    for (int i = 0; i < BLOCK; i++)
        last[i] = next_uniform(rng);
    transform_block(last);
}
