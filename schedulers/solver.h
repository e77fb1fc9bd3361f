/* solver.h - what the solvers in lambda share: DPM-Solver, UniPC, DEIS. Private to schedulers/.
 * SPDX-License-Identifier: MIT
 *
 * Along x = alpha x0 + sigma epsilon, with lambda = log(alpha / sigma), the probability flow of a
 * variance-preserving process is semi-linear (Lu et al. 2022, arXiv 2206.00927, section 3.1): its
 * linear part is solved exactly, and a polynomial through past predictions of the network stands
 * for the rest. So each of them needs levels, predictions of x0 or epsilon, and a short history.
 *
 * Float32 in the order of diffusers; logarithms and exponentials are rounded once from double,
 * which is what its libraries give but for one value in some hundreds. */
#ifndef CLATENT_SCHEDULERS_SOLVER_H
#define CLATENT_SCHEDULERS_SOLVER_H

#include <clatent-scheduler.h>
#include <math.h>
#include <stddef.h>

/* ---- options -------------------------------------------------------------------------------- */

enum { FLOW_PREDICTION = CLAT_V_PREDICTION + 1 }; /* epsilon - x0, of rectified flows */

struct solver {
    struct clat_levels levels;
    struct clat_bounds bounds;
    int solver_order, prediction_type, lower_order_final;
    int use_dynamic_shifting, time_shift_type;
    int variance_type; /* of VARIANCE_ROW; -1: none */
    double mu;
};

#define ORDER_ROW(options, field, name, highest, help)                                             \
    {                                                                                              \
        name, CLAT_INT, offsetof(struct options, field), "2", 1, highest, NULL, help               \
    }
#define SOLVER_ORDER_ROW(options, field, highest)                                                  \
    ORDER_ROW(options, field.solver_order, "solver_order", highest,                                \
        "order of the solver: 2 with guidance, 3 without")
#define LOWER_ORDER_ROW(options, field, standard)                                                  \
    {                                                                                              \
        "lower_order_final", CLAT_BOOL, offsetof(struct options, field.lower_order_final),         \
            standard, 0, 0, NULL, "fall back to lower orders in the last steps"                    \
    }
#define SOLVER_ROWS(options, field)                                                                \
    CLAT_SCHEDULE_ROWS(options, field.levels.schedule, "0.0001", "0.02", "linear"),                \
        CLAT_THRESHOLD_ROWS(options, field.bounds),                                                \
        {"prediction_type", CLAT_CHOICE, offsetof(struct options, field.prediction_type),          \
            "epsilon", 0, 0, CLAT_CHOICES("epsilon", "sample", "v_prediction", "flow_prediction"), \
            "what the network predicts"},                                                          \
        CLAT_CURVE_ROWS(options, field.levels),                                                    \
        {"use_flow_sigmas", CLAT_BOOL, offsetof(struct options, field.levels.use_flow_sigmas),     \
            "false", 0, 0, NULL, "levels of a rectified flow: alpha = 1 - sigma"},                 \
    {                                                                                              \
        "flow_shift", CLAT_REAL, offsetof(struct options, field.levels.flow_shift), "1", 1e-6,     \
            1e6, NULL, "shift of use_flow_sigmas towards noise"                                    \
    }
#define SHIFT_ROWS(options, field)                                                                 \
    {"use_dynamic_shifting", CLAT_BOOL, offsetof(struct options, field.use_dynamic_shifting),      \
        "false", 0, 0, NULL, "take the shift of use_flow_sigmas from mu"},                         \
        {"time_shift_type", CLAT_CHOICE, offsetof(struct options, field.time_shift_type),          \
            "exponential", 0, 0, CLAT_CHOICES("exponential", "linear"),                            \
            "the shift is exp(mu), or mu"},                                                        \
    {                                                                                              \
        "mu", CLAT_REAL, offsetof(struct options, field.mu), "null", -100, 100, NULL,              \
            "what use_dynamic_shifting takes the shift from"                                       \
    }
#define FINAL_SIGMA_ROW(options, field)                                                            \
    {                                                                                              \
        "final_sigmas_type", CLAT_CHOICE, offsetof(struct options, field), "zero", 0, 0,           \
            CLAT_CHOICES("zero", "sigma_min"), "where the last step ends"                          \
    }

#define LAMBDA_MIN_ROW(options, field)                                                             \
    {                                                                                              \
        "lambda_min_clipped", CLAT_REAL,                                                           \
            offsetof(struct options, field.levels.lambda_min_clipped), "-inf", -(double)INFINITY,  \
            0, NULL, "leave out levels of a lambda below this"                                     \
    }
#define VARIANCE_ROW(options, field)                                                               \
    {                                                                                              \
        "variance_type", CLAT_CHOICE, offsetof(struct options, field.variance_type), "null", 0, 0, \
            CLAT_CHOICES("learned", "learned_range"), "a variance that the network predicts too"   \
    }
/* What VARIANCE_ROW is refused with, whatever it says but null. */
#define VARIANCE_REFUSED                                                                           \
    "variance_type is for networks that predict the variance too, which no latent diffusion "      \
    "model does"

/* ---- levels --------------------------------------------------------------------------------- */

static inline float log_once(float x)
{
    return (float)log((double)x);
}

static inline float exp_once(float x)
{
    return (float)exp((double)x);
}

/* One noise level; ratio is sigma / alpha, which is what a plan calls sigma. */
struct level {
    float ratio, alpha, sigma, lambda;
};

