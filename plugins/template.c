/* template.c - the smallest scheduler that makes pictures: copy it, rename it, change it.
 * SPDX-License-Identifier: MIT
 *
 * It is DDIM at eta 0 in its plainest form (Song et al. 2020, arXiv 2010.02502, equation 12): read
 * the clean picture x0 and the noise e out of what the network says, then put them together again
 * at the next, less noisy level. plugins/README tells how to build and use it. */
#include <clatent-scheduler.h>
#include <math.h>

/* What users can set. The host fills this struct by the table below; add a field and a row. */
struct options {
    struct clat_schedule schedule; /* the noise the model was trained with: from its own config */
    int prediction_type;
};

static const char *const beta_schedules[] = CLAT_BETA_SCHEDULE_CHOICES;
static const char *const predictions[] = CLAT_PREDICTION_CHOICES;

/* name, type, field, default, lowest, highest, choices, help */
static const struct clat_option options[] = {
    {"num_train_timesteps", CLAT_INT, offsetof(struct options, schedule.num_train_timesteps),
        "1000", 1, 100000, NULL, "timesteps the model was trained with"},
    {"beta_start", CLAT_REAL, offsetof(struct options, schedule.beta_start), "0.00085", 0, 1, NULL,
        "first beta"},
    {"beta_end", CLAT_REAL, offsetof(struct options, schedule.beta_end), "0.012", 0, 1, NULL,
        "last beta"},
    {"beta_schedule", CLAT_CHOICE, offsetof(struct options, schedule.beta_schedule),
        "scaled_linear", 0, 0, beta_schedules, "curve of the betas"},
    {"prediction_type", CLAT_CHOICE, offsetof(struct options, prediction_type), "epsilon", 0, 0,
        predictions, "what the network predicts"},
    {NULL}};

/* Says which timesteps will be visited, largest first, so that the host can show and count them. */
static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    if (plan->steps > o->schedule.num_train_timesteps)
        return run->fail(run, "num_inference_steps is larger than num_train_timesteps");
    run->tools->timesteps(
        CLAT_TRAILING, o->schedule.num_train_timesteps, plan->steps, 0, plan->timesteps);
    plan->count = plan->steps;
    plan->evaluations =
        plan->steps; /* calls of evaluate(): a second-order method has twice as many */
    return 0;
}

/* The loop. Several images may lie in run->sample one after the other; element by element
 * arithmetic need not know. */
static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    float *alphas = run->scratch(run, (size_t)o->schedule.num_train_timesteps);
    float *output = run->scratch(run, n), *x0 = run->scratch(run, n), *e = run->scratch(run, n);
    if (!alphas || !output || !x0 || !e)
        return run->fail(run, "no memory");
    run->tools->alphas_cumprod(&o->schedule, alphas);

    for (int i = run->first; i < run->plan->count; i++) {
        int t = (int)run->plan->timesteps[i];
        int next = i + 1 < run->plan->count ? (int)run->plan->timesteps[i + 1] : -1;
        float alpha = next >= 0 ? alphas[next] : 1; /* the last step ends without noise */

        int code = run->evaluate(run, run->sample, t, output);
        if (code)
            return code; /* cancelled, or the device failed: always hand it back at once */
        run->tools->predict(o->prediction_type, alphas[t], n, run->sample, output, x0, e);
        for (size_t k = 0; k < n; k++)
            run->sample[k] = sqrtf(alpha) * x0[k] + sqrtf(1 - alpha) * e[k];
        code = run->step_done(run, i, run->sample);
        if (code)
            return code;
    }
    return 0;
}

/* The one symbol a plugin exports. `name` must be the name of the file without .so. */
CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "template",
    .class_name = NULL, /* diffusers' class, if there is one */
    .title = "the plugin to start from: DDIM at its plainest",
    .source = "Song, Meng, Ermon 2020, arXiv 2010.02502, equation 12",
    .version = "1",
    .space = CLAT_VARIANCE_PRESERVING,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
