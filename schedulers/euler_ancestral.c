/* euler_ancestral.c - Euler with the noise of ancestral sampling. SPDX-License-Identifier: MIT
 *
 * Each step goes below its target and comes back up with fresh noise, as in Ho et al. 2020
 * (arXiv 2006.11239); the split is that of Song et al. 2021, arXiv 2011.13456, equation 36 with
 * sigma for the noise level:
 *
 *     up^2   = sigma'^2 (sigma^2 - sigma'^2) / sigma^2        down^2 = sigma'^2 - up^2
 *     x'     = x + (x - x0) / sigma (down - sigma) + up z
 *
 * Arithmetic, options and defaults are those of diffusers' EulerAncestralDiscreteScheduler, which
 * draws noise at the last step too, where up is 0, and has no curves of sigmas: they may be asked
 * for here. */
#include <clatent-scheduler.h>
#include <math.h>

struct options {
    struct clat_levels levels;
    int prediction_type;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.0001", "0.02", "linear"),
    CLAT_ZERO_SNR_ROW(options, levels.schedule),
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "linspace"),
    CLAT_CURVE_ROWS(options, levels), CLAT_PREDICTION_ROW(options, prediction_type), {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    if (o->prediction_type == CLAT_SAMPLE)
        return run->fail(run, "prediction_type sample is not known to this solver: try euler");
    return run->tools->plan_sigmas(run, &o->levels, plan);
}

/* From sigma to `next`, with x0 and fresh noise z. */
static void step(
    const struct clat_run *run, float sigma, float next, const float *x0, const float *z)
{
    float s2 = sigma * sigma, n2 = next * next;
    float up = sqrtf(n2 * (s2 - n2) / s2), down = sqrtf(fmaxf(n2 - up * up, 0));
    float *x = run->sample;
    for (size_t i = 0; i < run->images * run->elements; i++) {
        float slope = (x[i] - x0[i]) / sigma;
        x[i] = x[i] + slope * (down - sigma) + z[i] * up;
    }
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    size_t n = run->images * run->elements;
    float *x0 = run->scratch(run, n), *z = run->scratch(run, n);
    if (!x0 || !z)
        return run->fail(run, "no memory");

    for (int i = plan->first; i < plan->count; i++) {
        float sigma = plan->sigmas[i], divisor = sqrtf(sigma * sigma + 1);
        int code = run->evaluate(run, run->sample, divisor, plan->timesteps[i], x0);
        if (code || (code = run->noise(run, z)))
            return code;
        run->tools->predict_sigma(o->prediction_type, sigma, n, run->sample, x0, x0);
        step(run, sigma, plan->sigmas[i + 1], x0, z);
        if ((code = run->step_done(run, i, run->sample)))
            return code;
    }
    return 0;
}

static const struct clat_alias aliases[] = {{"Euler a", NULL}, {NULL}};

/* diffusers' class has no curves: those of a model made for another class are not for this one. */
static const struct clat_foreign foreign[] = {{"use_karras_sigmas", "true", "false"},
    {"use_exponential_sigmas", "true", "false"}, {"use_beta_sigmas", "true", "false"}, {NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "euler_ancestral",
    .class_name = "EulerAncestralDiscreteScheduler",
    .title = "Euler with fresh noise at every step",
    .source = "Song et al. 2021, arXiv 2011.13456, equation 36",
    .version = "1",
    .aliases = aliases,
    .foreign = foreign,
    .space = CLAT_SIGMA,
    .order = 1,
    .stochastic = 1,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
