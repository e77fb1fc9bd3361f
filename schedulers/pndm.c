/* pndm.c - pseudo numerical methods for diffusion models. SPDX-License-Identifier: MIT
 *
 * Liu, Ren, Lin, Zhao 2022, arXiv 2202.09778. The transfer (equation 9) moves a sample from
 * cumulative alpha a to p with an epsilon that is not DDIM's own but a better one:
 *
 *     x' = sqrt(p / a) x - (p - a) e / (a sqrt(1 - p) + sqrt(a (1 - a) p))
 *
 * - linear multistep (equation 12): e is an Adams-Bashforth sum of the last four epsilons;
 * - Runge-Kutta (equation 13): four evaluations a step. It warms the history up, three steps;
 * - skip_prk_steps: instead, the first step is one of improved Euler with two evaluations, and the
 *   order of the sums grows (PLMS, as in the programs of latent diffusion).
 *
 * Arithmetic is float32 in the order of diffusers' PNDMScheduler, whose options these are. The
 * warm-up starts wherever a run starts; diffusers, in the middle, repeats the wrong timestep
 * (kept with compat). */
#include <clatent-scheduler.h>
#include <math.h>
#include <string.h>

#define WARM_UP 3 /* Runge-Kutta steps */

enum { EPSILON, V_PREDICTION }; /* of prediction_type */

struct options {
    struct clat_levels levels;
    int skip_prk_steps, set_alpha_to_one, prediction_type;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.0001", "0.02", "linear"),
    {"skip_prk_steps", CLAT_BOOL, offsetof(struct options, skip_prk_steps), "false", 0, 0, NULL,
        "start without the three Runge-Kutta steps of four evaluations"},
    {"set_alpha_to_one", CLAT_BOOL, offsetof(struct options, set_alpha_to_one), "false", 0, 0, NULL,
        "the last step ends at alpha 1, else at that of timestep 0"},
    {"prediction_type", CLAT_CHOICE, offsetof(struct options, prediction_type), "epsilon", 0, 0,
        CLAT_CHOICES("epsilon", "v_prediction"), "what the network predicts"},
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "leading"), {NULL}};

/* ---- plan ----------------------------------------------------------------------------------- */

/* In diffusers the list to be cut in the middle has the second timestep twice, so that it starts a
 * level too high, goes to its own start's level in the second evaluation, and skips one later. The
 * start of such a run takes the timestep before its own; its own waits there. */
static int start_late(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    int first = plan->count - (int)(plan->count * plan->strength);
    if (first == 0 || first >= plan->count)
        return 0;
    if (!o->skip_prk_steps)
        return run->fail(run, "diffusers cannot start in the middle with Runge-Kutta steps: set "
                              "skip_prk_steps, or leave compat off");
    if (first > 1) {
        double own = plan->timesteps[first];
        plan->timesteps[first] = plan->timesteps[first - 1];
        plan->timesteps[first - 1] = own;
        plan->signal[first] = plan->signal[first - 1];
        plan->noise[first] = plan->noise[first - 1];
    }
    return 0;
}

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    int code = run->tools->plan_alphas(run, &o->levels, o->prediction_type, plan);
    if (code)
        return code;
    int others = plan->count - 1, warm = others < WARM_UP ? others : WARM_UP;
    plan->evaluations += o->skip_prk_steps ? others > 0 : 3 * warm;
    return run->compat ? start_late(run, plan) : 0;
}

/* ---- run ------------------------------------------------------------------------------------ */

struct solver {
    struct clat_run *run;
    size_t n;            /* values of the sample */
    int train, stride;   /* timesteps trained; from a level to the next */
    float final;         /* cumulative alpha after the last step */
    float *alphas;       /* [train] */
    float *history[4];   /* epsilons, newest first */
    int count;           /* of them */
    float *start, *mean; /* the sample at the start of a step; the epsilon to go with */
};

static float alpha_at(const struct solver *s, double timestep)
{
    int t = (int)timestep;
    return t < 0 ? s->final : s->alphas[t < s->train ? t : s->train - 1];
}

/* The sample from x at timestep `from` to timestep `to`, with epsilon e (or v). */
static void transfer(const struct solver *s, const float *x, double from, double to, const float *e)
{
    const struct options *o = s->run->options;
    float a = alpha_at(s, from), p = alpha_at(s, to);
    float of_x = sqrtf(p / a), of_e = p - a, below = a * sqrtf(1 - p) + sqrtf(a * (1 - a) * p);
    float root = sqrtf(a), noise_root = sqrtf(1 - a);
    for (size_t i = 0; i < s->n; i++) {
        float epsilon = o->prediction_type == V_PREDICTION ? root * e[i] + noise_root * x[i] : e[i];
        s->run->sample[i] = of_x * x[i] - of_e * epsilon / below;
    }
}

/* Makes place for the newest epsilon; the fifth is forgotten. */
static float *push(struct solver *s)
{
    float *place = s->history[3];
    for (int i = 3; i > 0; i--)
        s->history[i] = s->history[i - 1];
    s->count += s->count < 4;
    return s->history[0] = place;
}

