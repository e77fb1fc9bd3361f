/* rng.c - streams of normal noise. SPDX-License-Identifier: MIT
 *
 * All three make normals of uniforms u, v by Box and Muller, z = sqrt(-2 log u) {cos, sin}(2 pi v),
 * or by Marsaglia's polar form of it; each in the precision and the order of its model. */
#include "sampling/rng.h"
#include "sampling/cephes.h"
#include "sampling/philox.h"

#include <math.h>

#define BLOCK 16
#define PI 3.14159265358979323846

void rng_seed(struct rng *rng, enum rng_kind kind, uint64_t seed)
{
    *rng = (struct rng){.kind = kind, .seed = seed};
    if (kind != RNG_PHILOX)
        mersenne_seed(&rng->words, (uint32_t)seed);
}

/* ---- torch --------------------------------------------------------------------------------------
 * Tensors of 16 values and more are made in blocks of 16, in float; smaller ones one by one, in
 * double. */

/* 24 random bits in [0, 1). */
static float next_torch_uniform(struct rng *rng)
{
    return (float)(mersenne_next(&rng->words) & 0xffffff) * 0x1p-24f;
}

/* 53 random bits in [0, 1), of two words, the first one high. */
static double next_torch_double(struct rng *rng)
{
    uint64_t high = mersenne_next(&rng->words);
    uint64_t bits = high << 32 | mersenne_next(&rng->words);
    return (double)(bits & ((UINT64_C(1) << 53) - 1)) * 0x1p-53;
}

/* 16 uniforms become 16 normals in place: pair (u[j], u[j+8]) gives the radius and the angle. */
static void transform_torch_block(float *values)
{
    for (int j = 0; j < BLOCK / 2; j++) {
        float radius = sqrtf(-2 * cephes_log(1 - values[j]));
        float sine, cosine;
        cephes_sincos(6.2831855f * values[j + 8], &sine, &cosine);
        values[j] = radius * cosine + 0.0f; /* + 0: minus zero becomes zero */
        values[j + 8] = radius * sine + 0.0f;
    }
}

/* One normal in double; of each pair the second is kept for the next call. */
static double next_torch_normal(struct rng *rng)
{
    if (rng->has_cached) {
        rng->has_cached = false;
        return rng->cached;
    }
    double u = next_torch_double(rng);
    double v = next_torch_double(rng);
    double radius = sqrt(-2 * log1p(-v)), angle = 2 * PI * u;
    rng->cached = radius * sin(angle);
    rng->has_cached = true;
    return radius * cos(angle);
}

static void fill_torch(struct rng *rng, float *values, size_t count)
{
    if (count < BLOCK) {
        for (size_t i = 0; i < count; i++)
            values[i] = (float)next_torch_normal(rng);
        return;
    }
    for (size_t i = 0; i < count; i++)
        values[i] = next_torch_uniform(rng);
    for (size_t i = 0; i + BLOCK <= count; i += BLOCK)
        transform_torch_block(values + i);
    if (count % BLOCK == 0)
        return;
    /* A rest: the last 16 values are drawn anew, over some that were finished. */
    float *last = values + count - BLOCK;
    for (int i = 0; i < BLOCK; i++)
        last[i] = next_torch_uniform(rng);
    transform_torch_block(last);
}

/* ---- numpy --------------------------------------------------------------------------------------
 * RandomState, the legacy generator: the polar form, in double. */

/* 53 random bits in [0, 1): 27 of one word, 26 of the next. */
static double next_numpy_uniform(struct rng *rng)
{
    double high = mersenne_next(&rng->words) >> 5, low = mersenne_next(&rng->words) >> 6;
    return (high * 0x1p26 + low) * 0x1p-53;
}

/* A point in the unit circle gives two normals, the first is kept for the next call. */
static double next_numpy_normal(struct rng *rng)
{
    if (rng->has_cached) {
        rng->has_cached = false;
        return rng->cached;
    }
    double x, y, square;
    do {
        x = 2 * next_numpy_uniform(rng) - 1;
        y = 2 * next_numpy_uniform(rng) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    double factor = sqrt(-2 * log(square) / square);
    rng->cached = factor * x;
    rng->has_cached = true;
    return factor * y;
}

/* ---- philox -------------------------------------------------------------------------------------
 * One thread of the GPU per value, of whose four normals it takes the first: counter (call, 0,
 * value, 0). */

static void fill_philox(struct rng *rng, float *values, size_t count)
{
    const float unit = 2.3283064e-10f, turn = 2.3283064e-10f * 6.2831855f; /* 2^-32, times 2 pi */
    for (size_t i = 0; i < count; i++) {
        uint32_t words[4];
        philox(rng->seed, (uint32_t[]){rng->calls, 0, (uint32_t)i, (uint32_t)((uint64_t)i >> 32)},
            words);
        double u = words[0] * (double)unit + (double)unit / 2;
        double v = words[1] * (double)turn + (double)turn / 2;
        values[i] = (float)(sqrt(-2 * log(u)) * sin(v));
    }
    rng->calls++;
}

void rng_normal(struct rng *rng, float *values, size_t count)
{
    if (rng->kind == RNG_TORCH)
        fill_torch(rng, values, count);
    else if (rng->kind == RNG_PHILOX)
        fill_philox(rng, values, count);
    else
        for (size_t i = 0; i < count; i++)
            values[i] = (float)next_numpy_normal(rng);
}
