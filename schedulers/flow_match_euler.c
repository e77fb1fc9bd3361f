/* flow_match_euler.c - Euler along a rectified flow. SPDX-License-Identifier: MIT
 *
 * Lipman et al. 2022, arXiv 2210.02747; Esser et al. 2024, arXiv 2403.03206: a sample is
 * x = (1 - s) x0 + s e, and the network gives the velocity v = e - x0:
 *
 *     x' = x + (s' - s) v
 *
 * Levels s are even in 1..0 and then shifted towards noise, s -> a s / (1 + (a - 1) s). Arithmetic,
 * options and defaults are those of diffusers' FlowMatchEulerDiscreteScheduler, which shifts the
 * lowest level twice. */
#include <clatent-scheduler.h>
#include <limits.h>
#include <math.h>

enum time_shift { SHIFT_EXPONENTIAL, SHIFT_LINEAR };

struct options {
    struct clat_levels levels;
    int num_train_timesteps, use_dynamic_shifting, invert_sigmas, time_shift_type;
    int stochastic_sampling, image_seq_len, base_image_seq_len, max_image_seq_len;
    double shift, base_shift, max_shift, shift_terminal, mu;
};

#define ROW(type, name, standard, low, high, help)                                                 \
    {                                                                                              \
#name, type, offsetof(struct options, name), standard, low, high, NULL, help               \
    }

static const struct clat_option options[] = {
    ROW(CLAT_INT, num_train_timesteps, "1000", 1, 100000, "timestep of pure noise"),
    ROW(CLAT_REAL, shift, "1", 1e-6, 1e6, "how far levels are shifted towards noise"),
    ROW(CLAT_BOOL, use_dynamic_shifting, "false", 0, 0, "shift by mu instead"),
    ROW(CLAT_REAL, mu, "null", -100, 100, "logarithm of the dynamic shift"),
    ROW(CLAT_INT, image_seq_len, "null", 1, 1e9, "tokens of the image: mu follows from it"),
    ROW(CLAT_REAL, base_shift, "0.5", -100, 100, "mu of base_image_seq_len"),
    ROW(CLAT_REAL, max_shift, "1.15", -100, 100, "mu of max_image_seq_len"),
    ROW(CLAT_INT, base_image_seq_len, "256", 1, 1e9, "tokens of a small image"),
    ROW(CLAT_INT, max_image_seq_len, "4096", 1, 1e9, "tokens of a large image"),
    ROW(CLAT_BOOL, invert_sigmas, "false", 0, 0, "from image to noise"),
    ROW(CLAT_REAL, shift_terminal, "null", 0, 0.999, "levels are stretched to end here"),
    {"time_shift_type", CLAT_CHOICE, offsetof(struct options, time_shift_type), "exponential", 0, 0,
        CLAT_CHOICES("exponential", "linear"), "whether mu is a logarithm"},
    ROW(CLAT_BOOL, stochastic_sampling, "false", 0, 0, "fresh noise at every step"),
    CLAT_CURVE_ROWS(options, levels),
    {"sigmas", CLAT_REALS, offsetof(struct options, levels.sigmas), "null", 0, 1, NULL,
        "all levels before the shift, instead of an even spacing"},
    {"timesteps", CLAT_REALS, offsetof(struct options, levels.timesteps), "null", 0, 1e5, NULL,
        "what the network sees; levels follow from it unless there are sigmas"},
    {NULL}};

/* ---- levels --------------------------------------------------------------------------------- */

/* mu, or what follows from the size of the image: linear in its tokens. */
static double dynamic_shift(const struct options *o)
{
    double slope = (o->max_shift - o->base_shift) / (o->max_image_seq_len - o->base_image_seq_len);
    if (!isnan(o->mu))
        return o->mu;
    return o->image_seq_len * slope + (o->base_shift - slope * o->base_image_seq_len);
}

static double shifted(const struct options *o, double s)
{
    if (!o->use_dynamic_shifting)
        return o->shift * s / (1 + (o->shift - 1) * s);
    double mu = dynamic_shift(o), a = o->time_shift_type == SHIFT_LINEAR ? mu : exp(mu);
    return a / (a + (1 / s - 1));
}

/* The static shift in float32. */
static float shifted_float(const struct options *o, float s)
{
    return (float)o->shift * s / (1 + (float)(o->shift - 1) * s);
}

/* The level of the model's timestep t; a dynamic shift comes later. */
static double level_of(const struct options *o, int t)
{
    float s = (float)t / (float)o->num_train_timesteps;
    return (double)(o->use_dynamic_shifting ? s : shifted_float(o, s));
}

