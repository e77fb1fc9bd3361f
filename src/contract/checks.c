/* checks.c - what the contract asks of any plugin. SPDX-License-Identifier: MIT */
#include "contract/checks.h"
#include "contract/manners.h"
#include "contract/report.h"
#include "contract/toy.h"
#include "plugins/loader.h"

#include <string.h>

int checks_steps(struct probe *probe, int most, double strength)
{
    for (int steps = most; steps > 0; steps--)
        if (probe_plan(probe, steps, strength))
            return steps;
        else if (!probe->refused)
            return 0;
    return 0;
}

/* ---- plan ----------------------------------------------------------------------------------- */

/* Sigmas are zero where the plugin left them alone. */
static bool same_plan(const struct clat_plan *a, const struct clat_plan *b)
{
    size_t count = (size_t)a->count;
    return a->count == b->count && a->evaluations == b->evaluations && a->first == b->first &&
           a->init_noise_sigma == b->init_noise_sigma &&
           memcmp(a->sigmas, b->sigmas, (count + 1) * sizeof *a->sigmas) == 0 &&
           memcmp(a->timesteps, b->timesteps, count * sizeof *a->timesteps) == 0 &&
           memcmp(a->signal, b->signal, count * sizeof *a->signal) == 0 &&
           memcmp(a->noise, b->noise, count * sizeof *a->noise) == 0;
}

/* Two plans of so many steps: made, or refused with a sentence; and equal. */
static bool try_plan(struct probe *a, struct probe *b, int steps, double strength, int *made)
{
    report_doing("plan of %d steps, strength %g", steps, strength);
    bool first = probe_plan(a, steps, strength), second = probe_plan(b, steps, strength);
    if (!first && !a->refused)
        report(VERDICT_FAILED, "%d steps, strength %g: %s", steps, strength, a->broken);
    else if (first != second || (first && !same_plan(a->plan, b->plan)))
        report(VERDICT_FAILED, "%d steps: planned twice, with different results", steps);
    else {
        *made += first;
        return true;
    }
    return false;
}

void check_plan(const struct clat_plugin *plugin)
{
    static const int steps[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 50, 100, 999, 1000, 1001, 5000};
    struct probe a, b;
    int made = 0;
    bool kept = true;
    report_check("plan");
    if (probe_open(&a, plugin, NULL) != CLAT_OK || probe_open(&b, plugin, NULL) != CLAT_OK) {
        report(VERDICT_FAILED, "%s", status_text());
        return;
    }
    for (size_t i = 0; kept && i < sizeof steps / sizeof *steps; i++)
        kept = try_plan(&a, &b, steps[i], 1, &made) && try_plan(&a, &b, steps[i], 0.5, &made);
    if (kept && !made)
        report(VERDICT_FAILED, "no number of steps is accepted: %s", a.sentence);
    else if (kept)
        report(VERDICT_PASSED, "%d plans of 1 to 5000 steps", made);
    probe_close(&a);
    probe_close(&b);
}

/* ---- run ------------------------------------------------------------------------------------ */

/* Three images of 35 values: nothing may be rounded up to what vectors like. */
static bool run_odd_sizes(struct probe *probe)
{
    float sample[3 * 35];
    for (int i = 0; i < 3 * 35; i++)
        sample[i] = probe->plan->init_noise_sigma * (float)(i % 7 - 3);
    report_doing("3 images of 35 values");
    return probe_run(probe, &toy_network, 3, 35, (uint64_t[]){1, 2, 3}, sample);
}

void check_run(const struct clat_plugin *plugin)
{
    struct probe probe;
    float sample[TOY_IMAGES * TOY_ELEMENTS];
    report_check("run");
    if (!toy_open(&probe, plugin))
        return;
    report_doing("run of %d steps", TOY_STEPS);
    if (!toy_run(&probe, 0, TOY_IMAGES, sample))
        report(VERDICT_FAILED, "%s", probe_why(&probe));
    else if ((probe.draws > 0) != (plugin->stochastic != 0))
        report(VERDICT_FAILED, "stochastic is %d, but it drew noise %d times", plugin->stochastic,
            probe.draws);
    else if (!run_odd_sizes(&probe))
        report(VERDICT_FAILED, "3 images of 35 values: %s", probe_why(&probe));
    else
        report(VERDICT_PASSED, "%d steps, %d evaluations, %d draws of noise", probe.plan->count,
            probe.evaluations, probe.draws);
    probe_close(&probe);
}

/* ---- all ------------------------------------------------------------------------------------ */

void checks_run(const char *path)
{
    const struct clat_plugin *plugin;
    struct manners before = manners_look();
    report_check("load");
    report_doing("loading");
    if (plugin_open(path, &plugin) != CLAT_OK) {
        report(VERDICT_REFUSED, "%s", status_text());
        return;
    }
    report(VERDICT_PASSED, "%s: %s", plugin->name, plugin->title);
    check_options(plugin);
    check_plan(plugin);
    check_run(plugin);
    check_repeat(plugin);
    check_cancel(plugin);
    check_memory(plugin);
    check_accuracy(plugin);
    check_middle(plugin);
    check_manners(&before);
}
