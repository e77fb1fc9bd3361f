/* edm_euler.c - Euler for models with the preconditioning of EDM. SPDX-License-Identifier: MIT
 *
 * Karras et al. 2022, arXiv 2206.00364, algorithm 2 and table 1: the network sees
 * x / sqrt(sigma^2 + d^2) at time log(sigma) / 4, with d the spread of the data, and
 *
 *     x0 = d^2 / (sigma^2 + d^2) x + sigma d / sqrt(sigma^2 + d^2) F
 *     x' = x + (x - x0) / sigma (sigma' - sigma)
 *
 * Churn is as in euler. Arithmetic, options and defaults are those of diffusers' EDMEulerScheduler,
 * but for the network's input: we divide where it multiplies by the reciprocal. */
#include <clatent-scheduler.h>
#include <math.h>

enum sigma_schedule { KARRAS, EXPONENTIAL };
enum prediction { EPSILON, V_PREDICTION };

struct options {
    double sigma_min, sigma_max, sigma_data, rho;
    int sigma_schedule, num_train_timesteps, prediction_type, final_sigmas_type;
    double s_churn, s_tmin, s_tmax, s_noise;
};

#define ROW(type, name, standard, low, high, help)                                                 \
    {                                                                                              \
#name, type, offsetof(struct options, name), standard, low, high, NULL, help               \
    }
#define CHOICE(name, standard, help, ...)                                                          \
    {                                                                                              \
#name, CLAT_CHOICE, offsetof(struct options, name), standard, 0, 0,                        \
            CLAT_CHOICES(__VA_ARGS__), help                                                        \
    }

static const struct clat_option options[] = {
    ROW(CLAT_REAL, sigma_min, "0.002", 1e-9, 1e6, "smallest sigma"),
    ROW(CLAT_REAL, sigma_max, "80", 1e-9, 1e6, "largest sigma"),
    ROW(CLAT_REAL, sigma_data, "0.5", 1e-9, 1e6, "spread of the data"),
    ROW(CLAT_REAL, rho, "7", 1, 1e3, "exponent of the Karras schedule"),
    ROW(CLAT_INT, num_train_timesteps, "1000", 1, 100000, "has no influence"),
    CHOICE(sigma_schedule, "karras", "how sigmas are spread", "karras", "exponential"),
    CHOICE(prediction_type, "epsilon", "sign of the network's share", "epsilon", "v_prediction"),
    CHOICE(final_sigmas_type, "zero", "where the last step ends", "zero", "sigma_min"),
    ROW(CLAT_REAL, s_churn, "0", 0, 1e6, "fresh noise, spread over all steps"),
    ROW(CLAT_REAL, s_tmin, "0", 0, 1e6, "lowest sigma that is churned"),
    ROW(CLAT_REAL, s_tmax, "null", 0, 1e6, "highest sigma that is churned; null: no bound"),
    ROW(CLAT_REAL, s_noise, "1", 0, 1e3, "factor on the noise of the churn"), {NULL}};

/* Entry i of torch.linspace(0, 1, count) in double: from the nearer end. */
static double ramp(int count, int i)
{
    double step = count > 1 ? 1.0 / (count - 1) : 0;
    return i < count / 2 || count == 1 ? step * i : 1 - step * (count - 1 - i);
}

/* The same between logarithms in float32, from the smallest sigma; fused, as torch does. */
static float log_ramp(const struct options *o, int count, int i)
{
    float low = (float)log(o->sigma_min), high = (float)log(o->sigma_max);
    float step = count > 1 ? (high - low) / (float)(count - 1) : 0;
    return i < count / 2 || count == 1 ? fmaf(step, (float)i, low)
                                       : fmaf(-step, (float)(count - 1 - i), high);
}

static float sigma_at(const struct options *o, int count, int i)
{
    double first = pow(o->sigma_max, 1 / o->rho), last = pow(o->sigma_min, 1 / o->rho);
    if (o->sigma_schedule == EXPONENTIAL)
        return (float)exp((double)log_ramp(o, count, count - 1 - i));
    return (float)pow(first + ramp(count, i) * (last - first), o->rho);
}

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    if (o->sigma_min >= o->sigma_max)
        return run->fail(run, "sigma_min must be below sigma_max");
    plan->count = plan->evaluations = plan->steps;
    plan->init_noise_sigma = (float)sqrt(o->sigma_max * o->sigma_max + 1);
    for (int i = 0; i < plan->count; i++) {
        float sigma = sigma_at(o, plan->count, i);
        if (!(sigma > 0))
            return run->fail(run, "sigma_min is lost beside sigma_max: try a larger rho");
        plan->sigmas[i] = plan->noise[i] = sigma;
        plan->signal[i] = 1;
        plan->timesteps[i] = (double)(0.25f * (float)log((double)sigma));
    }
    plan->sigmas[plan->count] =
        o->final_sigmas_type == CLAT_FINAL_ZERO ? 0 : plan->sigmas[plan->count - 1];
    return 0;
}

/* The share of sigma that is added to it as fresh noise. */
static double churn(const struct clat_run *run, float sigma)
{
    const struct options *o = run->options;
    if (!(o->s_churn > 0) || sigma < (float)o->s_tmin || sigma > (float)o->s_tmax)
        return 0;
    return fmin(o->s_churn / run->plan->count, sqrt(2) - 1);
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

/* x0 of the network's output F, in place of it. */
static void precondition(const struct clat_run *run, float sigma, float *x0)
{
    const struct options *o = run->options;
    float d = (float)o->sigma_data, d2 = (float)(o->sigma_data * o->sigma_data);
    float total = sigma * sigma + d2, skip = d2 / total;
    float sign = o->prediction_type == V_PREDICTION ? -1 : 1, out = sign * sigma * d / sqrtf(total);
    for (size_t i = 0; i < run->images * run->elements; i++)
        x0[i] = skip * run->sample[i] + out * x0[i];
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    float d2 = (float)(o->sigma_data * o->sigma_data);
    size_t n = run->images * run->elements;
    float *x = run->sample, *x0 = run->scratch(run, n), *z = run->scratch(run, n);
    if (!x0 || !z)
        return run->fail(run, "no memory");

    for (int i = plan->first; i < plan->count; i++) {
        float sigma = plan->sigmas[i], divisor = sqrtf(sigma * sigma + d2);
        double gamma = churn(run, sigma);
        float hat = sigma * (float)(gamma + 1);
        int code = run->evaluate(run, x, divisor, plan->timesteps[i], x0);
        if (!code && gamma > 0)
            code = add_noise(run, sigma, hat, z);
        if (code)
            return code;
        precondition(run, hat, x0);
        for (size_t k = 0; k < n; k++)
            x[k] += (x[k] - x0[k]) / hat * (plan->sigmas[i + 1] - hat);
        if ((code = run->step_done(run, i, x)))
            return code;
    }
    return 0;
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "edm_euler",
    .class_name = "EDMEulerScheduler",
    .title = "Euler for models with the preconditioning of EDM",
    .source = "Karras, Aittala, Aila, Laine 2022, arXiv 2206.00364, algorithm 2, table 1",
    .version = "1",
    .space = CLAT_SIGMA,
    .network = CLAT_EDM_NETWORK,
    .order = 1,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
