/* lcm.c - latent consistency models, few steps. SPDX-License-Identifier: MIT
 *
 * Luo et al. 2023, arXiv 2310.04378, algorithm 3 and section 4.3. The network, distilled for it,
 * goes straight to x0; then noise is added again, down to the next level's cumulative alpha p:
 *
 *     f  = c_out x0 + c_skip x,   c_skip = 1/4 / (s^2 + 1/4),  c_out = s / sqrt(s^2 + 1/4)
 *     x' = sqrt(p) f + sqrt(1 - p) z,   the last step: f
 *
 * with s = timestep_scaling t. The timesteps are taken from the original_inference_steps ones that
 * the distillation knew; a strength below 1 takes them from the lower part of those. Arithmetic is
 * float32 in the order of diffusers' LCMScheduler, whose options these are. */
#include <clatent-scheduler.h>
#include <math.h>
#include <string.h>

struct options {
    struct clat_levels levels;
    struct clat_bounds bounds;
    int original_inference_steps, prediction_type;
    double timestep_scaling;
    int set_alpha_to_one; /* of the class, without effect, like spacing and offset */
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.00085", "0.012", "scaled_linear"),
    CLAT_ZERO_SNR_ROW(options, levels.schedule), CLAT_CLIP_ROWS(options, bounds, "false"),
    CLAT_THRESHOLD_ROWS(options, bounds), CLAT_TIMESTEPS_ROW(options, levels.timesteps),
    CLAT_PREDICTION_ROW(options, prediction_type),
    {"original_inference_steps", CLAT_INT, offsetof(struct options, original_inference_steps), "50",
        1, 100000, NULL, "timesteps of the distillation, from which ours are taken"},
    {"timestep_scaling", CLAT_REAL, offsetof(struct options, timestep_scaling), "10", 0, 1e6, NULL,
        "how fast c_skip falls with the timestep"},
    {"set_alpha_to_one", CLAT_BOOL, offsetof(struct options, set_alpha_to_one), "true", 0, 0, NULL,
        "known to the class, without effect"},
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "leading"), {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    return run->tools->plan_distilled(
        run, &o->levels, o->prediction_type, o->original_inference_steps, plan);
}

/* The consistency function f, in place of x0. */
static void denoise(struct clat_run *run, int t, float *x0)
{
    const struct options *o = run->options;
    float s = (float)t * (float)o->timestep_scaling, norm = s * s + 0.25f;
    float skip = 1 / norm * 0.25f, out = s / sqrtf(norm);
    for (size_t i = 0; i < run->images * run->elements; i++)
        x0[i] = out * x0[i] + skip * run->sample[i];
}

/* The sample from f: with noise, down to cumulative alpha p. */
static int add_noise(struct clat_run *run, float p, const float *f, float *z)
{
    float signal = sqrtf(p), noise = sqrtf(1 - p);
    int code = run->noise(run, z);
    for (size_t i = 0; !code && i < run->images * run->elements; i++)
        run->sample[i] = signal * f[i] + noise * z[i];
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
        int next = i + 1 < plan->count ? (int)plan->timesteps[i + 1] : t;
        if ((code = run->evaluate(run, run->sample, 1, t, output)))
            return code;
        run->tools->predict(o->prediction_type, alphas[t], n, run->sample, output, x0, e);
        run->tools->bound(run, &o->bounds, x0, output);
        denoise(run, t, x0);
        if (!is_last(run, i)) {
            if ((code = add_noise(run, alphas[next], x0, output)))
                return code;
        } else
            memcpy(run->sample, x0, n * sizeof *x0);
        if ((code = run->step_done(run, i, run->sample)))
            return code;
    }
    return 0;
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "lcm",
    .class_name = "LCMScheduler",
    .title = "LCM: 2 to 8 steps with a network distilled for it",
    .source = "Luo et al. 2023, arXiv 2310.04378, algorithm 3",
    .version = "1",
    .space = CLAT_VARIANCE_PRESERVING,
    .order = 1,
    .stochastic = 1,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
