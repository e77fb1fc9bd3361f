/* toy.h - small runs with a network that needs no model. SPDX-License-Identifier: MIT */
#ifndef CLATENT_CONTRACT_TOY_H
#define CLATENT_CONTRACT_TOY_H

#include "contract/probe.h"

#define TOY_IMAGES 2
#define TOY_ELEMENTS 64 /* of each image */
#define TOY_STEPS 6

/* Any function of sample and timestep will do: 0.2 x + 0.0004 t - 0.1, and a little of the index.
 */
extern const struct probe_network toy_network;
void toy_evaluate(void *user, struct probe *probe, const float *sample, float divisor,
    double timestep, float *output);

/* Start noise of the images first .. first + count of a batch. */
void toy_noise(float *sample, size_t first, size_t count, float sigma);

/* A probe with a plan of about TOY_STEPS steps; false, and a finding, if there is no such plan. */
bool toy_open(struct probe *probe, const struct clat_plugin *plugin);

/* Runs the plan for these images; the result in sample[count][TOY_ELEMENTS]. */
bool toy_run(struct probe *probe, size_t first, size_t count, float *sample);

#endif
