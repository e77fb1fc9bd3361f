/* brownian.h - paths of Brownian motion that can be asked at any sigma, in any order.
 * SPDX-License-Identifier: MIT
 *
 * A solver of a stochastic differential equation asks for noise over intervals that overlap: it
 * must be the same path each time. A path here is a function of its key, not of what was asked
 * before. It is made octave by octave of sigma: W(2L) - W(L) is normal with variance L, and what
 * lies between is found by halving, each middle being the mean of its ends plus a normal of a
 * quarter of the interval as variance (Levy's bridge). Every float32 sigma is a node of the tree,
 * at most 23 halvings deep; below 2^-20 there is one last interval down to W(0) = 0.
 *
 * Stream 1. The normal at a node is made of a word of Philox4x32-10: the lowest bit says positive,
 * the other 31 and a half, over 2^32, are the probability of the tail beyond it (Wichura 1988, AS
 * 241, PPND7). Key: the seed. Counter: (value / 4, node, octave * 256 + level, "Brow"), word value
 * mod 4. Values count over the tensor that the seed fills; the octave is sigma's binary exponent
 * plus 21, 0 for the last interval; level 0 is W(2L) - W(L), level k has 2^(k-1) nodes. Nothing of
 * it calls the C library's mathematics, so that a seed gives the same bits everywhere. */
#ifndef CLATENT_SAMPLING_BROWNIAN_H
#define CLATENT_SAMPLING_BROWNIAN_H

#include <stddef.h>
#include <stdint.h>

/* Values first .. first+count of the paths of `seed`. */
struct brownian {
    uint64_t seed;
    uint64_t first;
    size_t count;
};

/* values = (W(b) - W(a)) / sqrt|b - a|; a and b are rounded to float32. They must be finite, 0 or
 * more, different as float32, and BROWNIAN_SHORTEST apart. `scratch` has 3 * count floats. */
#define BROWNIAN_SHORTEST 0x1p-42
void brownian_increment(
    const struct brownian *path, double a, double b, float *values, float *scratch);

#endif