/* Level i of an even spacing from the model's highest to its lowest. */
static double even(const struct options *o, int count, int i)
{
    double train = o->num_train_timesteps;
    double first = level_of(o, o->num_train_timesteps) * train, last = level_of(o, 1) * train;
    if (i == count - 1 && count > 1)
        return last / train;
    return (i ? i * ((last - first) / (count - 1)) + first : first) / train;
}

/* Level i: an even one, shifted; or the user's, shifted in float32. */
static double level_at(const struct options *o, int count, int i)
{
    float own;
    if (o->levels.sigmas.count)
        own = (float)o->levels.sigmas.values[i];
    else if (o->levels.timesteps.count)
        own = (float)o->levels.timesteps.values[i] / (float)o->num_train_timesteps;
    else
        return shifted(o, even(o, count, i));
    return o->use_dynamic_shifting ? shifted(o, (double)own) : (double)shifted_float(o, own);
}

/* Levels are stretched so that the last one is shift_terminal. */
static void stretch(double terminal, int count, double *s)
{
    double scale = (1 - s[count - 1]) / (1 - terminal);
    for (int i = 0; i < count; i++)
        s[i] = 1 - (1 - s[i]) / scale;
}

/* What is wrong with the options, or NULL. */
static const char *conflict(const struct options *o)
{
    const struct clat_reals *sigmas = &o->levels.sigmas, *times = &o->levels.timesteps;
    if (o->use_dynamic_shifting && isnan(o->mu) && o->image_seq_len == INT_MIN)
        return "use_dynamic_shifting needs mu or image_seq_len";
    if (o->base_image_seq_len >= o->max_image_seq_len)
        return "base_image_seq_len must be below max_image_seq_len";
    if (sigmas->count && times->count && sigmas->count != times->count)
        return "sigmas and timesteps must be equally many";
    return NULL;
}

/* All in 0..1, above 0, and none above the one before. */
static int is_falling(const double *s, int count)
{
    for (int i = 0; i < count; i++)
        if (!(s[i] > 0 && s[i] <= (i ? s[i - 1] : 1)))
            return 0;
    return 1;
}

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    const struct clat_reals *sigmas = &o->levels.sigmas, *times = &o->levels.timesteps;
    size_t given = sigmas->count ? sigmas->count : times->count;
    int count = given ? (int)given : plan->steps;
    double *s = plan->timesteps; /* levels, for the time being */
    if (conflict(o))
        return run->fail(run, conflict(o));
    for (int i = 0; i < count; i++)
        s[i] = level_at(o, count, i);
    if (o->shift_terminal > 0)
        stretch(o->shift_terminal, count, s);
    if (!is_falling(s, count))
        return run->fail(run, "levels must be above 0, at most 1, and fall");
    int code = run->tools->sigma_curve(run, &o->levels, s[count - 1], s[0], count, s);
    for (int i = 0; !code && i < count; i++) {
        float level = o->invert_sigmas ? 1 - (float)s[i] : (float)s[i];
        plan->sigmas[i] = plan->noise[i] = level;
        plan->signal[i] = 1 - level;
        plan->timesteps[i] = times->count && !o->invert_sigmas
                                 ? (double)(float)times->values[i]
                                 : (double)(level * (float)o->num_train_timesteps);
    }
    plan->sigmas[count] = o->invert_sigmas ? 1 : 0;
    plan->count = plan->evaluations = count;
    return code;
}

/* ---- the loop ------------------------------------------------------------------------------- */

/* x' = (1 - s') x0 + s' z */
static int step_stochastic(struct clat_run *run, float s, float next, const float *v, float *z)
{
    float *x = run->sample;
    int code = run->noise(run, z);
    for (size_t i = 0; !code && i < run->images * run->elements; i++)
        x[i] = (1 - next) * (x[i] - s * v[i]) + next * z[i];
    return code;
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    size_t n = run->images * run->elements;
    float *x = run->sample, *v = run->scratch(run, n), *z = run->scratch(run, n);
    if (!v || !z)
        return run->fail(run, "no memory");

    for (int i = plan->first; i < plan->count; i++) {
        float s = plan->sigmas[i], next = plan->sigmas[i + 1];
        int code = run->evaluate(run, x, 1, plan->timesteps[i], v);
        if (!code && o->stochastic_sampling)
            code = step_stochastic(run, s, next, v, z);
        for (size_t k = 0; !code && !o->stochastic_sampling && k < n; k++)
            x[k] += (next - s) * v[k];
        if (code || (code = run->step_done(run, i, x)))
            return code;
    }
    return 0;
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "flow_match_euler",
    .class_name = "FlowMatchEulerDiscreteScheduler",
    .title = "Euler along a rectified flow",
    .source = "Lipman et al. 2022, arXiv 2210.02747; Esser et al. 2024, arXiv 2403.03206",
    .version = "1",
    .space = CLAT_VARIANCE_PRESERVING,
    .network = CLAT_FLOW_NETWORK,
    .order = 1,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
