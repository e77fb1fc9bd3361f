/* dpm2.c - the midpoint method along the logarithm of the noise level. SPDX-License-Identifier: MIT
 *
 * Second-order DPM-Solver in sigma (Lu et al. 2022, arXiv 2206.00927, algorithm 1; Karras et al.
 * 2022, arXiv 2206.00364, algorithm 2 generalised): a half step to m, the geometric mean of the two
 * levels, gives the slope for the whole step. Two evaluations a step; the last one, to sigma 0, is
 * Euler's.
 *
 *     d = (x - x0(x; sigma)) / sigma            y = x + d (m - sigma)
 *     d' = (y - x0(y; m)) / m                   x' = x + d' (sigma' - sigma)
 *
 * Arithmetic, options and defaults are those of diffusers' KDPM2DiscreteScheduler. */
#include "dpm2.h"

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    int train = run->tools->train_timesteps(&o->levels.schedule);
    size_t n = run->images * run->elements;
    float *x = run->sample, *y = run->scratch(run, n), *slope = run->scratch(run, n);
    float *table = run->scratch(run, (size_t)train);
    if (!y || !slope || !table)
        return run->fail(run, "no memory");
    run->tools->sigma_table(&o->levels.schedule, table);

    for (int i = plan->first; i < plan->count; i++) {
        float sigma = plan->sigmas[i], next = plan->sigmas[i + 1], m = middle(sigma, next);
        double t = plan->timesteps[i];
        int code;
        if (i == plan->count - 1) {
            code = advance(run, x, x, sigma, t, next - sigma, x, slope);
        } else if (!(code = advance(run, x, x, sigma, t, m - sigma, y, slope))) {
            t = (double)run->tools->timestep_of_sigma_float(table, train, m);
            code = advance(run, x, y, m, t, next - sigma, x, slope);
        }
        if (code || (code = run->step_done(run, i, x)))
            return code;
    }
    return 0;
}

static const struct clat_alias aliases[] = {{"KDPM2", NULL}, {NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "dpm2",
    .class_name = "KDPM2DiscreteScheduler",
    .title = "DPM2: midpoint in log sigma, two evaluations a step",
    .source = "Lu et al. 2022, arXiv 2206.00927; Karras et al. 2022, arXiv 2206.00364",
    .version = "1",
    .aliases = aliases,
    .space = CLAT_SIGMA,
    .order = 2,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
