/* flow.h - levels of a rectified flow, as UniPC plans them. Private to schedulers/.
 * SPDX-License-Identifier: MIT
 *
 * Along x = (1 - sigma) x0 + sigma epsilon, sigma falls evenly from 1, or as the user lists it. All
 * levels are shifted towards noise (Esser et al. 2024, arXiv 2403.03206, section 5.3.2),
 *
 *     sigma' = shift sigma / (1 + (shift - 1) sigma)
 *
 * and may be stretched so that the last one is `terminal`. In double, as numpy has them. */
#ifndef CLATENT_SCHEDULERS_FLOW_H
#define CLATENT_SCHEDULERS_FLOW_H

#include "solver.h"

/* What is wrong with the options of a flow, or NULL. */
static inline const char *flow_conflict(const struct solver *o, double terminal)
{
    const struct clat_levels *l = &o->levels;
    const struct clat_reals *sigmas = &l->sigmas;
    if (!l->use_flow_sigmas && (sigmas->count || terminal > 0))
        return "sigmas and shift_terminal need use_flow_sigmas";
    if (l->use_flow_sigmas && (l->use_exponential_sigmas || l->use_beta_sigmas))
        return "use_flow_sigmas goes with use_karras_sigmas, but with no other curve";
    if (l->use_karras_sigmas && (sigmas->count || terminal > 0))
        return "use_karras_sigmas leaves no room for sigmas and shift_terminal";
    for (size_t i = 0; i < sigmas->count; i++)
        if (!(sigmas->values[i] > 0) || (i > 0 && !(sigmas->values[i] < sigmas->values[i - 1])))
            return "sigmas must fall, and be above 0";
    return shift_conflict(o);
}

/* Level i of `count`, shifted. */
static inline double flow_level(const struct solver *o, int count, int i)
{
    double shift = shift_of(o), step = (1.0 / o->levels.schedule.num_train_timesteps - 1) / count;
    double sigma = o->levels.sigmas.count ? o->levels.sigmas.values[i] : i * step + 1;
    if (o->use_dynamic_shifting)
        return shift / (shift + (1 / sigma - 1));
    return shift * sigma / (1 + (shift - 1) * sigma);
}

static inline void flow_set(const struct solver *o, struct clat_plan *plan, int i, double sigma)
{
    plan->timesteps[i] = trunc(sigma * o->levels.schedule.num_train_timesteps);
    plan->sigmas[i] = (float)sigma;
}

/* Plans count, timesteps and sigmas but for the last one. Pure noise is kept out, since its lambda
 * is infinite. Returns what is wrong, or NULL. */
static inline const char *flow_plan(const struct solver *o, double terminal, struct clat_plan *plan)
{
    plan->count = o->levels.sigmas.count ? (int)o->levels.sigmas.count : plan->steps;
    double signal = 1 - flow_level(o, plan->count, plan->count - 1);
    if (terminal > 0 && !(signal > 0))
        return "shift_terminal needs a level below 1 to end at: two steps or more";
    for (int i = 0; i < plan->count; i++) {
        double sigma = flow_level(o, plan->count, i);
        if (terminal > 0)
            sigma = 1 - (1 - sigma) / (signal / (1 - terminal));
        flow_set(o, plan, i, i == 0 && fabs(sigma - 1) < 1e-6 ? sigma - 1e-6 : sigma);
    }
    return NULL;
}

/* The levels of a curve, noise / signal, become those of a flow, noise / (signal + noise). */
static inline void flow_of_curve(const struct solver *o, struct clat_plan *plan)
{
    for (int i = 0; i < plan->count; i++) {
        double ratio = (double)plan->sigmas[i];
        flow_set(o, plan, i, ratio / (ratio + 1));
    }
}

#endif
