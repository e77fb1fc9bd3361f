/* gradient_estimation.c - a scheduler made outside of clatent's tree: build, check and install it
 * with the Makefile beside it. SPDX-License-Identifier: MIT
 *
 * Permenter and Yuan 2023, arXiv 2306.04848, section 5: Euler's method along sigma, with a slope
 * that carries on from the one before, since the network's direction changes slowly:
 *
 *     e_i = (x_i - x0(x_i)) / sigma_i
 *     x_(i+1) = x_i + (sigma_(i+1) - sigma_i) (gamma e_i + (1 - gamma) e_(i-1))
 */
#include <clatent-scheduler.h>
#include <math.h>

struct options {
    struct clat_levels levels;
    int prediction_type;
    double gamma;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.00085", "0.012", "scaled_linear"),
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "linspace"),
    CLAT_PREDICTION_ROW(options, prediction_type), CLAT_CURVE_ROWS(options, levels),
    {"gamma", CLAT_REAL, offsetof(struct options, gamma), "2", 1, 5, NULL,
        "weight of the new slope; 1 is Euler's method"},
    {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    return run->tools->plan_sigmas(run, &o->levels, plan);
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    size_t n = run->images * run->elements;
    float *x = run->sample, *x0 = run->scratch(run, n), *before = run->scratch(run, n);
    if (!x0 || !before)
        return run->fail(run, "no memory");
    for (int i = plan->first; i < plan->count; i++) {
        float sigma = plan->sigmas[i], step = plan->sigmas[i + 1] - sigma;
        float gamma = i > plan->first ? (float)o->gamma : 1;
        int code = run->evaluate(run, x, sqrtf(sigma * sigma + 1), plan->timesteps[i], x0);
        if (code)
            return code;
        run->tools->predict_sigma(o->prediction_type, sigma, n, x, x0, x0);
        for (size_t k = 0; k < n; k++) {
            float e = (x[k] - x0[k]) / sigma;
            x[k] += step * (gamma * e + (1 - gamma) * before[k]);
            before[k] = e;
        }
        if ((code = run->step_done(run, i, x)))
            return code;
    }
    return 0;
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "gradient_estimation",
    .title = "Euler whose slope carries on from the step before",
    .source = "Permenter, Yuan 2023, arXiv 2306.04848, section 5",
    .version = "1",
    .space = CLAT_SIGMA,
    .order = 1,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
