/* dpmsolver_multistep.c - DPM-Solver and DPM-Solver++, multistep. SPDX-License-Identifier: MIT
 *
 * Lu et al. 2022, arXiv 2206.00927 and 2211.01095 (algorithm 2): one evaluation a step; the
 * predictions of the steps before give the differences in lambda. Order 1 is DDIM, order 2 is known
 * as DPM++ 2M. solver_type midpoint weighs the first difference with phi_1 / 2, heun with phi_2, as
 * order 3 always does. dpmsolver.h has the formulas. */
#include "dpmsolver.h"

struct options {
    struct solver solver;
    int algorithm_type, solver_type, euler_at_final;
};

static const struct clat_option options[] = {SOLVER_ROWS(options, solver),
    SHIFT_ROWS(options, solver), SOLVER_ORDER_ROW(options, solver, 3),
    LOWER_ORDER_ROW(options, solver, "true"), CLAT_ZERO_SNR_ROW(options, solver.levels.schedule),
    CLAT_SPACING_ROWS(
        options, solver.levels.timestep_spacing, solver.levels.steps_offset, "linspace"),
    FINAL_SIGMA_ROW(options, solver.levels.final_sigmas_type), DPM_ROWS(options, solver),
    {"algorithm_type", CLAT_CHOICE, offsetof(struct options, algorithm_type), "dpmsolver++", 0, 0,
        CLAT_CHOICES("dpmsolver", "dpmsolver++", "sde-dpmsolver++", "sde-dpmsolver"),
        "integrate epsilon, or x0 (++), or with fresh noise each step (sde-)"},
    {"solver_type", CLAT_CHOICE, offsetof(struct options, solver_type), "midpoint", 0, 0,
        CLAT_CHOICES("midpoint", "heun"), "formula of second order"},
    {"euler_at_final", CLAT_BOOL, offsetof(struct options, euler_at_final), "false", 0, 0, NULL,
        "the last step is of order 1"},
    {"use_lu_lambdas", CLAT_BOOL, offsetof(struct options, solver.levels.use_lu_lambdas), "false",
        0, 0, NULL, "levels evenly spread in lambda"},
    {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    struct solver solver = o->solver;
    solver.levels.double_timesteps = solver.levels.schedule.beta_schedule == CLAT_SQUAREDCOS_CAP_V2;
    int code = solver_plan(run, &solver, plan);
    if (code)
        return code;
    for (int i = 0; i < plan->count; i++)
        plan->timesteps[i] = trunc(plan->timesteps[i]); /* this class does not round cosine ones */
    const char *missing = terms_missing(o->algorithm_type, &o->solver, plan);
    if (!missing && o->algorithm_type == SDE_DPMSOLVER && o->solver.solver_order > 2)
        missing = "algorithm_type sde-dpmsolver has no solver_order 3";
    return missing ? run->fail(run, missing) : 0;
}

static void step(struct clat_run *run, int i, const struct work *work)
{
    const struct options *o = run->options;
    int order = order_of_step(run, &o->solver, i, o->euler_at_final || ends_at_zero(run));
    struct level l[4];
    for (int j = 0; j <= order; j++)
        l[j] = level_at(run, &o->solver, i + 1 - j);
    step_multistep(run, o->algorithm_type, o->solver_type, order, l, work);
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    struct work work;
    int code = work_open(run, o->algorithm_type, o->solver.solver_order, &work);
    for (int i = run->plan->first; !code && i < run->plan->count; i++) {
        if ((code = work_evaluate(run, &o->solver, o->algorithm_type, i, &work)))
            return code;
        step(run, i, &work);
        code = run->step_done(run, i, run->sample);
    }
    return code;
}

/* Whatever the model was made for, a name stands for the same solver. */
#define PLAIN "algorithm_type=dpmsolver++"
#define SDE "algorithm_type=sde-dpmsolver++"
static const struct clat_alias aliases[] = {
    {"DPM++ 2M", PLAIN ",solver_order=2,solver_type=midpoint"},
    {"DPM++ 3M", PLAIN ",solver_order=3"},
    {"DPM++ 2M SDE", SDE ",solver_order=2,solver_type=midpoint"},
    {"DPM++ 2M SDE Heun", SDE ",solver_order=2,solver_type=heun"},
    {"DPM++ 3M SDE", SDE ",solver_order=3"},
    {"DPM-Solver", "algorithm_type=dpmsolver,final_sigmas_type=sigma_min"}, {"DPM-Solver++", PLAIN},
    {NULL, NULL}};

static const struct clat_foreign foreign[] = {{"algorithm_type", "deis", "dpmsolver++"},
    {"algorithm_type", "data_prediction", "dpmsolver++"},
    {"algorithm_type", "noise_prediction", "dpmsolver++"}, {"solver_type", "logrho", "midpoint"},
    {"solver_type", "bh1", "midpoint"}, {"solver_type", "bh2", "midpoint"},
    {"variance_type", "fixed_small", "null"}, {"variance_type", "fixed_small_log", "null"},
    {"variance_type", "fixed_large", "null"}, {"variance_type", "fixed_large_log", "null"},
    {NULL, NULL, NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "dpmsolver_multistep",
    .class_name = "DPMSolverMultistepScheduler",
    .title = "DPM-Solver++ 2M and its kin: orders 1 to 3, one evaluation a step",
    .source = "Lu et al. 2022, arXiv 2211.01095, algorithm 2, and 2206.00927",
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
