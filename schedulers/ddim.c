/* ddim.c - denoising diffusion implicit models. SPDX-License-Identifier: MIT
 *
 * Song, Meng, Ermon 2020, arXiv 2010.02502, equation 12, with a the cumulative alpha at this
 * timestep and p the one at the previous (less noisy) level:
 *
 *     x0  = (x - sqrt(1 - a) e) / sqrt(a)
 *     s^2 = eta^2 (1 - p) / (1 - a) (1 - a / p)
 *     x'  = sqrt(p) x0 + sqrt(1 - p - s^2) e + s z
 *
 * All arithmetic is float32 in the order of diffusers' DDIMScheduler, so that trajectories are
 * equal to the last bit; options and defaults are its own too. */
#include <clatent-scheduler.h>
#include <math.h>

struct options {
    struct clat_levels levels;
    struct clat_bounds bounds;
    int set_alpha_to_one, prediction_type;
    int use_clipped_model_output;
    double eta;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.0001", "0.02", "linear"),
    CLAT_ZERO_SNR_ROW(options, levels.schedule), CLAT_CLIP_ROWS(options, bounds, "true"),
    CLAT_THRESHOLD_ROWS(options, bounds),
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "leading"),
    CLAT_PREDICTION_ROW(options, prediction_type),
    {"set_alpha_to_one", CLAT_BOOL, offsetof(struct options, set_alpha_to_one), "true", 0, 0, NULL,
        "the last step ends at alpha 1, else at that of timestep 0"},
    {"eta", CLAT_REAL, offsetof(struct options, eta), "0", 0, 1, NULL,
        "fresh noise per step: 0 none (DDIM), 1 as much as DDPM"},
    {"use_clipped_model_output", CLAT_BOOL, offsetof(struct options, use_clipped_model_output),
        "false", 0, 0, NULL, "recompute epsilon from the clipped x0"},
    {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    return run->tools->plan_alphas(run, &o->levels, o->prediction_type, plan);
}

/* Clips x0 as the options say; where asked for, epsilon follows. */
static void bound_x0(struct clat_run *run, float a, float *x0, float *e, float *scratch)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    run->tools->bound(run, &o->bounds, x0, scratch);
    if (!o->use_clipped_model_output)
        return;
    float root = sqrtf(a), noise_root = sqrtf(1 - a);
    for (size_t i = 0; i < n; i++)
        e[i] = (run->sample[i] - root * x0[i]) / noise_root;
}

/* x' from x0 and epsilon: from cumulative alpha a to p. */
static int step(struct clat_run *run, float a, float p, const float *x0, const float *e, float *z)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    float variance = (1 - p) / (1 - a) * (1 - a / p);
    float s = (float)o->eta * sqrtf(variance);
    float root = sqrtf(p), direction = sqrtf(1 - p - s * s);
    for (size_t i = 0; i < n; i++)
        run->sample[i] = root * x0[i] + direction * e[i];
    if (!(o->eta > 0))
        return 0;
    int code = run->noise(run, z);
    for (size_t i = 0; !code && i < n; i++)
        run->sample[i] += s * z[i];
    return code;
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    int train = run->tools->train_timesteps(&o->levels.schedule), stride = train / run->plan->steps;
    float *alphas = run->scratch(run, (size_t)train);
    float *output = run->scratch(run, n), *x0 = run->scratch(run, n), *e = run->scratch(run, n);
    if (!alphas || !output || !x0 || !e)
        return run->fail(run, "no memory");
    run->tools->alphas_cumprod(&o->levels.schedule, alphas);
    float final = o->set_alpha_to_one ? 1 : alphas[0];

    for (int i = run->plan->first; i < run->plan->count; i++) {
        int t = (int)run->plan->timesteps[i], before = t - stride, code;
        float a = alphas[t], p = before >= 0 ? alphas[before] : final;
        if ((code = run->evaluate(run, run->sample, 1, t, output)))
            return code;
        run->tools->predict(o->prediction_type, a, n, run->sample, output, x0, e);
        bound_x0(run, a, x0, e, output);
        if ((code = step(run, a, p, x0, e, output)) || (code = run->step_done(run, i, run->sample)))
            return code;
    }
    return 0;
}

static const struct clat_alias aliases[] = {{"DDIMParallel", NULL}, {NULL, NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "ddim",
    .class_name = "DDIMScheduler",
    .title = "DDIM: first order, deterministic at eta 0",
    .source = "Song, Meng, Ermon 2020, arXiv 2010.02502, equation 12",
    .version = "1",
    .aliases = aliases,
    .space = CLAT_VARIANCE_PRESERVING,
    .order = 1,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
