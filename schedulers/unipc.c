/* unipc.c - UniPC, a predictor and a corrector from one evaluation. SPDX-License-Identifier: MIT
 *
 * Zhao et al. 2023, arXiv 2302.04867. Over a step of length h in lambda from s to t, with m_0 the
 * prediction at s, m_j that at an older level, r_j = (lambda_j - lambda_s) / h and
 * D_j = (m_j - m_0) / r_j,
 *
 *     x_t = a x - c m_0 - e B(h) sum rho_j D_j
 *
 * where rho solves sum_j r_j^(q-1) rho_j = b_q: so that the sum is right for polynomials in lambda
 * up to the order. The predictor takes older levels only; the corrector, once the network has
 * spoken at t, takes that as one more (r = 1), which costs no evaluation of its own. */
#include "flow.h"
#include "solver.h"
#include <string.h>

#define ORDER_LIMIT 6
enum { BH1, BH2 };

struct options {
    struct solver solver;
    int predict_x0, solver_type;
    double shift_terminal;
    struct clat_reals disable_corrector;
};

static const struct clat_option options[] = {SOLVER_ROWS(options, solver),
    SHIFT_ROWS(options, solver), SOLVER_ORDER_ROW(options, solver, ORDER_LIMIT),
    LOWER_ORDER_ROW(options, solver, "true"), CLAT_ZERO_SNR_ROW(options, solver.levels.schedule),
    CLAT_SPACING_ROWS(
        options, solver.levels.timestep_spacing, solver.levels.steps_offset, "linspace"),
    FINAL_SIGMA_ROW(options, solver.levels.final_sigmas_type),
    {"predict_x0", CLAT_BOOL, offsetof(struct options, predict_x0), "true", 0, 0, NULL,
        "integrate x0, else epsilon"},
    {"solver_type", CLAT_CHOICE, offsetof(struct options, solver_type), "bh2", 0, 0,
        CLAT_CHOICES("bh1", "bh2"), "B(h) is h, or exp(h) - 1"},
    {"disable_corrector", CLAT_REALS, offsetof(struct options, disable_corrector), "[]", 0, 100000,
        NULL, "steps, from 0, whose end is not corrected"},
    {"sigma_min", CLAT_REAL, offsetof(struct options, solver.levels.sigma_min), "null", 1e-6, 1e6,
        NULL, "lowest sigma of a curve"},
    {"sigma_max", CLAT_REAL, offsetof(struct options, solver.levels.sigma_max), "null", 1e-6, 1e6,
        NULL, "highest sigma of a curve"},
    {"shift_terminal", CLAT_REAL, offsetof(struct options, shift_terminal), "null", 0, 0.999999,
        NULL, "stretch the levels of a flow to end here"},
    {"sigmas", CLAT_REALS, offsetof(struct options, solver.levels.sigmas), "null", 0, 1, NULL,
        "levels of a flow, falling, before they are shifted"},
    {NULL}};

/* ---- plan ----------------------------------------------------------------------------------- */

static const char *conflict(const struct options *o)
{
    const struct clat_levels *levels = &o->solver.levels;
    int to_zero = levels->final_sigmas_type == CLAT_FINAL_ZERO;
    if (to_zero && o->solver_type == BH1)
        return "solver_type bh1 needs final_sigmas_type sigma_min";
    if (to_zero && !o->predict_x0)
        return "predict_x0 false needs final_sigmas_type sigma_min";
    if (to_zero && !o->solver.lower_order_final && o->solver.solver_order > 1)
        return "lower_order_final false needs final_sigmas_type sigma_min";
    if (!o->predict_x0 && o->solver.prediction_type == FLOW_PREDICTION)
        return "prediction_type flow_prediction needs predict_x0";
    if (!o->predict_x0 && o->solver.bounds.thresholding)
        return "thresholding needs predict_x0";
    if (o->solver.use_dynamic_shifting && isnan(o->solver.mu))
        return "use_dynamic_shifting needs mu";
    return NULL;
}

