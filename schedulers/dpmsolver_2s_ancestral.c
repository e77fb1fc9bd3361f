/* dpmsolver_2s_ancestral.c - DPM-Solver++(2S) with the noise of ancestral sampling.
 * SPDX-License-Identifier: MIT
 *
 * Lu et al. 2022, arXiv 2211.01095, algorithm 1, aimed below its target and brought up again with
 * fresh noise (Song et al. 2021, arXiv 2011.13456, equation 36), as k-diffusion's
 * sample_dpmpp_2s_ancestral. With time u = -log(sigma), a step goes from u to v over h = v - u:
 *
 *     up   = min(sigma', eta sqrt(sigma'^2 (sigma^2 - sigma'^2) / sigma^2))
 *     down = sqrt(sigma'^2 - up^2),  v = -log(down)
 *     y    = exp(-h / 2) x - expm1(-h / 2) x0(x; u)
 *     x'   = exp(-h) x - expm1(-h) x0(y; u + h / 2) + s_noise up z
 *
 * Two evaluations a step; what goes down to 0 is a step of Euler's. */
#include <clatent-scheduler.h>
#include <math.h>

struct options {
    struct clat_levels levels;
    int prediction_type;
    double eta, s_noise;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.00085", "0.012", "linear"),
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "linspace"),
    CLAT_PREDICTION_ROW(options, prediction_type), CLAT_CURVE_ROWS(options, levels),
    {"eta", CLAT_REAL, offsetof(struct options, eta), "1", 0, 1, NULL,
        "share of the noise that is fresh: 0 none, 1 all of it"},
    {"s_noise", CLAT_REAL, offsetof(struct options, s_noise), "1", 0, 1e3, NULL,
        "factor on the noise"},
    {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    int code = run->tools->plan_sigmas(run, &o->levels, plan);
    plan->evaluations = 2 * plan->count - 1;
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

/* y = exp(-h) x - expm1(-h) x0, from sigma to `to`. */
static void move(
    size_t n, float sigma, float to, float h, const float *x, const float *x0, float *y)
{
    float keep = to / sigma, change = (float)expm1(-(double)h);
    for (size_t i = 0; i < n; i++)
        y[i] = keep * x[i] - change * x0[i];
}

static float time_of(float sigma)
{
    return -(float)log((double)sigma);
}

static float sigma_of(float time)
{
    return (float)exp(-(double)time);
}

/* One step from sigma to `next`; table [train] are all sigmas, y and x0 are room. */
static int step(struct clat_run *run, int i, const float *table, int train, float *y, float *x0)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    size_t n = run->images * run->elements;
    float *x = run->sample, sigma = plan->sigmas[i], next = plan->sigmas[i + 1];
    float s2 = sigma * sigma, n2 = next * next;
    float up = fminf(next, (float)o->eta * sqrtf(n2 * (s2 - n2) / s2)), down = sqrtf(n2 - up * up);
    int code = denoise(run, x, sigma, plan->timesteps[i], x0);
    if (down == 0) {
        for (size_t k = 0; !code && k < n; k++)
            x[k] += (x[k] - x0[k]) / sigma * (down - sigma);
        return code;
    }
    float u = time_of(sigma), h = time_of(down) - u, middle = sigma_of(u + h * 0.5f);
    double t = run->tools->timestep_of_sigma(table, train, (double)middle);
    move(n, sigma_of(u), middle, h * 0.5f, x, x0, y);
    if (code || (code = denoise(run, y, middle, t, x0)))
        return code;
    move(n, sigma_of(u), sigma_of(u + h), h, x, x0, x);
    if (up == 0)
        return 0;
    code = run->noise(run, y);
    for (size_t k = 0; !code && k < n; k++)
        x[k] += y[k] * (float)o->s_noise * up;
    return code;
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    int train = run->tools->train_timesteps(&o->levels.schedule), code = 0;
    size_t n = run->images * run->elements;
    float *table = run->scratch(run, (size_t)train);
    float *y = run->scratch(run, n), *x0 = run->scratch(run, n);
    if (!table || !y || !x0)
        return run->fail(run, "no memory");
    run->tools->sigma_table(&o->levels.schedule, table);
    for (int i = run->plan->first; !code && i < run->plan->count; i++) {
        code = step(run, i, table, train, y, x0);
        if (!code)
            code = run->step_done(run, i, run->sample);
    }
    return code;
}

static const struct clat_alias aliases[] = {
    {"DPM++ 2S a", NULL}, {"dpmpp_2s_ancestral", NULL}, {NULL, NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "dpmsolver_2s_ancestral",
    .title = "DPM++ 2S a: second order with fresh noise, two evaluations a step",
    .source = "Lu et al. 2022, arXiv 2211.01095; Song et al. 2021, arXiv 2011.13456",
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
