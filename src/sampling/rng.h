/* rng.h - normal noise, bit-equal to torch's CPU generator. SPDX-License-Identifier: MIT
 *
 * A picture is named by its seed, so the noise behind it must be the same on every machine and the
 * same as in the program that the seed came from. This is what torch.randn gives for float32 on
 * x86-64. */
#ifndef CLATENT_SAMPLING_RNG_H
#define CLATENT_SAMPLING_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint32_t state[624];
    int next;        /* index of the next word; 624: regenerate first */
    bool has_cached; /* a double normal left over by a fill of fewer than 16 values */
    double cached;
};

/* As torch.manual_seed(seed): only the low 32 bits matter. */
void rng_seed(struct rng *rng, uint64_t seed);
/* As torch.randn(count) of float32 with this generator: the whole tensor in one call. */
void rng_normal(struct rng *rng, float *values, size_t count);

#endif
