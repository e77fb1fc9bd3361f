/* tcd.c - trajectory consistency distillation, few steps. SPDX-License-Identifier: MIT
 *
 * Zheng et al. 2024, arXiv 2402.19159, section 4.2 (strategic stochastic sampling), with eta the
 * paper's gamma. The network, distilled for it, jumps from timestep t to s = (1 - eta) next, then
 * noise is added back up to the next level; S and p are the cumulative alphas of s and next:
 *
 *     x_s = sqrt(S) x0 + sqrt(1 - S) e
 *     x'  = sqrt(p / S) x_s + sqrt(1 - p / S) z,   the last step: x_s
 *
 * The timesteps are taken from the original_inference_steps ones that the distillation knew; a
 * strength below 1 takes them from the lower part of those. Arithmetic is float32 in the order of
 * diffusers' TCDScheduler, whose options these are. */
#include <clatent-scheduler.h>
#include <math.h>

struct options {
    struct clat_levels levels;
    int original_inference_steps, prediction_type;
    double eta;
    struct clat_bounds bounds; /* of the class, without effect, like spacing, offset and these: */
    double timestep_scaling;
    int set_alpha_to_one;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.00085", "0.012", "scaled_linear"),
    CLAT_ZERO_SNR_ROW(options, levels.schedule), CLAT_TIMESTEPS_ROW(options, levels.timesteps),
    CLAT_PREDICTION_ROW(options, prediction_type),
    {"eta", CLAT_REAL, offsetof(struct options, eta), "0.3", 0, 1, NULL,
        "fresh noise per step: 0 none, 1 all (gamma in the paper)"},
    {"original_inference_steps", CLAT_INT, offsetof(struct options, original_inference_steps), "50",
        1, 100000, NULL, "timesteps of the distillation, from which ours are taken"},
    CLAT_CLIP_ROWS(options, bounds, "false"), CLAT_THRESHOLD_ROWS(options, bounds),
    {"timestep_scaling", CLAT_REAL, offsetof(struct options, timestep_scaling), "10", 0, 1e6, NULL,
        "known to the class, without effect"},
    {"set_alpha_to_one", CLAT_BOOL, offsetof(struct options, set_alpha_to_one), "true", 0, 0, NULL,
        "known to the class, without effect"},
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "leading"), {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    return run->tools->plan_distilled(
        run, &o->levels, o->prediction_type, o->original_inference_steps, plan);
}

/* x_s at cumulative alpha s, from x0 and epsilon, into the sample. */
static void jump(struct clat_run *run, float s, const float *x0, const float *e)
{
    float signal = sqrtf(s), noise = sqrtf(1 - s);
    for (size_t i = 0; i < run->images * run->elements; i++)
        run->sample[i] = signal * x0[i] + noise * e[i];
}

/* Noise from cumulative alpha s up to p. */
static int add_noise(struct clat_run *run, float p, float s, float *z)
{
    float signal = sqrtf(p / s), noise = sqrtf(1 - p / s);
    int code = run->noise(run, z);
    for (size_t i = 0; !code && i < run->images * run->elements; i++)
        run->sample[i] = signal * run->sample[i] + noise * z[i];
    return code;
}

/* diffusers counts the steps of a list cut by strength wrongly, so that noise is left at the end.
 */
static int is_last(const struct clat_run *run, int step)
{
    int kept = run->compat && run->plan->first > 0;
    return !kept && step + 1 == run->plan->count;
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
        int next = i + 1 < plan->count ? (int)plan->timesteps[i + 1] : 0;
        int s = (int)floorf((float)(1 - o->eta) * (float)next);
        if ((code = run->evaluate(run, run->sample, 1, t, output)))
            return code;
        run->tools->predict(o->prediction_type, alphas[t], n, run->sample, output, x0, e);
        jump(run, alphas[s], x0, e);
        if (o->eta > 0 && !is_last(run, i) &&
            (code = add_noise(run, alphas[next], alphas[s], output)))
            return code;
        if ((code = run->step_done(run, i, run->sample)))
            return code;
    }
    return 0;
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "tcd",
    .class_name = "TCDScheduler",
    .title = "TCD: 2 to 8 steps with a network distilled for it",
    .source = "Zheng et al. 2024, arXiv 2402.19159, section 4.2",
    .version = "1",
    .space = CLAT_VARIANCE_PRESERVING,
    .order = 1,
    .stochastic = 1,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
