/* dpm2_ancestral.c - DPM2 with the noise of ancestral sampling. SPDX-License-Identifier: MIT
 *
 * The midpoint step of DPM2 (Lu et al. 2022, arXiv 2206.00927, algorithm 1), aimed below its target
 * and brought up again with fresh noise (Song et al. 2021, arXiv 2011.13456, equation 36):
 *
 *     up^2 = sigma'^2 (sigma^2 - sigma'^2) / sigma^2     down^2 = sigma'^2 - up^2
 *     m    = sqrt(sigma down)
 *     y    = x + (x - x0(x; sigma)) / sigma (m - sigma)
 *     x'   = x + (y - x0(y; m)) / m (down - sigma) + up z
 *
 * Two evaluations a step; the last step, to sigma 0, is Euler's and draws nothing. Arithmetic,
 * options and defaults are those of diffusers' KDPM2AncestralDiscreteScheduler. */
#include "dpm2.h"

/* Where a step goes: down and, with noise, up again; half way is `middle`. */
struct stops {
    float middle, down, up;
};

static struct stops stops_of(float sigma, float next)
{
    float s2 = sigma * sigma, n2 = next * next;
    float up = sqrtf(n2 * (s2 - n2) / s2), down = sqrtf(fmaxf(n2 - up * up, 0));
    return (struct stops){middle(down, sigma), down, up};
}

static int add_noise(struct clat_run *run, float up, float *z)
{
    int code = run->noise(run, z);
    for (size_t i = 0; !code && i < run->images * run->elements; i++)
        run->sample[i] += z[i] * up;
    return code;
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    int train = run->tools->train_timesteps(&o->levels.schedule);
    size_t n = run->images * run->elements;
    float *x = run->sample, *y = run->scratch(run, n), *spare = run->scratch(run, n);
    float *table = run->scratch(run, (size_t)train);
    if (!y || !spare || !table)
        return run->fail(run, "no memory");
    run->tools->sigma_table(&o->levels.schedule, table);

    for (int i = plan->first; i < plan->count; i++) {
        float sigma = plan->sigmas[i], next = plan->sigmas[i + 1];
        struct stops to = stops_of(sigma, next);
        double t = plan->timesteps[i];
        int code;
        if (!(to.middle > 0)) { /* to sigma 0, or so far that all that is left is fresh noise */
            code = advance(run, x, x, sigma, t, to.down - sigma, x, spare);
            if (!code && next > 0)
                code = add_noise(run, to.up, spare);
        } else if (!(code = advance(run, x, x, sigma, t, to.middle - sigma, y, spare))) {
            t = (double)run->tools->timestep_of_sigma_float(table, train, to.middle);
            code = advance(run, x, y, to.middle, t, to.down - sigma, x, spare);
            if (!code)
                code = add_noise(run, to.up, spare);
        }
        if (code || (code = run->step_done(run, i, x)))
            return code;
    }
    return 0;
}

static const struct clat_alias aliases[] = {{"DPM2 a", NULL}, {"KDPM2Ancestral", NULL}, {NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "dpm2_ancestral",
    .class_name = "KDPM2AncestralDiscreteScheduler",
    .title = "DPM2 with fresh noise at every step, two evaluations a step",
    .source = "Lu et al. 2022, arXiv 2206.00927; Song et al. 2021, arXiv 2011.13456",
    .version = "1",
    .aliases = aliases,
    .space = CLAT_SIGMA,
    .order = 1,
    .stochastic = 1,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
