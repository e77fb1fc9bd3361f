/* dpmsolver_singlestep.c - DPM-Solver and DPM-Solver++, singlestep. SPDX-License-Identifier: MIT
 *
 * Lu et al. 2022, arXiv 2206.00927 (DPM-Solver-2 and -3) and 2211.01095 (algorithm 1, "2S"): steps
 * come in blocks of two or three, each with one evaluation. Every step of a block starts anew from
 * the block's first sample, of one order higher than the last, so that the block as a whole is one
 * step of that order and needs nothing from before. dpmsolver.h has the formulas. */
#include "dpmsolver.h"
#include <string.h>

struct options {
    struct solver solver;
    int algorithm_type, solver_type;
};

static const struct clat_option options[] = {SOLVER_ROWS(options, solver),
    SHIFT_ROWS(options, solver), SOLVER_ORDER_ROW(options, solver, 3),
    LOWER_ORDER_ROW(options, solver, "false"),
    FINAL_SIGMA_ROW(options, solver.levels.final_sigmas_type), DPM_ROWS(options, solver),
    {"algorithm_type", CLAT_CHOICE, offsetof(struct options, algorithm_type), "dpmsolver++", 0, 0,
        CLAT_CHOICES("dpmsolver", "dpmsolver++", "sde-dpmsolver++"),
        "integrate epsilon, or x0 (++), or with fresh noise each step (sde-)"},
    {"solver_type", CLAT_CHOICE, offsetof(struct options, solver_type), "midpoint", 0, 0,
        CLAT_CHOICES("midpoint", "heun"), "formula of second order"},
    {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    struct solver solver = o->solver;
    solver.levels.timestep_spacing = CLAT_LINSPACE;
    int code = solver_plan(run, &solver, plan);
    const char *missing = code ? NULL : terms_missing(o->algorithm_type, &o->solver, plan);
    return missing ? run->fail(run, missing) : code;
}

/* The order of step i: 1, 2, 3, 1, 2, 3 and so on; zero noise is reached by order 1 alone. Where
 * blocks do not come out even, lower orders remain for the end; lower_order_final takes them in any
 * case. */
static int order_in_block(const struct clat_run *run, const struct solver *o, int i)
{
    int count = run->plan->count, whole = count % o->solver_order == 0;
    if (i == count - 1 && (ends_at_zero(run) || (whole && o->lower_order_final)))
        return 1;
    return i % o->solver_order + 1;
}

/* D1 of order 2 over a block from s1: m[0] at s0, m[1] at s1. */
static void block_differences_2(
    struct level t, struct level s0, struct level s1, size_t n, float *const *m, float *d1)
{
    float r = (s0.lambda - s1.lambda) / (t.lambda - s1.lambda), inverse = 1 / r;
    for (size_t i = 0; i < n; i++)
        d1[i] = inverse * (m[0][i] - m[1][i]);
}

/* D1 and D2 of order 3 over a block from s2. The midpoint formula has no D2, and takes D1 over the
 * longer of the two distances. */
static void block_differences_3(int type, struct level t, struct level s0, struct level s1,
    struct level s2, size_t n, float *const *m, float *d1, float *d2)
{
    float h = t.lambda - s2.lambda;
    float r0 = (s0.lambda - s2.lambda) / h, r1 = (s1.lambda - s2.lambda) / h;
    float inverse0 = 1 / r0, inverse1 = 1 / r1, between = r0 - r1;
    for (size_t i = 0; i < n; i++) {
        float a = inverse1 * (m[1][i] - m[2][i]), b = inverse0 * (m[0][i] - m[2][i]);
        d1[i] = type == MIDPOINT ? b : (r0 * a - r1 * b) / between;
        d2[i] = 2 * (b - a) / between;
    }
}

/* Step i, of `order`, from the first sample of its block. */
static void step(struct clat_run *run, int i, int order, const struct work *work)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    float *const *m = work->history.m, *d1 = work->d1, *d2 = work->d2;
    struct level t = level_at(run, &o->solver, i + 1), s0 = level_at(run, &o->solver, i);
    struct level start = level_at(run, &o->solver, i + 1 - order);
    int second = order == 3 && o->solver_type == HEUN;
    if (order == 2)
        block_differences_2(t, s0, start, n, m, d1);
    if (order == 3)
        block_differences_3(
            o->solver_type, t, s0, level_at(run, &o->solver, i - 1), start, n, m, d1, d2);
    struct terms k = terms_of(o->algorithm_type, order == 3 ? HEUN : o->solver_type, t, start);
    terms_sum(k, n, work->first, m[order - 1], order > 1 ? d1 : NULL, second ? d2 : NULL, work->z,
        run->sample);
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    struct work work;
    int code = work_open(run, o->algorithm_type, o->solver.solver_order, &work);
    for (int i = plan->first; !code && i < plan->count; i++) {
        int order = order_in_block(run, &o->solver, i), known = i - plan->first + 1;
        if ((code = work_evaluate(run, &o->solver, o->algorithm_type, i, &work)))
            return code;
        order = order < known ? order : known; /* a run may start within a block */
        if (order == 1)
            memcpy(work.first, run->sample, run->images * run->elements * sizeof *work.first);
        step(run, i, order, &work);
        code = run->step_done(run, i, run->sample);
    }
    return code;
}

static const struct clat_alias aliases[] = {
    {"DPM++ 2S", "algorithm_type=dpmsolver++,solver_order=2"},
    {"DPM++ 3S", "algorithm_type=dpmsolver++,solver_order=3"},
    {"DPM-Solver-2", "algorithm_type=dpmsolver,final_sigmas_type=sigma_min,solver_order=2"},
    {"DPM-Solver-3", "algorithm_type=dpmsolver,final_sigmas_type=sigma_min,solver_order=3"},
    {NULL, NULL}};

static const struct clat_foreign foreign[] = {{"algorithm_type", "deis", "dpmsolver++"},
    {"algorithm_type", "data_prediction", "dpmsolver++"},
    {"algorithm_type", "noise_prediction", "dpmsolver++"},
    {"algorithm_type", "sde-dpmsolver", "sde-dpmsolver++"}, {"solver_type", "logrho", "midpoint"},
    {"solver_type", "bh1", "midpoint"}, {"solver_type", "bh2", "midpoint"},
    {"variance_type", "fixed_small", "null"}, {"variance_type", "fixed_small_log", "null"},
    {"variance_type", "fixed_large", "null"}, {"variance_type", "fixed_large_log", "null"},
    {NULL, NULL, NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "dpmsolver_singlestep",
    .class_name = "DPMSolverSinglestepScheduler",
    .title = "DPM-Solver++ 2S and 3S: blocks of steps that start anew, one evaluation a step",
    .source = "Lu et al. 2022, arXiv 2211.01095, algorithm 1, and 2206.00927",
    .version = "1",
    .aliases = aliases,
    .foreign = foreign,
    .space = CLAT_VARIANCE_PRESERVING,
    .order = 2,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
