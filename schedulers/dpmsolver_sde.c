/* dpmsolver_sde.c - DPM-Solver++ for the stochastic equation, second order.
 * SPDX-License-Identifier: MIT
 *
 * Lu et al. 2022, arXiv 2211.01095, as k-diffusion's sample_dpmpp_sde: with time u = -log(sigma), a
 * step from sigma to `next` predicts x0 half way, at m = sqrt(sigma next), and uses that prediction
 * for the whole step. Both moves, to m and to `next`, are ancestral:
 *
 *     up^2 = to^2 (from^2 - to^2) / from^2                   down^2 = to^2 - up^2
 *     move = (down / from) x + (1 - down / from) x0 + up B(from, to)
 *
 * B is the increment of one Brownian path over sigma, scaled to variance 1. The two moves share the
 * path between sigma and m: with independent noise this would be another sampler. The last step, to
 * sigma 0, is Euler's.
 *
 * Arithmetic, options and defaults are those of diffusers' DPMSolverSDEScheduler, but for
 * noise_sampler_seed: the path belongs to the seed of the image. */
#include <clatent-scheduler.h>
#include <math.h>

struct options {
    struct clat_levels levels;
    int prediction_type;
    double s_noise;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.00085", "0.012", "linear"),
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "linspace"),
    CLAT_PREDICTION_ROW(options, prediction_type), CLAT_CURVE_ROWS(options, levels),
    {"s_noise", CLAT_REAL, offsetof(struct options, s_noise), "1", 0, 1e3, NULL,
        "factor on the noise"},
    {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    if (o->prediction_type == CLAT_SAMPLE)
        return run->fail(run, "prediction_type sample is not known to this solver: try euler");
    struct clat_levels levels = o->levels;
    levels.double_timesteps = 1;
    int code = run->tools->plan_sigmas(run, &levels, plan);
    plan->evaluations = 2 * plan->count - 1;
    return code;
}

/* Time and back: elementary functions in float32. */
static float time_of(float sigma)
{
    return -(float)log((double)sigma);
}

static float sigma_of(float time)
{
    return (float)exp(-(double)time);
}

/* y = the ancestral move of x from time u to time v with the prediction x0. `noise` is room. */
static int move(
    struct clat_run *run, float u, float v, const float *x, const float *x0, float *y, float *noise)
{
    const struct options *o = run->options;
    float from = sigma_of(u), to = sigma_of(v), f2 = from * from, t2 = to * to;
    float up = fminf(to, sqrtf(t2 * (f2 - t2) / f2)),
          down_time = time_of(sqrtf(fmaxf(t2 - up * up, 0)));
    float keep = sigma_of(down_time) / from, change = (float)expm1((double)(u - down_time));
    float s_noise = (float)o->s_noise;
    int code = from > to ? run->brownian(run, (double)from, (double)to, noise) : 0;
    for (size_t i = 0; !code && i < run->images * run->elements; i++)
        y[i] = keep * x[i] - change * x0[i] + noise[i] * s_noise * up;
    return code;
}

/* x0 from the network at x. */
static int denoise(struct clat_run *run, const float *x, float sigma, double t, float *x0)
{
    const struct options *o = run->options;
    int code = run->evaluate(run, x, sqrtf(sigma * sigma + 1), t, x0);
    if (!code)
        run->tools->predict_sigma(
            o->prediction_type, sigma, run->images * run->elements, x, x0, x0);
    return code;
}

/* One step from sigma to next, `half` [train] is the table of sigmas, y, x0 and noise are room. */
static int step(struct clat_run *run, int i, const float *table, float *y, float *x0, float *noise)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    float *x = run->sample, sigma = plan->sigmas[i], next = plan->sigmas[i + 1];
    int code = denoise(run, x, sigma, plan->timesteps[i], x0);
    if (next == 0) {
        for (size_t k = 0; !code && k < run->images * run->elements; k++)
            x[k] += (x[k] - x0[k]) / sigma * (next - sigma);
        return code;
    }
    float u = time_of(sigma), v = time_of(next), middle = u + (v - u) * 0.5f;
    int train = run->tools->train_timesteps(&o->levels.schedule);
    double t = run->tools->timestep_of_sigma(table, train, sqrt((double)sigma * (double)next));
    if (!code)
        code = move(run, u, middle, x, x0, y, noise);
    if (!code)
        code = denoise(run, y, sigma_of(middle), t, x0);
    return code ? code : move(run, u, v, x, x0, x, noise);
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    int train = run->tools->train_timesteps(&o->levels.schedule), code = 0;
    size_t n = run->images * run->elements;
    float *table = run->scratch(run, (size_t)train), *y = run->scratch(run, n);
    float *x0 = run->scratch(run, n), *noise = run->scratch(run, n);
    if (!table || !y || !x0 || !noise)
        return run->fail(run, "no memory");
    run->tools->sigma_table(&o->levels.schedule, table);
    for (int i = run->plan->first; !code && i < run->plan->count; i++) {
        code = step(run, i, table, y, x0, noise);
        if (!code)
            code = run->step_done(run, i, run->sample);
    }
    return code;
}

static const struct clat_alias aliases[] = {{"DPM++ SDE", NULL}, {"DPM++ SDE GPU", NULL}, {NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "dpmsolver_sde",
    .class_name = "DPMSolverSDEScheduler",
    .title = "DPM++ SDE: stochastic, second order, two evaluations a step",
    .source = "Lu et al. 2022, arXiv 2211.01095; k-diffusion (Crowson 2022)",
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
