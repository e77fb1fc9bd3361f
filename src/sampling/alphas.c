/* alphas.c - plans of variance-preserving schedulers: which integer timesteps are visited, and what
 * signal and noise they have. SPDX-License-Identifier: MIT */
#include "sampling/alphas.h"

#include <math.h>

void level_of_alphas(struct clat_plan *plan, const float *alphas)
{
    for (int i = 0; i < plan->count; i++) {
        float alpha = alphas[(int)plan->timesteps[i]];
        plan->signal[i] = sqrtf(alpha);
        plan->noise[i] = sqrtf(1 - alpha);
    }
}

/* The first step that is run, as the host will have it. */
static int first_step(const struct clat_plan *plan)
{
    return plan->first >= 0 ? plan->first : plan->count - (int)(plan->count * plan->strength);
}

/* What is left to plan once plan->timesteps are there. */
static int plan_levels(struct clat_run *run, const struct clat_schedule *schedule, int prediction,
    struct clat_plan *plan)
{
    float *alphas = run->scratch(run, (size_t)run->tools->train_timesteps(schedule));
    if (!alphas)
        return run->fail(run, "no memory");
    plan->evaluations = plan->count;
    run->tools->alphas_cumprod(schedule, alphas);
    level_of_alphas(plan, alphas);
    for (int i = 0; i < plan->count; i++)
        if (!isfinite(plan->signal[i]) || !isfinite(plan->noise[i]))
            return run->fail(run, "the betas make levels that rescale_betas_zero_snr cannot scale");
    int first = first_step(plan);
    if (prediction == CLAT_EPSILON && first < plan->count && !(plan->signal[first] > 0))
        return run->fail(run, "the first timestep is pure noise, of which a prediction_type of "
                              "epsilon says nothing: rescale_betas_zero_snr needs v_prediction");
    return 0;
}

/* The user's own timesteps. */
static int plan_list(
    struct clat_run *run, int train, const struct clat_reals *list, struct clat_plan *plan)
{
    if (list->count > (size_t)plan->capacity)
        return run->fail(run, "the list of timesteps is too long");
    plan->count = (int)list->count;
    for (int i = 0; i < plan->count; i++) {
        double t = plan->timesteps[i] = list->values[i];
        if (rint(t) < t || rint(t) > t)
            return run->fail(run, "timesteps must be whole numbers");
        if (t < 0 || t > train - 1)
            return run->fail(run,
                "timesteps must be below those that the model was trained with, and not below 0");
        if (i > 0 && t >= list->values[i - 1])
            return run->fail(run, "timesteps must fall from each to the next");
    }
    return 0;
}

int plan_alphas(
    struct clat_run *run, const struct clat_levels *levels, int prediction, struct clat_plan *plan)
{
    int train = run->tools->train_timesteps(&levels->schedule), code = 0;
    plan->count = plan->steps;
    if (levels->timesteps.count)
        code = plan_list(run, train, &levels->timesteps, plan);
    else if (plan->steps > train)
        code = run->fail(run, "num_inference_steps is larger than num_train_timesteps");
    else
        run->tools->timesteps(
            levels->timestep_spacing, train, plan->steps, levels->steps_offset, plan->timesteps);
    if (!code && plan->timesteps[0] > train - 1)
        code = run->fail(run,
            "steps_offset puts the first timestep past the last one the model was trained with");
    return code ? code : plan_levels(run, &levels->schedule, prediction, plan);
}

/* The distillation saw timesteps k - 1, 2k - 1, ... with k = train / original. Ours are evenly
 * spread over the first `original * strength` of them, from the top one on. */
static int plan_subset(struct clat_run *run, int train, int original, struct clat_plan *plan)
{
    int known = (int)(original * plan->strength);
    if (plan->steps > known)
        return run->fail(
            run, "num_inference_steps is larger than original_inference_steps times strength");
    double stride = (double)known / plan->steps;
    for (int i = 0; i < plan->steps; i++)
        plan->timesteps[i] = (known - (int)floor(i * stride)) * (train / original) - 1;
    plan->count = plan->steps;
    plan->first = 0;
    return 0;
}

int plan_distilled(struct clat_run *run, const struct clat_levels *levels, int prediction,
    int original, struct clat_plan *plan)
{
    int train = run->tools->train_timesteps(&levels->schedule);
    if (original > train)
        return run->fail(run, "original_inference_steps is larger than num_train_timesteps");
    int code = levels->timesteps.count ? plan_list(run, train, &levels->timesteps, plan)
                                       : plan_subset(run, train, original, plan);
    return code ? code : plan_levels(run, &levels->schedule, prediction, plan);
}
