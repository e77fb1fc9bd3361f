/* euler.c - Euler's method along the noise level, with optional churn. SPDX-License-Identifier: MIT
 *
 * Karras et al. 2022, arXiv 2206.00364, algorithm 2 without its second-order correction. A sample
 * is x = x0 + sigma e, and the network's denoised x0 gives the slope:
 *
 *     h   = sigma (1 + gamma)             churn: x += s_noise sqrt(h^2 - sigma^2) z
 *     d   = (x - x0(x; h)) / h
 *     x'  = x + d (sigma' - h)
 *
 * Arithmetic, options and defaults are those of diffusers' EulerDiscreteScheduler, which asks the
 * network before it adds the noise of the churn. */
#include <clatent-scheduler.h>
#include <math.h>

enum timestep_type { DISCRETE, CONTINUOUS };

struct options {
    struct clat_levels levels;
    int prediction_type, timestep_type;
    double s_churn, s_tmin, s_tmax, s_noise;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.0001", "0.02", "linear"),
    CLAT_ZERO_SNR_ROW(options, levels.schedule),
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "linspace"),
    CLAT_PREDICTION_ROW(options, prediction_type), CLAT_CURVE_ROWS(options, levels),
    {"sigma_min", CLAT_REAL, offsetof(struct options, levels.sigma_min), "null", 0, 1e6, NULL,
        "last sigma of a curve, instead of the model's"},
    {"sigma_max", CLAT_REAL, offsetof(struct options, levels.sigma_max), "null", 0, 1e6, NULL,
        "first sigma of a curve, instead of the model's"},
    {"interpolation_type", CLAT_CHOICE, offsetof(struct options, levels.log_linear), "linear", 0, 0,
        CLAT_CHOICES("linear", "log_linear"),
        "sigmas at the timesteps, or evenly spread in their logarithm"},
    {"timestep_type", CLAT_CHOICE, offsetof(struct options, timestep_type), "discrete", 0, 0,
        CLAT_CHOICES("discrete", "continuous"),
        "continuous: models of v_prediction see 0.25 log(sigma)"},
    {"final_sigmas_type", CLAT_CHOICE, offsetof(struct options, levels.final_sigmas_type), "zero",
        0, 0, CLAT_CHOICES("zero", "sigma_min"), "where the last step ends"},
    {"timesteps", CLAT_REALS, offsetof(struct options, levels.timesteps), "null", 0, 1e5, NULL,
        "all timesteps, instead of a spacing"},
    {"sigmas", CLAT_REALS, offsetof(struct options, levels.sigmas), "null", 0, 1e6, NULL,
        "all sigmas and the final one, instead of a spacing"},
    {"s_churn", CLAT_REAL, offsetof(struct options, s_churn), "0", 0, 1e6, NULL,
        "fresh noise, spread over all steps"},
    {"s_tmin", CLAT_REAL, offsetof(struct options, s_tmin), "0", 0, 1e6, NULL,
        "lowest sigma that is churned"},
    {"s_tmax", CLAT_REAL, offsetof(struct options, s_tmax), "null", 0, 1e6, NULL,
        "highest sigma that is churned; null: no bound"},
    {"s_noise", CLAT_REAL, offsetof(struct options, s_noise), "1", 0, 1e3, NULL,
        "factor on the noise of the churn"},
    {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    int code = run->tools->plan_sigmas(run, &o->levels, plan);
    if (code || o->timestep_type == DISCRETE || o->prediction_type != CLAT_V_PREDICTION)
        return code;
    if (o->levels.timesteps.count)
        return run->fail(run, "continuous timesteps follow from sigmas: timesteps cannot be given");
    for (int i = 0; i < plan->count; i++)
        plan->timesteps[i] = (double)(0.25f * (float)log((double)plan->sigmas[i]));
    return 0;
}

/* The share of sigma that is added to it as fresh noise; a run of s_churn adds at most so much that
 * the variance doubles. */
static double churn(const struct clat_run *run, float sigma)
{
    const struct options *o = run->options;
    if (!(o->s_churn > 0) || sigma < (float)o->s_tmin || sigma > (float)o->s_tmax)
        return 0;
    int curve = o->levels.use_karras_sigmas || o->levels.use_exponential_sigmas ||
                o->levels.use_beta_sigmas || o->levels.sigmas.count;
    /* log-linear sigmas are one more than the steps take */
    int steps = run->plan->count + (o->levels.log_linear && !curve);
    return fmin(o->s_churn / steps, sqrt(2) - 1);
}

/* x += s_noise sqrt(hat^2 - sigma^2) z */
static int add_noise(struct clat_run *run, float sigma, float hat, float *z)
{
    const struct options *o = run->options;
    float scale = sqrtf(hat * hat - sigma * sigma), factor = (float)o->s_noise;
    int code = run->noise(run, z);
    for (size_t i = 0; !code && i < run->images * run->elements; i++)
        run->sample[i] += z[i] * factor * scale;
    return code;
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    size_t n = run->images * run->elements;
    float *x = run->sample, *x0 = run->scratch(run, n), *z = run->scratch(run, n);
    if (!x0 || !z)
        return run->fail(run, "no memory");

    for (int i = plan->first; i < plan->count; i++) {
        float sigma = plan->sigmas[i], divisor = sqrtf(sigma * sigma + 1);
        double gamma = churn(run, sigma);
        float hat = sigma * (float)(gamma + 1);
        int code = run->evaluate(run, x, divisor, plan->timesteps[i], x0);
        if (!code && gamma > 0)
            code = add_noise(run, sigma, hat, z);
        if (code)
            return code;
        run->tools->predict_sigma(
            o->prediction_type, o->prediction_type == CLAT_EPSILON ? hat : sigma, n, x, x0, x0);
        for (size_t k = 0; k < n; k++)
            x[k] += (x[k] - x0[k]) / hat * (plan->sigmas[i + 1] - hat);
        if ((code = run->step_done(run, i, x)))
            return code;
    }
    return 0;
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "euler",
    .class_name = "EulerDiscreteScheduler",
    .title = "Euler: first order in sigma, churn optional",
    .source = "Karras, Aittala, Aila, Laine 2022, arXiv 2206.00364, algorithm 2",
    .version = "1",
    .space = CLAT_SIGMA,
    .order = 1,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
