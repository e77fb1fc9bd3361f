/* ddpm.c - denoising diffusion probabilistic models. SPDX-License-Identifier: MIT
 *
 * Ho, Jain, Abbeel 2020, arXiv 2006.11239, equations 6 and 7: the posterior q(x' | x, x0) of the
 * step from cumulative alpha a to the next level's p, with alpha = a / p and beta = 1 - alpha, is
 * normal with
 *
 *     mean     sqrt(p) beta / (1 - a) x0 + sqrt(alpha) (1 - p) / (1 - a) x
 *     variance (1 - p) / (1 - a) beta      (fixed_small), or beta (fixed_large)
 *
 * All arithmetic is float32 in the order of diffusers' DDPMScheduler, whose options these are. */
#include <clatent-scheduler.h>
#include <math.h>

enum variance { FIXED_SMALL, FIXED_SMALL_LOG, FIXED_LARGE, FIXED_LARGE_LOG, LEARNED };

struct options {
    struct clat_levels levels;
    struct clat_bounds bounds;
    int variance_type, prediction_type;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.0001", "0.02", "linear"),
    CLAT_ZERO_SNR_ROW(options, levels.schedule), CLAT_CLIP_ROWS(options, bounds, "true"),
    CLAT_THRESHOLD_ROWS(options, bounds),
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "leading"),
    CLAT_TIMESTEPS_ROW(options, levels.timesteps), CLAT_PREDICTION_ROW(options, prediction_type),
    {"variance_type", CLAT_CHOICE, offsetof(struct options, variance_type), "fixed_small", 0, 0,
        CLAT_CHOICES("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", "learned",
            "learned_range"),
        "how much noise a step adds"},
    {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    if (o->variance_type >= LEARNED)
        return run->fail(run, "a learned variance_type is for networks that predict the variance "
                              "too: no latent diffusion model does, try fixed_small");
    return run->tools->plan_alphas(run, &o->levels, o->prediction_type, plan);
}

/* Standard deviation of the noise of a step. The logarithms are those of the reference; its
 * fixed_large_log, the root of a negative number there, is what the paper's code computes. */
static float deviation(int type, float a, float p)
{
    float beta = 1 - a / p, small = (1 - p) / (1 - a) * beta;
    if (small < 1e-20f)
        small = 1e-20f;
    if (type == FIXED_SMALL_LOG)
        return expf(0.5f * logf(small));
    if (type == FIXED_LARGE_LOG)
        return expf(0.5f * logf(beta));
    return sqrtf(type == FIXED_LARGE ? beta : small);
}

/* x' from x0: from cumulative alpha a to p; z is for the noise, if any is wanted. */
static int step(struct clat_run *run, float a, float p, int noisy, const float *x0, float *z)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    float alpha = a / p, beta = 1 - alpha;
    float of_x0 = sqrtf(p) * beta / (1 - a), of_x = sqrtf(alpha) * (1 - p) / (1 - a);
    for (size_t i = 0; i < n; i++)
        run->sample[i] = of_x0 * x0[i] + of_x * run->sample[i];
    if (!noisy)
        return 0;
    int code = run->noise(run, z);
    float s = deviation(o->variance_type, a, p);
    for (size_t i = 0; !code && i < n; i++)
        run->sample[i] += s * z[i];
    return code;
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    size_t n = run->images * run->elements;
    float *alphas = run->scratch(run, (size_t)run->tools->train_timesteps(&o->levels.schedule));
    float *output = run->scratch(run, n), *x0 = run->scratch(run, n), *e = run->scratch(run, n);
    if (!alphas || !output || !x0 || !e)
        return run->fail(run, "no memory");
    run->tools->alphas_cumprod(&o->levels.schedule, alphas);

    for (int i = plan->first; i < plan->count; i++) {
        int t = (int)plan->timesteps[i], code;
        float a = alphas[t], p = i + 1 < plan->count ? alphas[(int)plan->timesteps[i + 1]] : 1;
        if ((code = run->evaluate(run, run->sample, 1, t, output)))
            return code;
        run->tools->predict(o->prediction_type, a, n, run->sample, output, x0, e);
        run->tools->bound(run, &o->bounds, x0, output);
        if ((code = step(run, a, p, t > 0, x0, output)) ||
            (code = run->step_done(run, i, run->sample)))
            return code;
    }
    return 0;
}

/* what solvers call a variance that is not learned */
static const struct clat_foreign foreign[] = {
    {"variance_type", "null", "fixed_small"}, {NULL, NULL, NULL}};

static const struct clat_alias aliases[] = {{"DDPMParallel", NULL}, {NULL, NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "ddpm",
    .class_name = "DDPMScheduler",
    .title = "DDPM: ancestral sampling, first order",
    .source = "Ho, Jain, Abbeel 2020, arXiv 2006.11239, equations 6 and 7",
    .version = "1",
    .aliases = aliases,
    .foreign = foreign,
    .space = CLAT_VARIANCE_PRESERVING,
    .order = 1,
    .stochastic = 1,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