/* Where it is not 0, this class ends at the last level of a curve or flow once more. */
static void finish(const struct options *o, struct clat_plan *plan)
{
    const struct clat_levels *l = &o->solver.levels;
    if (follows_curve(l))
        plan->sigmas[plan->count] =
            l->final_sigmas_type == CLAT_FINAL_ZERO ? 0 : plan->sigmas[plan->count - 1];
    for (int i = 0; i < plan->count; i++) {
        struct level level = level_of(plan->sigmas[i], l->use_flow_sigmas);
        plan->signal[i] = level.alpha;
        plan->noise[i] = level.sigma;
    }
    plan->evaluations = plan->count;
}

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    struct clat_levels levels = o->solver.levels;
    int flow = levels.use_flow_sigmas, straight = flow && !levels.use_karras_sigmas, code = 0;
    const char *wrong = conflict(o);
    if (!wrong)
        wrong = flow_conflict(&o->solver, o->shift_terminal);
    if (!wrong && straight)
        wrong = flow_plan(&o->solver, o->shift_terminal, plan);
    if (wrong)
        return run->fail(run, wrong);
    levels.use_flow_sigmas = 0;
    if (!straight && (code = run->tools->plan_multistep(run, &levels, plan)))
        return code;
    if (flow && !straight)
        flow_of_curve(&o->solver, plan);
    finish(o, plan);
    return 0;
}

/* ---- the formula ---------------------------------------------------------------------------- */

static void swap_rows(int n, float *a, float *b)
{
    for (int j = 0; j < n; j++) {
        float swapped = a[j];
        a[j] = b[j];
        b[j] = swapped;
    }
}

/* Solves a rho = b, b in the last column of the n rows of a, which becomes rho: Gauss, the largest
 * pivot of a column first. Fused, and with reciprocals of pivots, as linear algebra libraries do.
 */
static void solve(int n, float a[][ORDER_LIMIT + 1])
{
    for (int k = 0; k < n; k++) {
        int pivot = k;
        for (int i = k + 1; i < n; i++)
            pivot = fabsf(a[i][k]) > fabsf(a[pivot][k]) ? i : pivot;
        swap_rows(n + 1, a[k], a[pivot]);
        for (int i = k + 1; i < n; i++) {
            float factor = a[i][k] * (1 / a[k][k]);
            for (int j = k; j <= n; j++)
                a[i][j] = fmaf(-factor, a[k][j], a[i][j]);
        }
    }
    for (int k = n - 1; k >= 0; k--) {
        for (int j = k + 1; j < n; j++)
            a[k][n] = fmaf(-a[k][j], a[j][n], a[k][n]);
        a[k][n] *= 1 / a[k][k];
    }
}

/* a, c, e of the formula, and r and rho of its differences. */
struct bridge {
    float a, c, e, r[ORDER_LIMIT], rho[ORDER_LIMIT];
    int terms;
};

/* rho of bridge->terms differences from bridge->r; a single one is 1/2, whatever B(h). */
static void weigh(struct bridge *bridge, float h, float phi_1, float base)
{
    float matrix[ORDER_LIMIT][ORDER_LIMIT + 1], phi = phi_1 / h - 1;
    double factorial = 1;
    int n = bridge->terms;
    for (int q = 0; q < n; q++) {
        for (int j = 0; j < n; j++)
            matrix[q][j] = q == 0 ? 1 : matrix[q - 1][j] * bridge->r[j];
        matrix[q][n] = phi * (float)factorial / base;
        factorial *= q + 2;
        phi = phi / h - (float)(1 / factorial);
    }
    if (n > 1)
        solve(n, matrix);
    for (int q = 0; q < n; q++)
        bridge->rho[q] = n > 1 ? matrix[q][n] : 0.5f;
}

