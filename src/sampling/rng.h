/* rng.h - streams of normal noise, as other programs make them. SPDX-License-Identifier: MIT
 *
 * A picture is named by its seed, so the noise behind it must be the same on every machine and the
 * same as in the program that the seed came from. */
#ifndef CLATENT_SAMPLING_RNG_H
#define CLATENT_SAMPLING_RNG_H

#include "sampling/mersenne.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rng_kind {
    RNG_TORCH, /* torch's CPU generator in float32, bit for bit (as on x86-64 with AVX2) */
    RNG_NUMPY, /* numpy.random.RandomState.randn, rounded to float32 */
    RNG_PHILOX /* torch's CUDA generator, to 1e-6, for tensors that one wave of threads fills;
                  AUTOMATIC1111's "NV" */
};

struct rng {
    enum rng_kind kind;
    uint64_t seed;
    struct mersenne words; /* torch, numpy */
    bool has_cached;       /* one normal was left over: torch after fills of fewer than 16, numpy */
    double cached;
    uint32_t calls; /* philox: fills so far */
};

/* As manual_seed(seed), RandomState(seed). Of the seed only Philox uses more than the low 32 bits.
 */
void rng_seed(struct rng *rng, enum rng_kind kind, uint64_t seed);
/* As randn(count) with this generator: the whole tensor in one call. */
void rng_normal(struct rng *rng, float *values, size_t count);

#endif
