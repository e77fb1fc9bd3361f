/* sa_solver.c - stochastic Adams solver, predictor and corrector. SPDX-License-Identifier: MIT
 *
 * Xue et al. 2023, arXiv 2309.05019. The reverse process may carry any amount tau(t) of fresh
 * noise: with c = 1 + tau^2, over a step of length h in lambda from s to t,
 *
 *     x_t = exp(-tau^2 h) (sigma_t / sigma_s) x_s
 *         + c sigma_t exp(-tau^2 lambda_t) integral of exp(c lambda) x0(lambda) over the step
 *         + sigma_t sqrt(1 - exp(-2 tau^2 h)) z
 *
 * x0 is the polynomial in lambda through past predictions (predictor, Adams-Bashforth), and once
 * more, with the same z, through the one at t as well (corrector, Adams-Moulton). The same for
 * epsilon, algorithm_type noise_prediction. tau 0 is a solver of the flow without noise.
 *
 * Arithmetic is that of diffusers' class, float32: beyond order 2 and some hundred steps the
 * rounding of the weights, differences of large numbers, is larger than what order gains. */
#include "solver.h"
#include <string.h>

#define ORDER_LIMIT 4
enum { DATA_PREDICTION, NOISE_PREDICTION };

struct options {
    struct solver solver;
    int predictor_order, corrector_order, algorithm_type;
    double tau, tau_low, tau_high;
};

static const struct clat_option options[] = {SOLVER_ROWS(options, solver),
    CLAT_SPACING_ROWS(
        options, solver.levels.timestep_spacing, solver.levels.steps_offset, "linspace"),
    LOWER_ORDER_ROW(options, solver, "true"), LAMBDA_MIN_ROW(options, solver),
    VARIANCE_ROW(options, solver),
    ORDER_ROW(options, predictor_order, "predictor_order", ORDER_LIMIT,
        "predictions that the predictor goes through"),
    ORDER_ROW(options, corrector_order, "corrector_order", ORDER_LIMIT,
        "predictions that the corrector goes through"),
    {"algorithm_type", CLAT_CHOICE, offsetof(struct options, algorithm_type), "data_prediction", 0,
        0, CLAT_CHOICES("data_prediction", "noise_prediction"), "integrate x0, or epsilon"},
    {"tau", CLAT_REAL, offsetof(struct options, tau), "1", 0, 10, NULL,
        "fresh noise: 0 none, 1 that of the process the model was trained to reverse"},
    {"tau_low", CLAT_REAL, offsetof(struct options, tau_low), "200", 0, 100000, NULL,
        "lowest timestep with fresh noise"},
    {"tau_high", CLAT_REAL, offsetof(struct options, tau_high), "800", 0, 100000, NULL,
        "highest timestep with fresh noise"},
    {NULL}};

/* A curve or a flow ends at its last level once more, the table at its lowest. */
static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    struct clat_levels levels = o->solver.levels;
    if (o->solver.variance_type >= 0)
        return run->fail(run, VARIANCE_REFUSED);
    if (o->algorithm_type == NOISE_PREDICTION && o->solver.prediction_type == FLOW_PREDICTION)
        return run->fail(
            run, "prediction_type flow_prediction needs algorithm_type data_prediction");
    levels.final_sigmas_type = CLAT_FINAL_SIGMA_MIN;
    int code = run->tools->plan_multistep(run, &levels, plan);
    if (!code && follows_curve(&levels))
        plan->sigmas[plan->count] = plan->sigmas[plan->count - 1];
    return code;
}

/* ---- integrals --------------------------------------------------------------------------------
 */

/* x^k with all lower powers as integration by parts leaves them: sign -1 under exp(x), 1 under
 * exp(-x). */
static float parts(int k, float x, float sign)
{
    if (k == 0)
        return 1;
    if (k == 1)
        return x + sign;
    if (k == 2)
        return x * x + sign * (2 * x) + 2;
    return x * x * x + sign * (3 * (x * x)) + 6 * x + sign * 6;
}