/* Adams-Bashforth sum of the epsilons there are. */
static void sum_history(struct solver *s)
{
    const float *e = s->history[0], *e1 = s->history[1], *e2 = s->history[2], *e3 = s->history[3];
    for (size_t i = 0; i < s->n; i++)
        if (s->count == 1)
            s->mean[i] = e[i];
        else if (s->count == 2)
            s->mean[i] = (3 * e[i] - e1[i]) / 2;
        else if (s->count == 3)
            s->mean[i] = (23 * e[i] - 16 * e1[i] + 5 * e2[i]) / 12;
        else
            s->mean[i] = (float)(1.0 / 24) * (55 * e[i] - 59 * e1[i] + 37 * e2[i] - 9 * e3[i]);
}

static int multistep(struct solver *s, double t)
{
    int code = s->run->evaluate(s->run, s->run->sample, 1, t, push(s));
    sum_history(s);
    transfer(s, s->run->sample, t, t - s->stride, s->mean);
    return code;
}

/* The first step of PLMS: to the next level, then from the start again with the mean of both
 * epsilons. */
static int improved_euler(struct solver *s, double t, double next)
{
    memcpy(s->start, s->run->sample, s->n * sizeof *s->start);
    int code = multistep(s, t);
    if (code || (code = s->run->evaluate(s->run, s->run->sample, 1, next, s->mean)))
        return code;
    for (size_t i = 0; i < s->n; i++)
        s->mean[i] = (s->mean[i] + s->history[0][i]) / 2;
    transfer(s, s->start, next + s->stride, next, s->mean);
    return 0;
}

/* Epsilons at t, twice in the middle, and at the next level, each where the one before it led;
 * their mean has weights 1/6, 1/3, 1/3, 1/6. */
static int runge_kutta(struct solver *s, double t, double next)
{
    static const float weights[] = {
        (float)(1.0 / 6), (float)(1.0 / 3), (float)(1.0 / 3), (float)(1.0 / 6)};
    int half = s->stride / 2;
    double at[] = {t, next + half, next + half, next}, to[] = {t - half, next + half, next, next};
    float *e = push(s);
    memcpy(s->start, s->run->sample, s->n * sizeof *s->start);
    memset(s->mean, 0, s->n * sizeof *s->mean);
    for (int k = 0; k < 4; k++) {
        int code = s->run->evaluate(s->run, s->run->sample, 1, at[k], e);
        if (code)
            return code;
        for (size_t i = 0; i < s->n; i++)
            s->mean[i] += weights[k] * e[i];
        transfer(s, s->start, t, to[k], k < 3 ? e : s->mean);
        e = s->history[3]; /* unused during the warm-up */
    }
    return 0;
}

/* Where the second evaluation of a PLMS run is; below 0: nowhere, there is one level alone. */
static double second_timestep(const struct clat_run *run)
{
    int first = run->plan->first;
    if (run->compat && first > 0)
        return run->plan->timesteps[first > 1 ? first - 1 : 1];
    return first + 1 < run->plan->count ? run->plan->timesteps[first + 1] : -1;
}

static int step(struct solver *s, int i)
{
    const struct options *o = s->run->options;
    const struct clat_plan *plan = s->run->plan;
    double t = plan->timesteps[i], second = second_timestep(s->run);
    int done = i - plan->first;
    if (!o->skip_prk_steps && done < WARM_UP && i + 1 < plan->count)
        return runge_kutta(s, t, plan->timesteps[i + 1]);
    if (o->skip_prk_steps && done == 0 && second >= 0)
        return improved_euler(s, t, second);
    return multistep(s, t);
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    struct solver s = {.run = run, .n = run->images * run->elements};
    s.train = run->tools->train_timesteps(&o->levels.schedule);
    s.stride = s.train / run->plan->steps;
    s.alphas = run->scratch(run, (size_t)s.train);
    s.start = run->scratch(run, s.n);
    s.mean = run->scratch(run, s.n);
    for (int i = 0; i < 4; i++)
        s.history[i] = run->scratch(run, s.n);
    if (!s.alphas || !s.start || !s.mean || !s.history[0] || !s.history[1] || !s.history[2] ||
        !s.history[3])
        return run->fail(run, "no memory");
    run->tools->alphas_cumprod(&o->levels.schedule, s.alphas);
    s.final = o->set_alpha_to_one ? 1 : s.alphas[0];
    for (int i = run->plan->first, code; i < run->plan->count; i++)
        if ((code = step(&s, i)) || (code = run->step_done(run, i, run->sample)))
            return code;
    return 0;
}

static const struct clat_alias aliases[] = {{"PLMS", "skip_prk_steps=true"}, {NULL, NULL}};

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "pndm",
    .class_name = "PNDMScheduler",
    .title = "PNDM and PLMS: linear multistep of four evaluations",
    .source = "Liu, Ren, Lin, Zhao 2022, arXiv 2202.09778, equations 9, 12, 13",
    .version = "1",
    .aliases = aliases,
    .space = CLAT_VARIANCE_PRESERVING,
    .order = 2, /* the transfer between levels is of second order: property 3.2 of the paper */
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
