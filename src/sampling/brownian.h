/* brownian.h - paths of Brownian motion that can be asked at any sigma, in any order.
 * SPDX-License-Identifier: MIT
 *
 * A solver of a stochastic differential equation asks for noise over intervals that overlap: it
 * must be the same path each time. A path here is a function of its key, not of what was asked
 * before. It is made octave by octave of sigma: W(2L) - W(L) is normal with variance L, and what
 * lies between is found by halving, each middle being the mean of its ends plus a normal of a
 * quarter of the interval as variance (Levy's bridge). After 16 halvings a node is found: a sigma
 * of 17 significant bits, to which all sigmas are rounded; below 2^-20 there is one last interval
 * down to W(0) = 0, halved likewise.
 *
 * Stream 1. The normal at a node is made of a word of Philox4x32-10: the lowest bit says positive,
 * the other 31 and a half, over 2^32, are the probability of the tail beyond it (Wichura 1988, AS
 * 241, PPND7). Key: the seed. Counter: (value / 4, node, octave * 256 + level, "Brow"), word value
 * mod 4. Values count over the tensor that the seed fills; the octave is sigma's binary exponent
 * plus 21, 0 for the last interval; level 0 is W(2L) - W(L), level k has 2^(k-1) nodes. What
 * it takes of the C library's mathematics is exact, so that a seed gives the same bits everywhere.
 */
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

/* The node that a sigma, finite and 0 or more, is rounded to. */
double brownian_node(double sigma);

/* values = W(sigma) - W(the start of its octave). That is the work, about 17 normals a value.
 * `scratch` has 2 * count floats. */
void brownian_walk(const struct brownian *path, double sigma, float *values, float *scratch);

/* values = (W(b) - W(a)) / sqrt|b - a|, from what brownian_walk() gave at a and b, which are not
 * rounded to the same node. `scratch` has count floats. */
void brownian_increment(const struct brownian *path, double a, double b, const float *at_a,
    const float *at_b, float *values, float *scratch);

#endif
