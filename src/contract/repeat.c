/* repeat.c - the same result again, whatever else goes on. SPDX-License-Identifier: MIT */
#include "contract/checks.h"
#include "contract/report.h"
#include "contract/toy.h"

#include <string.h>

/* A network that runs the whole plugin a second time, with other noise, in the middle of a run. */
struct intruder {
    struct probe probe;
    bool done;
};

static void intrude(void *user, struct probe *probe, const float *sample, float divisor,
    double timestep, float *output)
{
    struct intruder *intruder = user;
    float other[TOY_IMAGES * TOY_ELEMENTS];
    if (!intruder->done && probe->evaluations == 2) {
        intruder->done = true;
        toy_run(&intruder->probe, 7, TOY_IMAGES, other);
    }
    toy_evaluate(NULL, probe, sample, divisor, timestep, output);
}

static bool run_beside_another(struct probe *probe, const struct clat_plugin *plugin, float *sample)
{
    static struct intruder intruder;
    const struct probe_network network = {&intruder, intrude, NULL};
    intruder.done = false;
    if (!toy_open(&intruder.probe, plugin))
        return false;
    toy_noise(sample, 0, TOY_IMAGES, probe->plan->init_noise_sigma);
    bool done = probe_run(probe, &network, TOY_IMAGES, TOY_ELEMENTS, (uint64_t[]){1, 2}, sample);
    probe_close(&intruder.probe);
    return done;
}

/* A second run; a run with another one inside; each image alone. */
static const char *compare_runs(struct probe *probe, const struct clat_plugin *plugin)
{
    float first[TOY_IMAGES * TOY_ELEMENTS], again[TOY_IMAGES * TOY_ELEMENTS];
    report_doing("a second run");
    if (!toy_run(probe, 0, TOY_IMAGES, first) || !toy_run(probe, 0, TOY_IMAGES, again))
        return probe_why(probe);
    if (memcmp(first, again, sizeof first) != 0)
        return "two runs with the same sample and noise gave different results";
    report_doing("a run inside of another");
    if (!run_beside_another(probe, plugin, again))
        return probe_why(probe);
    if (memcmp(first, again, sizeof first) != 0)
        return "a run gave another result because a second one was under way: state lies outside "
               "of the run";
    report_doing("each image alone");
    for (size_t i = 0; i < TOY_IMAGES; i++)
        if (!toy_run(probe, i, 1, again + i * TOY_ELEMENTS))
            return probe_why(probe);
    if (memcmp(first, again, sizeof first) != 0)
        return "an image comes out differently alone and in a batch";
    return NULL;
}

void check_repeat(const struct clat_plugin *plugin)
{
    struct probe probe;
    report_check("repeat");
    if (!toy_open(&probe, plugin))
        return;
    const char *fault = compare_runs(&probe, plugin);
    if (fault)
        report(VERDICT_FAILED, "%s", fault);
    else
        report(
            VERDICT_PASSED, "equal to the last bit: again, inside of another run, image by image");
    probe_close(&probe);
}