static inline struct level level_of(float ratio, int flow)
{
    struct level l = {.ratio = ratio};
    l.alpha = flow ? 1 - ratio : 1 / sqrtf(ratio * ratio + 1);
    l.sigma = flow ? ratio : ratio * l.alpha;
    l.lambda = log_once(l.alpha) - log_once(l.sigma);
    return l;
}

/* The level at the start of planned step i; i = count: at the end. */
static inline struct level level_at(const struct clat_run *run, const struct solver *o, int i)
{
    return level_of(run->plan->sigmas[i], o->levels.use_flow_sigmas);
}

/* Whether levels follow a curve or a flow, not timesteps over the table. */
static inline int follows_curve(const struct clat_levels *l)
{
    return l->use_karras_sigmas || l->use_exponential_sigmas || l->use_beta_sigmas ||
           l->use_flow_sigmas;
}

static inline int ends_at_zero(const struct clat_run *run)
{
    return run->plan->sigmas[run->plan->count] == 0;
}

/* The shift of a flow towards noise. */
static inline double shift_of(const struct solver *o)
{
    if (isnan(o->mu))
        return o->levels.flow_shift;
    return o->time_shift_type ? o->mu : exp(o->mu);
}

/* What is wrong with it, or NULL. */
static inline const char *shift_conflict(const struct solver *o)
{
    if (!isnan(o->mu) && !(o->use_dynamic_shifting && o->levels.use_flow_sigmas))
        return "mu needs use_dynamic_shifting and use_flow_sigmas";
    if (!(shift_of(o) > 0))
        return "with time_shift_type linear, mu must be above 0";
    return NULL;
}

/* Plans the levels of o, one evaluation a step. */
static inline int solver_plan(struct clat_run *run, const struct solver *o, struct clat_plan *plan)
{
    struct clat_levels levels = o->levels;
    const char *wrong = shift_conflict(o);
    if (wrong)
        return run->fail(run, wrong);
    levels.flow_shift = shift_of(o);
    return run->tools->plan_multistep(run, &levels, plan);
}

/* ---- predictions ---------------------------------------------------------------------------- */

/* x0 from what the network said of x at level l; x0 may be m. */
static inline void x0_of(
    int prediction, struct level l, size_t n, const float *x, const float *m, float *x0)
{
    for (size_t i = 0; i < n; i++) {
        if (prediction == CLAT_EPSILON)
            x0[i] = (x[i] - l.sigma * m[i]) / l.alpha;
        else if (prediction == CLAT_V_PREDICTION)
            x0[i] = l.alpha * x[i] - l.sigma * m[i];
        else if (prediction == FLOW_PREDICTION)
            x0[i] = x[i] - l.ratio * m[i];
        else
            x0[i] = m[i];
    }
}

/* epsilon likewise; there is no flow_prediction of it. */
static inline void epsilon_of(
    int prediction, struct level l, size_t n, const float *x, const float *m, float *e)
{
    for (size_t i = 0; i < n; i++) {
        if (prediction == CLAT_SAMPLE)
            e[i] = (x[i] - l.alpha * m[i]) / l.sigma;
        else if (prediction == CLAT_V_PREDICTION)
            e[i] = l.alpha * m[i] + l.sigma * x[i];
        else
            e[i] = m[i];
    }
}

/* What the network said at step i, m, becomes x0, or epsilon, bounded as the options say. */
static inline void predict_x0(
    const struct clat_run *run, const struct solver *o, int i, float *m, float *scratch)
{
    size_t n = run->images * run->elements;
    x0_of(o->prediction_type, level_at(run, o, i), n, run->sample, m, m);
    run->tools->bound(run, &o->bounds, m, scratch);
}

static inline void predict_epsilon(
    const struct clat_run *run, const struct solver *o, int i, float *m, float *scratch)
{
    size_t n = run->images * run->elements;
    struct level l = level_at(run, o, i);
    epsilon_of(o->prediction_type, l, n, run->sample, m, m);
    if (!o->bounds.thresholding)
        return;
    x0_of(CLAT_EPSILON, l, n, run->sample, m, m);
    run->tools->bound(run, &o->bounds, m, scratch);
    epsilon_of(CLAT_SAMPLE, l, n, run->sample, m, m);
}

/* ---- history -------------------------------------------------------------------------------- */

#define HISTORY_LIMIT 8

/* Predictions of the last `depth` steps, [0] the newest. */
struct history {
    float *m[HISTORY_LIMIT];
    int depth;
};

/* 0, or the code to return. */
static inline int history_open(struct clat_run *run, int depth, struct history *history)
{
    history->depth = depth;
    for (int i = 0; i < depth; i++)
        if (!(history->m[i] = run->scratch(run, run->images * run->elements)))
            return run->fail(run, "no memory");
    return 0;
}

/* Makes room for a new prediction, which goes where the oldest was. */
static inline float *history_push(struct history *history)
{
    float *oldest = history->m[history->depth - 1];
    for (int i = history->depth - 1; i > 0; i--)
        history->m[i] = history->m[i - 1];
    return history->m[0] = oldest;
}

/* The order of step i: solver_order, or less while the history is short, and in the last two of
 * fewer than 15 steps if lower_order_final; 1 in the last one if `first_at_last`. */
static inline int order_of_step(
    const struct clat_run *run, const struct solver *o, int i, int first_at_last)
{
    int last = run->plan->count - 1, known = i - run->plan->first + 1;
    int few = o->lower_order_final && run->plan->count < 15;
    int order = o->solver_order < known ? o->solver_order : known;
    if (i == last && (few || first_at_last))
        return 1;
    return i == last - 1 && few && order > 2 ? 2 : order;
}

#endif
