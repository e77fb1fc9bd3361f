/* gaussian.h - a network that is never wrong: the exact prediction for data that are normal.
 * SPDX-License-Identifier: MIT
 *
 * Data: element k of every image is mean_k + s_k N(0,1). At signal a and noise b the sample
 * x = a x0 + b epsilon is normal too, with variance q^2 = a^2 s^2 + b^2, and
 *
 *     E[x0 | x] = mean + a s^2 / q^2 (x - a mean)
 *
 * The probability-flow ODE (Song et al. 2020, arXiv 2011.13456, equation 13) keeps the place of a
 * sample, (x - a mean) / q, so that the distance of a solver from the exact solution is known at
 * every step. A network distilled for consistency answers with the end of that path instead:
 * x0 = mean + s (x - a mean) / q. */
#ifndef CLATENT_CONTRACT_GAUSSIAN_H
#define CLATENT_CONTRACT_GAUSSIAN_H

#include "contract/probe.h"

#define GAUSSIAN_SIGMA 0.5 /* convergence is measured where noise is about as large as the data */

/* Places in +-1.5, always the same: they stand for x0 in +-1, which clipping does not touch. */
void gaussian_places(float *places, size_t count);

/* Runs the planned steps from samples that have exactly the given places; these are replaced by the
 * places reached at the end. False as probe_run(). */
bool gaussian_run(struct probe *probe, bool distilled, size_t images, size_t elements,
    const uint64_t *seeds, float *places);

/* What a run makes of normal places: these are 0 and 1 where the sampler is right. */
struct moments {
    double mean, spread; /* NaN if the run does not come to its end */
};
struct moments gaussian_moments(struct probe *probe, bool distilled);

/* How far the places of a run of `steps` steps are from the exact ones, root mean square: where
 * steps end near `sigma`, or at the end of the run for 0. NaN if the plugin cannot do so many
 * steps. */
double gaussian_error(struct probe *probe, int steps, double sigma);

/* The order of convergence at GAUSSIAN_SIGMA: by what power of two the error falls as the steps
 * double from 20 to 160; the last two times, above rounding. NaN where there are less than two
 * errors. */
double gaussian_order(struct probe *probe);

#endif
