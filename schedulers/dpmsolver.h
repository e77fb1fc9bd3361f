/* dpmsolver.h - one step of DPM-Solver, as its multistep, singlestep and EDM plugins share it.
 * Private to schedulers/. SPDX-License-Identifier: MIT
 *
 * From level s over h = lambda_t - lambda_s to level t, with D0 the prediction at s and D1, D2 its
 * first and second differences in lambda:
 *
 *     x_t = a x_s + b0 D0 + b1 D1 + b2 D2 + c z
 *
 * The four algorithms differ in the five coefficients: dpmsolver integrates epsilon (Lu et al.
 * 2022, arXiv 2206.00927, equation 3.7), dpmsolver++ x0 (arXiv 2211.01095, equation 8), and the
 * sde- ones add fresh noise z (its section 5). */
#ifndef CLATENT_SCHEDULERS_DPMSOLVER_H
#define CLATENT_SCHEDULERS_DPMSOLVER_H

#include "solver.h"

enum { DPMSOLVER, DPMSOLVER_PP, SDE_DPMSOLVER_PP, SDE_DPMSOLVER }; /* algorithm_type */
enum { MIDPOINT, HEUN };                                           /* solver_type */

#define DPM_ROWS(options, field)                                                                   \
    LAMBDA_MIN_ROW(options, field), VARIANCE_ROW(options, field),                                  \
        CLAT_TIMESTEPS_ROW(options, field.levels.timesteps),                                       \
    {                                                                                              \
        "sigmas", CLAT_REALS, offsetof(struct options, field.levels.sigmas), "null", 0, 1e6, NULL, \
            "sigmas to visit and the one to end at, falling, instead of a spacing"                 \
    }

struct terms {
    float a, b0, b1, b2, c;
};

/* Of dpmsolver: phi_k are those of exponential integrators, times h^k. */
static inline struct terms terms_epsilon(int type, struct level t, struct level s, float h)
{
    float e = exp_once(h) - 1;
    return (struct terms){
        .a = t.alpha / s.alpha,
        .b0 = -(t.sigma * e),
        .b1 = type == MIDPOINT ? -(0.5f * (t.sigma * e)) : -(t.sigma * (e / h - 1)),
        .b2 = -(t.sigma * ((e - h) / (h * h) - 0.5f)),
    };
}

static inline struct terms terms_x0(int type, struct level t, struct level s, float h)
{
    float e = exp_once(-h) - 1;
    return (struct terms){
        .a = t.sigma / s.sigma,
        .b0 = -(t.alpha * e),
        .b1 = type == MIDPOINT ? -(0.5f * (t.alpha * e)) : t.alpha * (e / h + 1),
        .b2 = -(t.alpha * ((e + h) / (h * h) - 0.5f)),
    };
}

/* Of sde-dpmsolver: no third order is known. */
static inline struct terms terms_epsilon_sde(int type, struct level t, struct level s, float h)
{
    float e = exp_once(h) - 1;
    return (struct terms){
        .a = t.alpha / s.alpha,
        .b0 = -(2 * (t.sigma * e)),
        .b1 = type == MIDPOINT ? -(t.sigma * e) : -(2 * (t.sigma * (e / h - 1))),
        .c = t.sigma * sqrtf(exp_once(2 * h) - 1),
    };
}

static inline struct terms terms_x0_sde(int type, struct level t, struct level s, float h)
{
    float q = 1 - exp_once(-2 * h);
    return (struct terms){
        .a = t.sigma / s.sigma * exp_once(-h),
        .b0 = t.alpha * q,
        .b1 = type == MIDPOINT ? 0.5f * (t.alpha * q) : t.alpha * (q / (-2 * h) + 1),
        .b2 = t.alpha * ((q - 2 * h) / (2 * h * (2 * h)) - 0.5f),
        .c = t.sigma * sqrtf(q),
    };
}

/* The step of `algorithm` from s to t. */
static inline struct terms terms_of(int algorithm, int type, struct level t, struct level s)
{
    float h = t.lambda - s.lambda;
    if (algorithm == DPMSOLVER)
        return terms_epsilon(type, t, s, h);
    if (algorithm == DPMSOLVER_PP)
        return terms_x0(type, t, s, h);
    if (algorithm == SDE_DPMSOLVER)
        return terms_epsilon_sde(type, t, s, h);
    return terms_x0_sde(type, t, s, h);
}

/* x_t from x_s = x into `out`, which may be x. D1 (orders above 1), D2 (above 2) and z may be NULL.
 */
static inline void terms_sum(struct terms k, size_t n, const float *x, const float *d0,
    const float *d1, const float *d2, const float *z, float *out)
{
    for (size_t i = 0; i < n; i++) {
        float sum = k.a * x[i] + k.b0 * d0[i];
        if (d1)
            sum += k.b1 * d1[i];
        if (d2)
            sum += k.b2 * d2[i];
        if (z)
            sum += k.c * z[i];
        out[i] = sum;
    }
}

