/* edm_dpmsolver_multistep.c - DPM-Solver++ for models with the preconditioning of EDM.
 * SPDX-License-Identifier: MIT
 *
 * Multistep DPM-Solver++ (Lu et al. 2022, arXiv 2211.01095) where alpha = 1, so that lambda is
 * -log(sigma). As in Karras et al. 2022, arXiv 2206.00364, table 1, the network sees
 * x / sqrt(sigma^2 + d^2) at time log(sigma) / 4, with d the spread of the data, and
 *
 *     x0 = d^2 / (sigma^2 + d^2) x + sigma d / sqrt(sigma^2 + d^2) F
 *
 * Arithmetic, options and defaults are those of diffusers' class, but for the network's input: we
 * divide where it multiplies by the reciprocal. */
#include "dpmsolver.h"

enum { KARRAS, EXPONENTIAL };
enum { EPSILON, V_PREDICTION };

struct options {
    struct solver solver; /* its levels but for sigma_min, sigma_max and the end are not used */
    double sigma_data, rho;
    int sigma_schedule, num_train_timesteps, stochastic, solver_type, euler_at_final;
};

static const struct clat_option options[] = {
    {"sigma_min", CLAT_REAL, offsetof(struct options, solver.levels.sigma_min), "0.002", 1e-9, 1e6,
        NULL, "smallest sigma"},
    {"sigma_max", CLAT_REAL, offsetof(struct options, solver.levels.sigma_max), "80", 1e-9, 1e6,
        NULL, "largest sigma"},
    {"sigma_data", CLAT_REAL, offsetof(struct options, sigma_data), "0.5", 1e-9, 1e6, NULL,
        "spread of the data"},
    {"sigma_schedule", CLAT_CHOICE, offsetof(struct options, sigma_schedule), "karras", 0, 0,
        CLAT_CHOICES("karras", "exponential"), "how sigmas are spread"},
    {"rho", CLAT_REAL, offsetof(struct options, rho), "7", 1, 1e3, NULL,
        "exponent of the Karras schedule"},
    {"num_train_timesteps", CLAT_INT, offsetof(struct options, num_train_timesteps), "1000", 1,
        100000, NULL, "has no influence"},
    {"prediction_type", CLAT_CHOICE, offsetof(struct options, solver.prediction_type), "epsilon", 0,
        0, CLAT_CHOICES("epsilon", "v_prediction"), "sign of the network's share"},
    CLAT_THRESHOLD_ROWS(options, solver.bounds), SOLVER_ORDER_ROW(options, solver, 3),
    LOWER_ORDER_ROW(options, solver, "true"),
    FINAL_SIGMA_ROW(options, solver.levels.final_sigmas_type),
    {"algorithm_type", CLAT_CHOICE, offsetof(struct options, stochastic), "dpmsolver++", 0, 0,
        CLAT_CHOICES("dpmsolver++", "sde-dpmsolver++"), "sde-: with fresh noise each step"},
    {"solver_type", CLAT_CHOICE, offsetof(struct options, solver_type), "midpoint", 0, 0,
        CLAT_CHOICES("midpoint", "heun"), "formula of second order"},
    {"euler_at_final", CLAT_BOOL, offsetof(struct options, euler_at_final), "false", 0, 0, NULL,
        "the last step is of order 1"},
    {NULL}};

/* ---- plan ----------------------------------------------------------------------------------- */

/* Entry i of `count` values evenly from `first` to `last`: from the nearer end, one fused step. */
static float even(float first, float last, int count, int i)
{
    float step = count > 1 ? (last - first) / (float)(count - 1) : 0;
    return i < count / 2 || count == 1 ? fmaf(step, (float)i, first)
                                       : fmaf(-step, (float)(count - 1 - i), last);
}

