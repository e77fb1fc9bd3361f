/* sigma_plan.c - the levels of Euler and its kin. SPDX-License-Identifier: MIT
 *
 * Spaced timesteps (fractional with linspace) are read off the model's table of sigmas; a curve
 * replaces those sigmas between their own first and last, and timesteps follow from the curve.
 * plan->timesteps is the only array of doubles, so it holds the sigmas of a curve for a moment. */
#include "sampling/noise_schedule.h"
#include "sampling/rounding.h"
#include "sampling/sigmas.h"

#include <math.h>

struct sigma_plan {
    const struct clat_levels *levels;
    struct clat_plan *plan;
    const float *table; /* [train] */
    int train;
};

/* Timesteps of float32 classes are rounded; those of DPM2 and DPM-Solver SDE are not. */
static double timestep_rounded(const struct sigma_plan *p, double timestep)
{
    return p->levels->double_timesteps ? timestep : (double)(float)timestep;
}

static void space_timesteps(const struct sigma_plan *p)
{
    const struct clat_levels *levels = p->levels;
    struct clat_plan *plan = p->plan;
    plan->count = levels->timesteps.count ? (int)levels->timesteps.count : plan->steps;
    if (!levels->timesteps.count && levels->timestep_spacing != CLAT_LINSPACE)
        noise_schedule_tools.timesteps(
            levels->timestep_spacing, p->train, plan->count, levels->steps_offset, plan->timesteps);
    for (int i = 0; i < plan->count; i++) {
        if (levels->timesteps.count)
            plan->timesteps[i] = levels->timesteps.values[i];
        else if (levels->timestep_spacing == CLAT_LINSPACE)
            plan->timesteps[i] = linspace_double(0, p->train - 1, plan->count, plan->count - 1 - i);
        plan->timesteps[i] = timestep_rounded(p, plan->timesteps[i]);
    }
}

/* Entry i of count + 1 sigmas evenly spread in the logarithm over the whole table, to its lowest:
 * diffusers' interpolation_type log_linear, in float32. */
static float log_linear_at(const struct sigma_plan *p, int i)
{
    float first = log_float(p->table[p->train - 1]), last = log_float(p->table[0]);
    return (float)exp((double)linspace_float(first, last, p->plan->count + 1, i));
}

static void sigmas_of_timesteps(const struct sigma_plan *p)
{
    struct clat_plan *plan = p->plan;
    for (int i = 0; i < plan->count; i++)
        plan->sigmas[i] = (float)sigmas_at(p->table, p->train, plan->timesteps[i]);
    plan->sigmas[plan->count] = sigmas_final(p->levels, p->table);
    for (int i = 0; p->levels->log_linear && i <= plan->count; i++)
        plan->sigmas[i] = log_linear_at(p, i);
}

/* Curves start and end where the sigmas they replace do. */
static void follow_curve(const struct sigma_plan *p)
{
    struct clat_plan *plan = p->plan;
    int last = plan->count - 1;
    double high = sigmas_at(p->table, p->train, plan->timesteps[0]);
    double low = sigmas_at(p->table, p->train, plan->timesteps[last]);
    if (p->levels->log_linear) {
        high = (double)plan->sigmas[0];
        low = (double)plan->sigmas[plan->count];
    }
    if (!sigmas_curve(p->levels, low, high, plan->count, plan->timesteps))
        return;
    for (int i = 0; i < plan->count; i++) {
        double sigma = plan->timesteps[i];
        plan->sigmas[i] = (float)sigma;
        plan->timesteps[i] = timestep_rounded(p, sigmas_timestep(p->table, p->train, sigma));
    }
    plan->sigmas[plan->count] = sigmas_final(p->levels, p->table);
}

static void take_sigmas(const struct sigma_plan *p)
{
    struct clat_plan *plan = p->plan;
    plan->count = (int)p->levels->sigmas.count - 1;
    for (int i = 0; i <= plan->count; i++)
        plan->sigmas[i] = (float)p->levels->sigmas.values[i];
    for (int i = 0; i < plan->count; i++)
        plan->timesteps[i] =
            timestep_rounded(p, sigmas_timestep_mixed(p->table, p->train, plan->sigmas[i]));
}

static const char *spacing_conflict(const struct sigma_plan *p)
{
    const struct clat_levels *levels = p->levels;
    if (levels->timesteps.count || levels->sigmas.count ||
        levels->timestep_spacing == CLAT_LINSPACE)
        return NULL;
    if (p->plan->steps > p->train)
        return "num_inference_steps is larger than num_train_timesteps";
    if (levels->timestep_spacing == CLAT_LEADING &&
        p->train / p->plan->steps * (p->plan->steps - 1) + levels->steps_offset > p->train - 1)
        return "steps_offset puts the first timestep past the last one the model was trained with";
    return NULL;
}

/* What is wrong with the options, or NULL. */
static const char *conflict(const struct sigma_plan *p)
{
    const char *sentence = sigmas_conflict(p->levels, p->train);
    if (!sentence)
        sentence = spacing_conflict(p);
    if (!sentence && !sigmas_are_usable(p->table, p->train))
        sentence = "the betas make levels without noise or without signal, which have no sigma";
    return sentence;
}

/* Start noise stands for noise alone; leading spacing starts below the model's last level, where
 * there is an x0 of spread 1 in the sample, too. */
static float start_sigma(const struct sigma_plan *p)
{
    float largest = p->plan->sigmas[0];
    return p->levels->timestep_spacing == CLAT_LEADING ? sqrtf(largest * largest + 1) : largest;
}

int sigmas_plan(struct clat_run *run, const struct clat_levels *levels, struct clat_plan *plan)
{
    int train = noise_schedule_tools.train_timesteps(&levels->schedule);
    float *table = run->scratch(run, (size_t)train);
    if (!table)
        return run->fail(run, "no memory");
    sigmas_table(&levels->schedule, table);
    struct sigma_plan p = {levels, plan, table, train};
    if (conflict(&p))
        return run->fail(run, conflict(&p));
    if (levels->sigmas.count) {
        take_sigmas(&p);
    } else {
        space_timesteps(&p);
        sigmas_of_timesteps(&p);
        follow_curve(&p);
    }
    if (plan->count > 1 && !(plan->sigmas[plan->count - 1] < plan->sigmas[0]))
        return run->fail(run, "sigmas do not fall: is sigma_min below sigma_max?");
    plan->evaluations = plan->count;
    plan->init_noise_sigma = start_sigma(&p);
    for (int i = 0; i < plan->count; i++) {
        plan->signal[i] = 1;
        plan->noise[i] = plan->sigmas[i];
    }
    return 0;
}
