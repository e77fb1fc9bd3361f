/* dpm2.h - what DPM2 with and without fresh noise share: options, plan, one slope. Private to
 * schedulers/. SPDX-License-Identifier: MIT */
#ifndef CLATENT_SCHEDULERS_DPM2_H
#define CLATENT_SCHEDULERS_DPM2_H

#include <clatent-scheduler.h>
#include <math.h>

struct options {
    struct clat_levels levels;
    int prediction_type;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.00085", "0.012", "linear"),
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "linspace"),
    CLAT_PREDICTION_ROW(options, prediction_type), CLAT_CURVE_ROWS(options, levels), {NULL}};

/* Timesteps of curves stay double, those of Karras' are whole. */
static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    if (o->prediction_type == CLAT_SAMPLE)
        return run->fail(run, "prediction_type sample is not known to this solver: try euler");
    struct clat_levels levels = o->levels;
    levels.double_timesteps =
        levels.use_karras_sigmas || levels.use_exponential_sigmas || levels.use_beta_sigmas;
    int code = run->tools->plan_sigmas(run, &levels, plan);
    for (int i = 0; !code && levels.use_karras_sigmas && i < plan->count; i++)
        plan->timesteps[i] = rint(plan->timesteps[i]);
    plan->evaluations = 2 * plan->count - 1;
    return code;
}

/* Half way between two levels: exp of the mean of the logarithms, reckoned from `from`; 0 if `to`
 * is.
 */
static float middle(float from, float to)
{
    float a = (float)log((double)to), b = (float)log((double)from);
    return (float)exp((double)(b - (b - a) * 0.5f));
}

/* y = from + (x - x0(x; sigma)) / sigma dt; `y` may be either sample. */
static int advance(struct clat_run *run, const float *from, const float *x, float sigma, double t,
    float dt, float *y, float *slope)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    int code = run->evaluate(run, x, sqrtf(sigma * sigma + 1), t, slope);
    if (code)
        return code;
    run->tools->predict_sigma(o->prediction_type, sigma, n, x, slope, slope);
    for (size_t i = 0; i < n; i++)
        y[i] = from[i] + (x[i] - slope[i]) / sigma * dt;
    return 0;
}

#endif
