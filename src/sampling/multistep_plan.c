/* multistep_plan.c - the levels of DPM-Solver and its kin. SPDX-License-Identifier: MIT
 *
 * They space one timestep more than there are steps and drop the last, so that the step to the end
 * is about as long as the others; timesteps are whole. A curve replaces all that and runs over the
 * model's whole table, whatever the spacing. */
#include "sampling/noise_schedule.h"
#include "sampling/rounding.h"
#include "sampling/sigmas.h"

#include <math.h>

struct multistep_plan {
    const struct clat_levels *levels;
    struct clat_plan *plan;
    const float *table; /* [train] */
    int train;
};

/* How many timesteps, from T - 1 down, are left out: those of a lambda = -log(sigma) below
 * lambda_min_clipped. */
static int timesteps_clipped(const struct multistep_plan *p)
{
    int clipped = 0;
    while (p->levels->lambda_min_clipped < 0 && clipped < p->train &&
           -log((double)p->table[p->train - 1 - clipped]) < p->levels->lambda_min_clipped)
        clipped++;
    return clipped;
}

/* Trailing steps keep their length where timesteps are clipped, and get fewer. */
static void space_trailing(const struct multistep_plan *p, int left)
{
    struct clat_plan *plan = p->plan;
    double length = (double)p->train / plan->steps, timestep;
    plan->count = 0;
    while (plan->count < plan->steps && (timestep = rint(left - plan->count * length)) > 0)
        plan->timesteps[plan->count++] = timestep - 1;
}

static void space_timesteps(const struct multistep_plan *p)
{
    const struct clat_levels *levels = p->levels;
    struct clat_plan *plan = p->plan;
    int left = p->train - timesteps_clipped(p);
    plan->count = levels->timesteps.count ? (int)levels->timesteps.count : plan->steps;
    for (int i = 0; i < (int)levels->timesteps.count; i++)
        plan->timesteps[i] = trunc(levels->timesteps.values[i]);
    if (levels->timesteps.count)
        return;
    if (left < 1)
        plan->count = 0;
    else if (levels->timestep_spacing == CLAT_TRAILING)
        space_trailing(p, left);
    else
        noise_schedule_tools.timesteps(
            levels->timestep_spacing, left, plan->steps + 1, levels->steps_offset, plan->timesteps);
}

/* The whole timestep of a curve's sigma: rounded for karras and lu, else its integer part, as the
 * classes of diffusers do it. */
static double timestep_of_curve(const struct multistep_plan *p, double sigma)
{
    const struct clat_levels *levels = p->levels;
    double timestep = sigmas_timestep(p->table, p->train, sigma);
    if (levels->double_timesteps)
        return timestep;
    return levels->use_karras_sigmas || levels->use_lu_lambdas ? rint(timestep) : trunc(timestep);
}

/* plan->timesteps, the only array of doubles, holds the sigmas of the curve for a moment. */
static void follow_curve(const struct multistep_plan *p)
{
    struct clat_plan *plan = p->plan;
    double low = (double)p->table[0], high = (double)p->table[p->train - 1];
    plan->count = plan->steps;
    if (p->levels->use_flow_sigmas)
        sigmas_flow(p->levels->flow_shift > 0 ? p->levels->flow_shift : 1, p->train, plan->count,
            plan->timesteps);
    else
        sigmas_curve(p->levels, low, high, plan->count, plan->timesteps);
    for (int i = 0; i < plan->count; i++) {
        double sigma = plan->timesteps[i];
        plan->sigmas[i] = (float)sigma;
        plan->timesteps[i] =
            p->levels->use_flow_sigmas ? trunc(sigma * p->train) : timestep_of_curve(p, sigma);
    }
}

static void take_sigmas(const struct multistep_plan *p)
{
    struct clat_plan *plan = p->plan;
    plan->count = (int)p->levels->sigmas.count - 1;
    for (int i = 0; i < plan->count; i++) {
        plan->sigmas[i] = (float)p->levels->sigmas.values[i];
        plan->timesteps[i] = rint(sigmas_timestep(p->table, p->train, p->levels->sigmas.values[i]));
    }
}

static void sigmas_of_timesteps(const struct multistep_plan *p)
{
    for (int i = 0; i < p->plan->count; i++)
        p->plan->sigmas[i] = (float)sigmas_at(p->table, p->train, p->plan->timesteps[i]);
}

/* What is wrong with the spaced timesteps, or NULL. */
static const char *spacing_conflict(const struct multistep_plan *p)
{
    const struct clat_plan *plan = p->plan;
    if (plan->count < 1)
        return "lambda_min_clipped leaves no timestep";
    if (plan->timesteps[0] > p->train - 1)
        return "steps_offset puts the first timestep past the last one the model was trained with";
    for (int i = 1; i < plan->count; i++)
        if (!(plan->timesteps[i] < plan->timesteps[i - 1]))
            return p->levels->timesteps.count
                       ? "timesteps must fall by whole numbers"
                       : "num_inference_steps asks for more timesteps than the model was trained "
                         "with";
    return NULL;
}

static const char *plan_steps(const struct multistep_plan *p)
{
    const struct clat_levels *levels = p->levels;
    if (levels->sigmas.count) {
        take_sigmas(p);
        return NULL;
    }
    if (levels->use_flow_sigmas || levels->use_karras_sigmas || levels->use_exponential_sigmas ||
        levels->use_beta_sigmas || levels->use_lu_lambdas) {
        follow_curve(p);
        return NULL;
    }
    space_timesteps(p);
    sigmas_of_timesteps(p);
    return spacing_conflict(p);
}

/* Signal and noise of the levels as plan->sigmas has them; and the last of these. */
static void finish(const struct multistep_plan *p)
{
    const struct clat_levels *levels = p->levels;
    struct clat_plan *plan = p->plan;
    for (int i = 0; i < plan->count; i++) {
        float sigma = plan->sigmas[i], alpha = 1 / sqrtf(sigma * sigma + 1);
        plan->signal[i] = levels->use_flow_sigmas ? 1 - sigma : alpha;
        plan->noise[i] = levels->use_flow_sigmas ? sigma : sigma * alpha;
    }
    plan->sigmas[plan->count] = levels->sigmas.count ? (float)levels->sigmas.values[plan->count]
                                                     : sigmas_final(levels, p->table);
    plan->evaluations = plan->count;
}

int sigmas_plan_multistep(
    struct clat_run *run, const struct clat_levels *levels, struct clat_plan *plan)
{
    int train = noise_schedule_tools.train_timesteps(&levels->schedule);
    float *table = run->scratch(run, (size_t)train);
    if (!table)
        return run->fail(run, "no memory");
    sigmas_table(&levels->schedule, table);
    struct multistep_plan p = {levels, plan, table, train};
    const char *conflict = sigmas_conflict(levels, train);
    if (!conflict && !sigmas_are_usable(table, train))
        conflict = "the betas make levels without noise or without signal, which have no sigma";
    if (!conflict)
        conflict = plan_steps(&p);
    if (conflict)
        return run->fail(run, conflict);
    finish(&p);
    return 0;
}
