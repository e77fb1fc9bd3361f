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
    struct clat_schedule schedule;
    int clip_sample, set_alpha_to_one, steps_offset, prediction_type, thresholding;
    int timestep_spacing, use_clipped_model_output;
    double clip_sample_range, dynamic_thresholding_ratio, sample_max_value, eta;
};

#define FIELD(name) offsetof(struct options, name)

static const char *const beta_schedules[] = CLAT_BETA_SCHEDULE_CHOICES;
static const char *const spacings[] = CLAT_SPACING_CHOICES;
static const char *const predictions[] = CLAT_PREDICTION_CHOICES;

static const struct clat_option options[] = {
    {"num_train_timesteps", CLAT_INT, FIELD(schedule.num_train_timesteps), "1000", 1, 100000, NULL,
        "timesteps the model was trained with"},
    {"beta_start", CLAT_REAL, FIELD(schedule.beta_start), "0.0001", 0, 1, NULL, "first beta"},
    {"beta_end", CLAT_REAL, FIELD(schedule.beta_end), "0.02", 0, 1, NULL, "last beta"},
    {"beta_schedule", CLAT_CHOICE, FIELD(schedule.beta_schedule), "linear", 0, 0, beta_schedules,
        "curve of the betas"},
    {"trained_betas", CLAT_REALS, FIELD(schedule.trained_betas), "null", 0, 1, NULL,
        "all betas, instead of a curve"},
    {"clip_sample", CLAT_BOOL, FIELD(clip_sample), "true", 0, 0, NULL,
        "clamp the predicted x0 (wrong for latents)"},
    {"clip_sample_range", CLAT_REAL, FIELD(clip_sample_range), "1", 0, 1e6, NULL,
        "bound of clip_sample"},
    {"set_alpha_to_one", CLAT_BOOL, FIELD(set_alpha_to_one), "true", 0, 0, NULL,
        "the last step ends at alpha 1, else at that of timestep 0"},
    {"steps_offset", CLAT_INT, FIELD(steps_offset), "0", 0, 100000, NULL,
        "added to the timesteps of leading spacing"},
    {"prediction_type", CLAT_CHOICE, FIELD(prediction_type), "epsilon", 0, 0, predictions,
        "what the network predicts"},
    {"thresholding", CLAT_BOOL, FIELD(thresholding), "false", 0, 0, NULL,
        "dynamic thresholding of x0 (wrong for latents)"},
    {"dynamic_thresholding_ratio", CLAT_REAL, FIELD(dynamic_thresholding_ratio), "0.995", 0, 1,
        NULL, "quantile of thresholding"},
    {"sample_max_value", CLAT_REAL, FIELD(sample_max_value), "1", 1, 1e6, NULL,
        "upper bound of thresholding"},
    {"timestep_spacing", CLAT_CHOICE, FIELD(timestep_spacing), "leading", 0, 0, spacings,
        "how timesteps are spread"},
    {"rescale_betas_zero_snr", CLAT_BOOL, FIELD(schedule.rescale_betas_zero_snr), "false", 0, 0,
        NULL, "betas rescaled so that the last level is pure noise"},
    {"eta", CLAT_REAL, FIELD(eta), "0", 0, 1, NULL,
        "fresh noise per step: 0 none (DDIM), 1 as much as DDPM"},
    {"use_clipped_model_output", CLAT_BOOL, FIELD(use_clipped_model_output), "false", 0, 0, NULL,
        "recompute epsilon from the clipped x0"},
    {NULL}};

static int train_timesteps(const struct options *o)
{
    return o->schedule.trained_betas.count ? (int)o->schedule.trained_betas.count
                                           : o->schedule.num_train_timesteps;
}

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    int train = train_timesteps(o);
    if (plan->steps > train)
        return run->fail(run, "num_inference_steps is larger than num_train_timesteps");
    run->tools->timesteps(
        o->timestep_spacing, train, plan->steps, o->steps_offset, plan->timesteps);
    if (plan->timesteps[0] > train - 1)
        return run->fail(run,
            "steps_offset puts the first timestep past the last one the model was trained with");
    plan->count = plan->evaluations = plan->steps;
    return 0;
}

/* Clips x0 as the options say; where asked for, epsilon follows. */
static void bound_x0(struct clat_run *run, float a, float *x0, float *e, float *scratch)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    if (o->thresholding)
        for (size_t i = 0; i < run->images; i++)
            run->tools->threshold(o->dynamic_thresholding_ratio, o->sample_max_value, run->elements,
                x0 + i * run->elements, scratch);
    else if (o->clip_sample)
        run->tools->clip((float)o->clip_sample_range, n, x0);
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
    int train = train_timesteps(o), stride = train / run->plan->steps;
    float *alphas = run->scratch(run, (size_t)train);
    float *output = run->scratch(run, n), *x0 = run->scratch(run, n), *e = run->scratch(run, n);
    if (!alphas || !output || !x0 || !e)
        return run->fail(run, "no memory");
    run->tools->alphas_cumprod(&o->schedule, alphas);
    float final = o->set_alpha_to_one ? 1 : alphas[0];

    for (int i = run->first; i < run->plan->count; i++) {
        int t = (int)run->plan->timesteps[i], before = t - stride, code;
        float a = alphas[t], p = before >= 0 ? alphas[before] : final;
        if ((code = run->evaluate(run, run->sample, t, output)))
            return code;
        run->tools->predict(o->prediction_type, a, n, run->sample, output, x0, e);
        bound_x0(run, a, x0, e, output);
        if ((code = step(run, a, p, x0, e, output)) || (code = run->step_done(run, i, run->sample)))
            return code;
    }
    return 0;
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "ddim",
    .class_name = "DDIMScheduler",
    .title = "DDIM: first order, deterministic at eta 0",
    .source = "Song, Meng, Ermon 2020, arXiv 2010.02502, equation 12",
    .version = "1",
    .space = CLAT_VARIANCE_PRESERVING,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