static inline int is_stochastic(int algorithm)
{
    return algorithm == SDE_DPMSOLVER || algorithm == SDE_DPMSOLVER_PP;
}

static inline int predicts_x0(int algorithm)
{
    return algorithm == DPMSOLVER_PP || algorithm == SDE_DPMSOLVER_PP;
}

/* Why there is no such algorithm for these options, or for where the plan ends; or NULL. */
static inline const char *terms_missing(
    int algorithm, const struct solver *o, const struct clat_plan *plan)
{
    if (o->variance_type >= 0)
        return VARIANCE_REFUSED;
    if (predicts_x0(algorithm))
        return NULL;
    if (plan->sigmas[plan->count] == 0)
        return "algorithm_type dpmsolver and sde-dpmsolver do not reach noise 0: they need "
               "final_sigmas_type sigma_min";
    if (o->prediction_type == FLOW_PREDICTION)
        return "prediction_type flow_prediction needs algorithm_type dpmsolver++ or "
               "sde-dpmsolver++";
    return NULL;
}

/* ---- divided differences of a multistep method ---------------------------------------------- */

/* D1 of order 2 from the predictions m[0] at s0 and m[1] at s1. */
static inline void differences_2(
    struct level t, struct level s0, struct level s1, size_t n, float *const *m, float *d1)
{
    float r = (s0.lambda - s1.lambda) / (t.lambda - s0.lambda), inverse = 1 / r;
    for (size_t i = 0; i < n; i++)
        d1[i] = inverse * (m[0][i] - m[1][i]);
}

/* D1 and D2 of order 3: with m[2] at s2. */
static inline void differences_3(struct level t, struct level s0, struct level s1, struct level s2,
    size_t n, float *const *m, float *d1, float *d2)
{
    float h = t.lambda - s0.lambda;
    float r0 = (s0.lambda - s1.lambda) / h, r1 = (s1.lambda - s2.lambda) / h;
    float inverse0 = 1 / r0, inverse1 = 1 / r1, part = r0 / (r0 + r1), inverse = 1 / (r0 + r1);
    for (size_t i = 0; i < n; i++) {
        float a = inverse0 * (m[0][i] - m[1][i]), b = inverse1 * (m[1][i] - m[2][i]);
        d1[i] = a + part * (a - b);
        d2[i] = inverse * (a - b);
    }
}

/* ---- what a run works with ------------------------------------------------------------------ */

struct work {
    struct history history;
    float *d1, *d2, *first; /* differences; the first sample of a block (singlestep) */
    float *z;               /* noise; NULL for what is deterministic */
};

/* 0, or the code to return. */
static inline int work_open(struct clat_run *run, int algorithm, int depth, struct work *work)
{
    size_t n = run->images * run->elements;
    int code = history_open(run, depth, &work->history);
    if (code)
        return code;
    work->d1 = run->scratch(run, n);
    work->d2 = run->scratch(run, n);
    work->first = run->scratch(run, n);
    work->z = is_stochastic(algorithm) ? run->scratch(run, n) : NULL;
    if (!work->d1 || !work->d2 || !work->first || (is_stochastic(algorithm) && !work->z))
        return run->fail(run, "no memory");
    return 0;
}

/* Asks the network at step i, keeps what it predicts, and draws the noise of the step. */
static inline int work_evaluate(
    struct clat_run *run, const struct solver *o, int algorithm, int i, struct work *work)
{
    float *m = history_push(&work->history);
    int code = run->evaluate(run, run->sample, 1, run->plan->timesteps[i], m);
    if (code)
        return code;
    if (predicts_x0(algorithm))
        predict_x0(run, o, i, m, work->d1);
    else
        predict_epsilon(run, o, i, m, work->d1);
    return work->z ? run->noise(run, work->z) : 0;
}

/* ---- a multistep step ----------------------------------------------------------------------- */

/* The next step of run->sample, of `order`, to l[0] from l[1]; l[2], l[3] are the levels before. */
static inline void step_multistep(struct clat_run *run, int algorithm, int type, int order,
    const struct level *l, const struct work *work)
{
    size_t n = run->images * run->elements;
    if (order > 1 && l[0].lambda == l[1].lambda)
        order = 1; /* the higher ones divide by a length that is lost in rounding */
    float *const *m = work->history.m, *d1 = order > 1 ? work->d1 : NULL;
    float *d2 = order > 2 ? work->d2 : NULL;
    if (l[0].ratio == l[1].ratio)
        return; /* curves that end at sigma_min are there a step early */
    if (order == 2)
        differences_2(l[0], l[1], l[2], n, m, d1);
    if (order == 3)
        differences_3(l[0], l[1], l[2], l[3], n, m, d1, d2);
    struct terms k = terms_of(algorithm, order == 3 ? HEUN : type, l[0], l[1]);
    terms_sum(k, n, run->sample, m[0], d1, d2, work->z, run->sample);
}

#endif
