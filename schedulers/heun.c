/* heun.c - Heun's method along the noise level. SPDX-License-Identifier: MIT
 *
 * Karras et al. 2022, arXiv 2206.00364, algorithm 1: an Euler step, then again with the mean of the
 * slopes at its two ends. Two evaluations a step; the last step, to sigma 0, is Euler's alone.
 *
 *     d   = (x - x0(x; sigma)) / sigma          y = x + d (sigma' - sigma)
 *     d'  = (y - x0(y; sigma')) / sigma'        x' = x + (d + d') / 2 (sigma' - sigma)
 *
 * Arithmetic, options and defaults are those of diffusers' HeunDiscreteScheduler. */
#include <clatent-scheduler.h>
#include <math.h>
#include <string.h>

struct options {
    struct clat_levels levels;
    struct clat_bounds bounds;
    int prediction_type;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.00085", "0.012", "linear"),
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "linspace"),
    CLAT_PREDICTION_ROW(options, prediction_type), CLAT_CURVE_ROWS(options, levels),
    CLAT_CLIP_ROWS(options, bounds, "false"),
    {"timesteps", CLAT_REALS, offsetof(struct options, levels.timesteps), "null", 0, 1e5, NULL,
        "all timesteps, instead of a spacing"},
    {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    int code = run->tools->plan_sigmas(run, &o->levels, plan);
    plan->evaluations = 2 * plan->count - 1;
    return code;
}

/* The slope (x - x0) / sigma at a sample, into `slope`. */
static int slope_at(struct clat_run *run, const float *x, float sigma, double t, float *slope)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    int code = run->evaluate(run, x, sqrtf(sigma * sigma + 1), t, slope);
    if (code)
        return code;
    run->tools->predict_sigma(o->prediction_type, sigma, n, x, slope, slope);
    run->tools->bound(run, &o->bounds, slope, NULL);
    for (size_t i = 0; i < n; i++)
        slope[i] = (x[i] - slope[i]) / sigma;
    return 0;
}

static int sample(struct clat_run *run)
{
    const struct clat_plan *plan = run->plan;
    size_t n = run->images * run->elements;
    float *x = run->sample, *y = run->scratch(run, n);
    float *first = run->scratch(run, n), *second = run->scratch(run, n);
    if (!y || !first || !second)
        return run->fail(run, "no memory");

    for (int i = plan->first; i < plan->count; i++) {
        float sigma = plan->sigmas[i], next = plan->sigmas[i + 1], dt = next - sigma;
        int code = slope_at(run, x, sigma, plan->timesteps[i], first);
        for (size_t k = 0; k < n; k++)
            y[k] = x[k] + first[k] * dt;
        if (i == plan->count - 1) {
            memcpy(x, y, n * sizeof *x);
        } else {
            if (!code)
                code = slope_at(run, y, next, plan->timesteps[i + 1], second);
            for (size_t k = 0; k < n; k++)
                x[k] += (first[k] + second[k]) / 2 * dt;
        }
        if (code || (code = run->step_done(run, i, x)))
            return code;
    }
    return 0;
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "heun",
    .class_name = "HeunDiscreteScheduler",
    .title = "Heun: second order in sigma, two evaluations a step",
    .source = "Karras, Aittala, Aila, Laine 2022, arXiv 2206.00364, algorithm 1",
    .version = "1",
    .space = CLAT_SIGMA,
    .order = 2,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
