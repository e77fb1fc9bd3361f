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
    struct clat_schedule schedule;
    int prediction_type;
};

/* Rows that many schedulers share are in the header; one of your own looks like
 *     {"eta", CLAT_REAL, offsetof(struct options, eta), "0", 0, 1, NULL, "one line of help"}, */
static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, schedule, "0.00085", "0.012", "scaled_linear"),
    CLAT_PREDICTION_ROW(options, prediction_type), {NULL}};

/* Says which timesteps will be visited, largest first, so that the host can show and count them. */
static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    int train = run->tools->train_timesteps(&o->schedule);
    float *alphas = run->scratch(run, (size_t)train);
    if (!alphas)
        return run->fail(run, "no memory");
    if (plan->steps > train)
        return run->fail(run, "num_inference_steps is larger than num_train_timesteps");
    run->tools->timesteps(CLAT_TRAILING, train, plan->steps, 0, plan->timesteps);
    plan->count = plan->steps;
    plan->evaluations =
        plan->steps; /* calls of evaluate(): a second-order method has twice as many */
    /* how much image and noise there is at the start of each step */
    run->tools->alphas_cumprod(&o->schedule, alphas);
    run->tools->level_of_alphas(plan, alphas);
    return 0;
}

/* The loop. Several images may lie in run->sample one after the other; element by element
 * arithmetic need not know. */
static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    float *alphas = run->scratch(run, (size_t)run->tools->train_timesteps(&o->schedule));
    float *output = run->scratch(run, n), *x0 = run->scratch(run, n), *e = run->scratch(run, n);
    if (!alphas || !output || !x0 || !e)
        return run->fail(run, "no memory");
    run->tools->alphas_cumprod(&o->schedule, alphas);

    for (int i = run->plan->first; i < run->plan->count; i++) {
        int t = (int)run->plan->timesteps[i];
        int next = i + 1 < run->plan->count ? (int)run->plan->timesteps[i + 1] : -1;
        float alpha = next >= 0 ? alphas[next] : 1; /* the last step ends without noise */

        int code = run->evaluate(run, run->sample, 1, t, output);
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
    .order = 1, /* of convergence: clatent-plugin-check measures it */
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
