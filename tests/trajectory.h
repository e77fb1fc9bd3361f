/* trajectory.h - runs of schedulers beside those that diffusers recorded.
 * SPDX-License-Identifier: MIT
 *
 * tests/data/goldens/schedulers/FILE.json lists cases: class, options, steps, strength, compat;
 * FILE.safetensors has for each "x0" (the start), "timesteps" (of each evaluation) and "x" (the
 * sample after each evaluation; of section_g after the last one alone), see
 * tests/tools/thin_schedulers.py. The network is a toy,
 * m = 0.2 x + (0.0004 t - 0.1), so that the scheduler alone is tested; start noise is torch's
 * stream of one seed, and the noise of stochastic schedulers continues it. */
#ifndef CLATENT_TESTS_TRAJECTORY_H
#define CLATENT_TESTS_TRAJECTORY_H

#include <stdbool.h>
#include <stddef.h>

/* How the cases of one file are expected to come out. A row with a label is about that case alone,
 * one without about all others of its file. */
struct expected {
    const char *file, *label;
    double limit;       /* relative L2 distance of every sample; 0: equal to the last bit */
    const char *reason; /* why not 0 */
    bool compat;        /* recorded with a defect that we repair: replayed with compat on */
};

/* Replays every case of every file in the table, and checks: the timestep and the sample of each
 * evaluation, the sample at the end of each step, the start noise, the number of evaluations. */
void trajectories_replay(const struct expected *table, size_t count);

#endif