/* Of exp(c x) x^k from a to b. */
static float integral_rising(int k, double c, float a, float b)
{
    float ca = (float)c * a, cb = (float)c * b;
    return exp_once(cb) * (parts(k, cb, -1) - parts(k, ca, -1) * exp_once(-(cb - ca))) /
           (float)pow(c, k + 1);
}

/* Of exp(-x) x^k from a to b. */
static float integral_falling(int k, float a, float b)
{
    return exp_once(-b) * (parts(k, a, 1) * exp_once(b - a) - parts(k, b, 1));
}

/* Coefficients, highest power first, of the polynomial that is 1 at node i and 0 at the others. */
static void lagrange(int nodes, int i, const float *node, float *k)
{
    float other[ORDER_LIMIT - 1], product = 1;
    int n = 0;
    for (int j = 0; j < nodes; j++)
        if (j != i)
            other[n++] = node[j];
    for (int j = 0; j < n; j++)
        product = j == 0 ? node[i] - other[j] : product * (node[i] - other[j]);
    const float *p = other;
    k[0] = 1 / product;
    if (n == 1)
        k[1] = -p[0] / product;
    if (n == 2) {
        k[1] = (-p[0] - p[1]) / product;
        k[2] = p[0] * p[1] / product;
    }
    if (n == 3) {
        k[1] = (-p[0] - p[1] - p[2]) / product;
        k[2] = (p[0] * p[1] + p[0] * p[2] + p[1] * p[2]) / product;
        k[3] = -p[0] * p[1] * p[2] / product;
    }
}

/* ---- one step ---------------------------------------------------------------------------------
 */

/* A step from s to t by a polynomial through `nodes` predictions. */
struct crossing {
    struct level t, s;
    double tau, c;
    int nodes, corrects;
    float node[ORDER_LIMIT]; /* lambda of each prediction, the newest first */
};

/* For two nodes the weights may move by a term of order h^3 without loss of order; this one is
 * found to make better pictures. */
static float adjustment(const struct crossing *x)
{
    float c = (float)x->c, c2 = (float)(x->c * x->c), h = x->t.lambda - x->s.lambda;
    float rest = h * c - 1 + exp_once(c * -h), growth = exp_once(c * x->t.lambda);
    if (x->corrects)
        return growth * (h / 2 - rest / (c2 * h));
    return growth * (h * h / 2 - rest / c2) / (x->s.lambda - x->node[1]);
}

/* The weight of each prediction. */
static void weigh(const struct crossing *x, int algorithm, float *weight)
{
    float rising = (float)x->c * x->t.sigma * exp_once((float)-(x->tau * x->tau) * x->t.lambda);
    float falling = (float)-x->c * x->t.alpha;
    for (int i = 0; i < x->nodes; i++) {
        float k[ORDER_LIMIT], sum = 0;
        lagrange(x->nodes, i, x->node, k);
        for (int j = 0; j < x->nodes; j++) {
            int power = x->nodes - 1 - j;
            sum += k[j] * (algorithm == DATA_PREDICTION
                                  ? integral_rising(power, x->c, x->s.lambda, x->t.lambda)
                                  : integral_falling(power, x->s.lambda, x->t.lambda));
        }
        if (algorithm == DATA_PREDICTION && x->nodes == 2)
            sum = i == 0 ? sum + adjustment(x) : sum - adjustment(x);
        weight[i] = (algorithm == DATA_PREDICTION ? rising : falling) * sum;
    }
}

static double tau_at(const struct options *o, double timestep)
{
    return timestep >= o->tau_low && timestep <= o->tau_high ? o->tau : 0;
}

/* Crosses step i from x to `out`: through `nodes` predictions m, the newest first, which for the
 * corrector is at the step's end. */
