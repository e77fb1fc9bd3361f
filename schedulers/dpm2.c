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

/* exp of the mean of the logarithms; 0 if `next` is. */
static float middle(float sigma, float next)
{
    float a = (float)log((double)next), b = (float)log((double)sigma);
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
