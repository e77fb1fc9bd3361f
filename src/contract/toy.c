/* toy.c - small runs with a network that needs no model. SPDX-License-Identifier: MIT */
#include "contract/toy.h"
#include "contract/checks.h"
#include "contract/report.h"

void toy_evaluate(void *user, struct probe *probe, const float *sample, float divisor,
    double timestep, float *output)
{
    size_t elements = probe->run.elements;
    (void)user;
    for (size_t i = 0; i < probe->run.images * elements; i++)
        output[i] = 0.2f * (sample[i] / divisor) + (float)(0.0004 * timestep - 0.1) +
                    0.01f * (float)(i % elements);
}
const struct probe_network toy_network = {NULL, toy_evaluate, NULL};

void toy_noise(float *sample, size_t first, size_t count, float sigma)
{
    for (size_t i = 0; i < count * TOY_ELEMENTS; i++)
        sample[i] =
            sigma * (float)(((i + first * TOY_ELEMENTS) * 2654435761u >> 7) % 2001) / 1000 - sigma;
}

bool toy_run(struct probe *probe, size_t first, size_t count, float *sample)
{
    const uint64_t seeds[TOY_IMAGES] = {first + 1, first + 2};
    toy_noise(sample, first, count, probe->plan->init_noise_sigma);
    return probe_run(probe, &toy_network, count, TOY_ELEMENTS, seeds, sample);
}

bool toy_open(struct probe *probe, const struct clat_plugin *plugin)
{
    if (probe_open(probe, plugin, NULL) != CLAT_OK) {
        report(VERDICT_FAILED, "%s", status_text());
        return false;
    }
    report_doing("plan of %d steps", TOY_STEPS);
    if (checks_steps(probe, TOY_STEPS, 1))
        return true;
    report(VERDICT_FAILED, "no plan of %d steps: %s", TOY_STEPS, probe_why(probe));
    probe_close(probe);
    return false;
}