static void cross(const struct clat_run *run, int i, int nodes, int corrects, float *const *m,
    const float *z, const float *x, float *out)
{
    const struct options *o = run->options;
    struct crossing at = {.t = level_at(run, &o->solver, i + 1),
        .s = level_at(run, &o->solver, i),
        .tau = tau_at(o, run->plan->timesteps[i]),
        .nodes = nodes,
        .corrects = corrects};
    float weight[ORDER_LIMIT], h = at.t.lambda - at.s.lambda;
    double tau2 = at.tau * at.tau;
    at.c = 1 + tau2;
    for (int j = 0; j < nodes; j++)
        at.node[j] = level_at(run, &o->solver, i + corrects - j).lambda;
    weigh(&at, o->algorithm_type, weight);
    float keep = exp_once((float)-tau2 * h) * (at.t.sigma / at.s.sigma);
    float noise = at.t.sigma * sqrtf(1 - exp_once((float)(-2 * tau2) * h));
    if (o->algorithm_type == NOISE_PREDICTION) {
        keep = at.t.alpha / at.s.alpha;
        noise = (float)at.tau * at.t.sigma * sqrtf(exp_once(2 * h) - 1);
    }
    for (size_t k = 0; k < run->images * run->elements; k++) {
        float sum = 0;
        for (int j = 0; j < nodes; j++)
            sum += weight[j] * m[j][k];
        out[k] = keep * x[k] + sum + noise * z[k];
    }
}

/* ---- run --------------------------------------------------------------------------------------
 */

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Predictions that the predictor of step i goes through, and the corrector of the same step. */
static int predictor_nodes(const struct clat_run *run, int i)
{
    const struct options *o = run->options;
    int left = o->solver.lower_order_final ? run->plan->count - i : ORDER_LIMIT;
    return least(least(o->predictor_order, left), i - run->plan->first + 1);
}

static int corrector_nodes(const struct clat_run *run, int i)
{
    const struct options *o = run->options;
    int left = o->solver.lower_order_final ? run->plan->count - i + 1 : ORDER_LIMIT;
    return least(least(o->corrector_order, left), i - run->plan->first + 2);
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    struct history history;
    float *last = run->scratch(run, n), *z = run->scratch(run, n);
    float *scratch = run->scratch(run, run->elements);
    int code = history_open(run, ORDER_LIMIT, &history);
    if (!code && (!last || !z || !scratch))
        return run->fail(run, "no memory");

    for (int i = run->plan->first; !code && i < run->plan->count; i++) {
        float *m = history_push(&history);
        if ((code = run->evaluate(run, run->sample, 1, run->plan->timesteps[i], m)))
            return code;
        (o->algorithm_type == DATA_PREDICTION ? predict_x0 : predict_epsilon)(
            run, &o->solver, i, m, scratch);
        if (i > run->plan->first)
            cross(run, i - 1, corrector_nodes(run, i - 1), 1, history.m, z, last, run->sample);
        memcpy(last, run->sample, n * sizeof *last);
        if ((code = run->noise(run, z)))
            return code;
        cross(run, i, predictor_nodes(run, i), 0, history.m, z, last, run->sample);
        code = run->step_done(run, i, run->sample);
    }
    return code;
}

static const struct clat_foreign foreign[] = {{"algorithm_type", "dpmsolver", "noise_prediction"},
    {"algorithm_type", "sde-dpmsolver", "noise_prediction"},
    {"algorithm_type", "dpmsolver++", "data_prediction"},
    {"algorithm_type", "sde-dpmsolver++", "data_prediction"},
    {"algorithm_type", "deis", "data_prediction"}, {"variance_type", "fixed_small", "null"},
    {"variance_type", "fixed_small_log", "null"}, {"variance_type", "fixed_large", "null"},
    {"variance_type", "fixed_large_log", "null"}, {NULL, NULL, NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "sa_solver",
    .class_name = "SASolverScheduler",
    .title = "SA-Solver: stochastic Adams predictor and corrector, one evaluation a step",
    .source = "Xue et al. 2023, arXiv 2309.05019",
    .version = "1",
    .foreign = foreign,
    .space = CLAT_VARIANCE_PRESERVING,
    .order = 1,
    .stochastic = 1,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
