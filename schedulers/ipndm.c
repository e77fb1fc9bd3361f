/* ipndm.c - improved pseudo linear multistep: PNDM's sums, without its warm-up.
 * SPDX-License-Identifier: MIT
 *
 * Zhang and Chen 2022, arXiv 2204.13902, section 4.2. In sigma space the probability flow is
 * dx/dsigma = d = (x - x0) / sigma; d is extrapolated from the last four evaluations:
 *
 *     x' = x + (sigma' - sigma) D,   D = d, (3 d - d1) / 2, (23 d - 16 d1 + 5 d2) / 12,
 *                                        (55 d - 59 d1 + 37 d2 - 9 d3) / 24
 *
 * as one evaluation after the other becomes known. diffusers' class of that name has the same sums,
 * but for networks of another kind: timesteps from 1 to 0 (an angle, in right angles), what they
 * predict is a velocity m, and
 *
 *     e = b x + a m,   x' = a' (x - b E) / a + b' E,   E the sum of e,
 *
 * with b = sin(pi/2 u)^2 the noise and a = sqrt(1 - b^2) the signal, u even. compat gives that. */
#include <clatent-scheduler.h>
#include <math.h>

#define PI 3.14159265358979323846

struct options {
    struct clat_levels levels;
    int prediction_type;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.0001", "0.02", "linear"),
    CLAT_CURVE_ROWS(options, levels),
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "linspace"),
    CLAT_PREDICTION_ROW(options, prediction_type), {NULL}};

/* ---- sums ----------------------------------------------------------------------------------- */

struct history {
    float *values[4]; /* newest first */
    int count;        /* of those known */
};

/* Makes place for the newest; the fifth is forgotten. */
static float *push(struct history *h)
{
    float *place = h->values[3];
    for (int i = 3; i > 0; i--)
        h->values[i] = h->values[i - 1];
    h->count += h->count < 4;
    return h->values[0] = place;
}

/* The extrapolation from as many as are known. */
static float sum(const struct history *h, size_t i)
{
    const float *const *d = (const float *const *)h->values;
    switch (h->count) {
    case 1:
        return d[0][i];
    case 2:
        return (3 * d[0][i] - d[1][i]) / 2;
    case 3:
        return (23 * d[0][i] - 16 * d[1][i] + 5 * d[2][i]) / 12;
    default:
        return (float)(1.0 / 24) * (55 * d[0][i] - 59 * d[1][i] + 37 * d[2][i] - 9 * d[3][i]);
    }
}

/* ---- sigma space ---------------------------------------------------------------------------- */

static int sigma_step(struct clat_run *run, int i, struct history *h, float *x0)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    float s = run->plan->sigmas[i], change = run->plan->sigmas[i + 1] - s, *d = push(h);
    int code = run->evaluate(run, run->sample, sqrtf(s * s + 1), run->plan->timesteps[i], x0);
    run->tools->predict_sigma(o->prediction_type, s, n, run->sample, x0, x0);
    for (size_t k = 0; k < n; k++)
        d[k] = (run->sample[k] - x0[k]) / s;
    for (size_t k = 0; k < n; k++)
        run->sample[k] += change * sum(h, k);
    return code;
}

/* ---- as diffusers' class -------------------------------------------------------------------- */

/* Entry i of count + 1 from 1 to 0, as torch rounds them. */
static float even(int count, int i)
{
    float step = 1.0f / (float)count;
    return i < (count + 1) / 2 ? fmaf(-step, (float)i, 1) : step * (float)(count - i);
}

static int plan_angles(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    const struct clat_reals *betas = &o->levels.schedule.trained_betas;
    int count = betas->count ? (int)betas->count - 1 : plan->steps;
    if (betas->count == 1 || count >= plan->capacity)
        return run->fail(run, "trained_betas must be one more than the steps");
    plan->count = plan->evaluations = count;
    for (int i = 0; i <= count; i++) {
        float root = sinf(even(count, i) * (float)PI / 2);
        float b = betas->count ? (float)betas->values[i] : root * root, a = sqrtf(1 - b * b);
        plan->sigmas[i] = b / fmaxf(a, 1e-8f);
        plan->noise[i] = b;
        plan->signal[i] = a;
        plan->timesteps[i] = (double)(atan2f(b, a) / (float)PI * 2);
    }
    return 0;
}

static int angle_step(struct clat_run *run, int i, struct history *h, float *m)
{
    const struct clat_plan *plan = run->plan;
    size_t n = run->images * run->elements;
    float a = plan->signal[i], b = plan->noise[i], *x = run->sample, *e = push(h);
    float next_a = plan->signal[i + 1], next_b = plan->noise[i + 1];
    int code = run->evaluate(run, x, 1, plan->timesteps[i], m);
    for (size_t k = 0; k < n; k++)
        e[k] = x[k] * b + m[k] * a;
    for (size_t k = 0; k < n; k++) {
        float mean = sum(h, k), x0 = (x[k] - b * mean) / fmaxf(a, 1e-8f);
        x[k] = next_a * x0 + mean * next_b;
    }
    return code;
}

/* ---- both ----------------------------------------------------------------------------------- */

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    return run->compat ? plan_angles(run, plan) : run->tools->plan_sigmas(run, &o->levels, plan);
}

static int sample(struct clat_run *run)
{
    size_t n = run->images * run->elements;
    struct history history = {.count = 0};
    float *output = run->scratch(run, n);
    for (int i = 0; i < 4; i++)
        if (!(history.values[i] = run->scratch(run, n)))
            return run->fail(run, "no memory");
    if (!output)
        return run->fail(run, "no memory");
    for (int i = run->plan->first, code; i < run->plan->count; i++)
        if ((code = (run->compat ? angle_step : sigma_step)(run, i, &history, output)) ||
            (code = run->step_done(run, i, run->sample)))
            return code;
    return 0;
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "ipndm",
    .class_name = "IPNDMScheduler",
    .title = "iPNDM: linear multistep of up to four evaluations",
    .source = "Zhang and Chen 2022, arXiv 2204.13902, section 4.2",
    .version = "1",
    .space = CLAT_SIGMA,
    .order = 2,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