/* The formula over step i: from `order` levels back, and for the corrector from its end too. */
static struct bridge bridge_over(const struct clat_run *run, int i, int order, int corrects)
{
    const struct options *o = run->options;
    struct level t = level_at(run, &o->solver, i + 1), s = level_at(run, &o->solver, i);
    float h = t.lambda - s.lambda, signed_h = o->predict_x0 ? -h : h;
    float phi_1 = (float)expm1((double)signed_h), base = o->solver_type == BH1 ? signed_h : phi_1;
    float scale = o->predict_x0 ? t.alpha : t.sigma;
    struct bridge bridge = {
        .a = o->predict_x0 ? t.sigma / s.sigma : t.alpha / s.alpha,
        .c = scale * phi_1,
        .e = scale * base,
    };
    for (int j = 1; j < order; j++)
        bridge.r[bridge.terms++] = (level_at(run, &o->solver, i - j).lambda - s.lambda) / h;
    if (corrects)
        bridge.r[bridge.terms++] = 1;
    weigh(&bridge, signed_h, phi_1, base);
    return bridge;
}

/* Crosses step i, which may be of no length, from x to `out`. m: predictions at its start and
 * before; now: at its end, for the corrector, or NULL. */
static void cross(const struct clat_run *run, int i, int order, float *const *m, const float *now,
    const float *x, float *out)
{
    if (run->plan->sigmas[i] == run->plan->sigmas[i + 1]) {
        memmove(out, x, run->images * run->elements * sizeof *out);
        return;
    }
    struct bridge b = bridge_over(run, i, order, now != NULL);
    for (size_t k = 0; k < run->images * run->elements; k++) {
        float sum = 0;
        for (int j = 1; j < order; j++)
            sum += b.rho[j - 1] * ((m[j][k] - m[0][k]) / b.r[j - 1]);
        if (now)
            sum += b.rho[order - 1] * (now[k] - m[0][k]);
        out[k] = b.a * x[k] - b.c * m[0][k] - b.e * sum;
    }
}

/* ---- run ------------------------------------------------------------------------------------ */

static int is_corrected(const struct options *o, int step)
{
    for (size_t k = 0; k < o->disable_corrector.count; k++)
        if (o->disable_corrector.values[k] == step)
            return 0;
    return 1;
}

/* Of the predictor at step i: what lower_order_final and the history allow. */
static int order_at(const struct clat_run *run, int i)
{
    const struct solver *o = &((const struct options *)run->options)->solver;
    int known = i - run->plan->first + 1, left = run->plan->count - i;
    int order = o->lower_order_final && left < o->solver_order ? left : o->solver_order;
    return order < known ? order : known;
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    struct history history;
    float *last = run->scratch(run, n), *scratch = run->scratch(run, run->elements);
    int code = history_open(run, o->solver.solver_order + 1, &history);
    if (!code && (!last || !scratch))
        return run->fail(run, "no memory");

    for (int i = run->plan->first; !code && i < run->plan->count; i++) {
        float *m = history_push(&history);
        if ((code = run->evaluate(run, run->sample, 1, run->plan->timesteps[i], m)))
            return code;
        (o->predict_x0 ? predict_x0 : predict_epsilon)(run, &o->solver, i, m, scratch);
        if (i > run->plan->first && is_corrected(o, i - 1))
            cross(run, i - 1, order_at(run, i - 1), history.m + 1, m, last, run->sample);
        memcpy(last, run->sample, n * sizeof *last);
        cross(run, i, order_at(run, i), history.m, NULL, last, run->sample);
        code = run->step_done(run, i, run->sample);
    }
    return code;
}

static const struct clat_alias aliases[] = {
    {"UniPC bh1", "solver_type=bh1,final_sigmas_type=sigma_min"}, {"uni_pc_bh2", "solver_type=bh2"},
    {"UniPC 3", "solver_order=3"}, {NULL, NULL}};

static const struct clat_foreign foreign[] = {{"solver_type", "midpoint", "bh2"},
    {"solver_type", "heun", "bh2"}, {"solver_type", "logrho", "bh2"}, {NULL, NULL, NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "unipc",
    .class_name = "UniPCMultistepScheduler",
    .title = "UniPC: predictor and corrector from one evaluation a step",
    .source = "Zhao et al. 2023, arXiv 2302.04867",
    .version = "1",
    .aliases = aliases,
    .foreign = foreign,
    .space = CLAT_VARIANCE_PRESERVING,
    .order = 3,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