static float sigma_at(const struct options *o, int count, int i)
{
    double low = o->solver.levels.sigma_min, high = o->solver.levels.sigma_max;
    if (o->sigma_schedule == EXPONENTIAL)
        return exp_once(even((float)log(low), (float)log(high), count, count - 1 - i));
    double first = pow(high, 1 / o->rho), last = pow(low, 1 / o->rho);
    float root = (float)first + even(0, 1, count, i) * (float)(last - first);
    return (float)pow((double)root, o->rho);
}

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    const struct clat_levels *levels = &o->solver.levels;
    if (levels->sigma_min >= levels->sigma_max)
        return run->fail(run, "sigma_min must be below sigma_max");
    if (o->stochastic && o->solver.solver_order == 3)
        return run->fail(run, "algorithm_type sde-dpmsolver++ has no solver_order 3");
    plan->count = plan->evaluations = plan->steps;
    plan->init_noise_sigma = (float)sqrt(levels->sigma_max * levels->sigma_max + 1);
    for (int i = 0; i < plan->count; i++) {
        plan->sigmas[i] = plan->noise[i] = sigma_at(o, plan->count, i);
        if (!(plan->sigmas[i] > 0))
            return run->fail(run, "sigma_min is lost beside sigma_max: try a larger rho");
        plan->signal[i] = 1;
        plan->timesteps[i] = (double)(0.25f * log_once(plan->sigmas[i]));
    }
    plan->sigmas[plan->count] =
        levels->final_sigmas_type == CLAT_FINAL_ZERO ? 0 : (float)levels->sigma_min;
    return 0;
}

/* ---- run ------------------------------------------------------------------------------------ */

static struct level edm_level(const struct clat_run *run, int i)
{
    float sigma = run->plan->sigmas[i];
    return (struct level){.ratio = sigma, .alpha = 1, .sigma = sigma, .lambda = -log_once(sigma)};
}

/* Asks the network at step i, keeps the x0 it predicts, and draws the noise of the step. */
static int evaluate(struct clat_run *run, int i, struct work *work)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    float sigma = run->plan->sigmas[i], d = (float)o->sigma_data;
    float total = sigma * sigma + (float)(o->sigma_data * o->sigma_data), root = sqrtf(total);
    float skip = 1 / total * (float)(o->sigma_data * o->sigma_data);
    float out = (o->solver.prediction_type == V_PREDICTION ? -sigma : sigma) * d / root;
    float *x0 = history_push(&work->history);
    int code = run->evaluate(run, run->sample, root, run->plan->timesteps[i], x0);
    if (code)
        return code;
    for (size_t k = 0; k < n; k++)
        x0[k] = skip * run->sample[k] + out * x0[k];
    run->tools->bound(run, &o->solver.bounds, x0, work->d1);
    return work->z ? run->noise(run, work->z) : 0;
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    struct work work;
    int algorithm = o->stochastic ? SDE_DPMSOLVER_PP : DPMSOLVER_PP;
    int code = work_open(run, algorithm, o->solver.solver_order, &work);
    for (int i = run->plan->first; !code && i < run->plan->count; i++) {
        int order = order_of_step(run, &o->solver, i, o->euler_at_final || ends_at_zero(run));
        struct level l[4];
        for (int j = 0; j <= order; j++)
            l[j] = edm_level(run, i + 1 - j);
        if ((code = evaluate(run, i, &work)))
            return code;
        step_multistep(run, algorithm, o->solver_type, order, l, &work);
        code = run->step_done(run, i, run->sample);
    }
    return code;
}

static const struct clat_alias aliases[] = {{"edm_dpmpp", NULL}, {NULL, NULL}};

static const struct clat_foreign foreign[] = {{"algorithm_type", "deis", "dpmsolver++"},
    {"solver_type", "logrho", "midpoint"}, {"solver_type", "bh1", "midpoint"},
    {"solver_type", "bh2", "midpoint"}, {NULL, NULL, NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "edm_dpmsolver_multistep",
    .class_name = "EDMDPMSolverMultistepScheduler",
    .title = "DPM-Solver++ multistep for EDM models",
    .source = "Lu et al. 2022, arXiv 2211.01095; Karras et al. 2022, arXiv 2206.00364",
    .version = "1",
    .aliases = aliases,
    .foreign = foreign,
    .space = CLAT_SIGMA,
    .network = CLAT_EDM_NETWORK,
    .order = 2,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
