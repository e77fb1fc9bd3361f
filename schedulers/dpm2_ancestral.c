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

/* Where a step goes: down and, with noise, up again; half way is `middle`. */
struct stops {
    float middle, down, up;
};

static struct stops stops_of(float sigma, float next)
{
    float s2 = sigma * sigma, n2 = next * next;
    float up = sqrtf(n2 * (s2 - n2) / s2), down = sqrtf(fmaxf(n2 - up * up, 0));
    float a = (float)log((double)sigma), b = (float)log((double)down);
    return (struct stops){(float)exp((double)(b - (b - a) * 0.5f)), down, up};
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
