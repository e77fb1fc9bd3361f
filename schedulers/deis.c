/* deis.c - diffusion exponential integrator sampler, log-rho. SPDX-License-Identifier: MIT
 *
 * Zhang and Chen 2023, arXiv 2204.13902: in rho = sigma / alpha, x / alpha moves by
 * the integral of epsilon over rho. Epsilon is taken as a polynomial in log(rho) through the last
 * predictions, so that their weights are integrals of Lagrange polynomials, in closed form. */
#include "solver.h"

struct options {
    struct solver solver;
    int algorithm_type, solver_type;
};

static const struct clat_option options[] = {SOLVER_ROWS(options, solver),
    SHIFT_ROWS(options, solver), SOLVER_ORDER_ROW(options, solver, 3),
    LOWER_ORDER_ROW(options, solver, "true"),
    CLAT_SPACING_ROWS(
        options, solver.levels.timestep_spacing, solver.levels.steps_offset, "linspace"),
    {"algorithm_type", CLAT_CHOICE, offsetof(struct options, algorithm_type), "deis", 0, 0,
        CLAT_CHOICES("deis"), "the only one there is"},
    {"solver_type", CLAT_CHOICE, offsetof(struct options, solver_type), "logrho", 0, 0,
        CLAT_CHOICES("logrho"), "polynomials in log(rho), the only ones there are"},
    {NULL}};

/* A curve or a flow ends at its last level once more, the table at its lowest. */
static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    struct solver solver = o->solver;
    solver.levels.final_sigmas_type = CLAT_FINAL_SIGMA_MIN;
    int code = solver_plan(run, &solver, plan);
    if (!code && follows_curve(&solver.levels))
        plan->sigmas[plan->count] = plan->sigmas[plan->count - 1];
    return code;
}

/* ---- integrals ------------------------------------------------------------------------------ */

struct rho {
    float value, log;
};

/* Of (log r - log c) / (log b - log c) over r, up to t. */
static float integral_2(struct rho t, struct rho b, struct rho c)
{
    return t.value * (-c.log + t.log - 1) / (b.log - c.log);
}

/* Of (log r - log c) (log r - log d) / ((log b - log c) (log b - log d)). */
static float integral_3(struct rho t, struct rho b, struct rho c, struct rho d)
{
    float above = t.value * (c.log * (d.log - t.log + 1) - d.log * t.log + d.log + t.log * t.log -
                                2 * t.log + 2);
    return above / ((b.log - c.log) * (b.log - d.log));
}

/* The weights over a step from r[0] to t of the predictions at r[0] .. r[order - 1]. */
static void weigh(int order, struct rho t, const struct rho *r, float *w)
{
    for (int j = 0; j < order; j++) {
        struct rho b = r[j], c = r[(j + 1) % order], d = r[(j + 2) % order];
        w[j] = order == 2 ? integral_2(t, b, c) - integral_2(r[0], b, c)
                          : integral_3(t, b, c, d) - integral_3(r[0], b, c, d);
    }
}

/* ---- run ------------------------------------------------------------------------------------ */

/* Order 1 is DDIM: epsilon is constant over the step. */
static void step_1(struct clat_run *run, struct level t, struct level s, const float *m)
{
    float keep = t.alpha / s.alpha, change = t.sigma * (exp_once(t.lambda - s.lambda) - 1);
    for (size_t k = 0; k < run->images * run->elements; k++)
        run->sample[k] = keep * run->sample[k] - change * m[k];
}

static struct rho rho_of(const struct clat_run *run, struct level l)
{
    float value = l.sigma / l.alpha;
    return (struct rho){value, run->tools->numpy_log(value)};
}

static void step(struct clat_run *run, int i, int order, float *const *m)
{
    const struct solver *o = &((const struct options *)run->options)->solver;
    struct level t = level_at(run, o, i + 1), s = level_at(run, o, i);
    struct rho r[3];
    float w[3];
    if (order == 1) {
        step_1(run, t, s, m[0]);
        return;
    }
    for (int j = 0; j < order; j++)
        r[j] = rho_of(run, level_at(run, o, i - j));
    weigh(order, rho_of(run, t), r, w);
    for (size_t k = 0; k < run->images * run->elements; k++) {
        float sum = run->sample[k] / s.alpha;
        for (int j = 0; j < order; j++)
            sum += w[j] * m[j][k];
        run->sample[k] = t.alpha * sum;
    }
}

/* What the network said at step i, m, becomes epsilon, by way of x0 and its bounds. */
static void predict(struct clat_run *run, int i, float *m, float *scratch)
{
    const struct options *o = run->options;
    predict_x0(run, &o->solver, i, m, scratch);
    epsilon_of(
        CLAT_SAMPLE, level_at(run, &o->solver, i), run->images * run->elements, run->sample, m, m);
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    struct history history;
    float *scratch = run->scratch(run, run->elements);
    int code = history_open(run, o->solver.solver_order, &history);
    if (!code && !scratch)
        return run->fail(run, "no memory");

    for (int i = run->plan->first; !code && i < run->plan->count; i++) {
        float *m = history_push(&history);
        if ((code = run->evaluate(run, run->sample, 1, run->plan->timesteps[i], m)))
            return code;
        predict(run, i, m, scratch);
        step(run, i, order_of_step(run, &o->solver, i, 0), history.m);
        code = run->step_done(run, i, run->sample);
    }
    return code;
}

static const struct clat_foreign foreign[] = {{"algorithm_type", "dpmsolver", "deis"},
    {"algorithm_type", "dpmsolver++", "deis"}, {"algorithm_type", "sde-dpmsolver", "deis"},
    {"algorithm_type", "sde-dpmsolver++", "deis"}, {"algorithm_type", "data_prediction", "deis"},
    {"algorithm_type", "noise_prediction", "deis"}, {"solver_type", "midpoint", "logrho"},
    {"solver_type", "heun", "logrho"}, {"solver_type", "bh1", "logrho"},
    {"solver_type", "bh2", "logrho"}, {NULL, NULL, NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "deis",
    .class_name = "DEISMultistepScheduler",
    .title = "DEIS: exponential integrator with polynomials in log(rho)",
    .source = "Zhang, Chen 2023, arXiv 2204.13902",
    .version = "1",
    .foreign = foreign,
    .space = CLAT_VARIANCE_PRESERVING,
    .order = 2,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
