/* scheduler.c - a plugin with its options, its plan and its run. SPDX-License-Identifier: MIT
 *
 * The name picks the plugin, options.c fills the struct that the plugin sees, scheduler_host.c
 * answers it. What it plans and what it leaves is checked. */
#include "sampling/sampler.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/names.h"
#include "sampling/scheduler_host.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_LIMIT 100000

const char *scheduler_name(const struct scheduler *scheduler)
{
    return scheduler->plugin->name;
}

enum clat_status scheduler_effective(const struct scheduler *scheduler, struct settings *settings)
{
    return options_effective(&scheduler->options, settings);
}

bool scheduler_hears(
    const struct scheduler *scheduler, const struct settings *model, const char *key)
{
    return options_hear(scheduler->plugin, model, key);
}

/* The scheduler of that name, or the one that the model was saved with. */
static enum clat_status choose(const char *name, const struct settings *model,
    const struct clat_plugin **plugin, struct settings *presets)
{
    const struct setting *class_name = model ? settings_find(model, "_class_name") : NULL;
    if (name)
        return names_find(name, plugin, presets);
    if (!class_name)
        return status_set(
            CLAT_ERROR_INPUT, "no scheduler named, and scheduler_config.json has no _class_name");
    enum clat_status status = names_find(class_name->value, plugin, presets);
    return status == CLAT_OK ? status : status_prefix(status, "%s: _class_name", class_name->where);
}

enum clat_status scheduler_open(const char *name, const struct settings *model,
    const struct settings *user, struct scheduler **scheduler)
{
    enum clat_status status;
    struct scheduler *made = NULL;
    struct settings presets = {0};
    *scheduler = NULL;
    TRY(memory_new(1, sizeof *made, &made));
    TRY(choose(name, model, &made->plugin, &presets));
    TRY(options_fill(&made->options, made->plugin, model, &presets, user));
    *scheduler = made;
    made = NULL;
out:
    settings_free(&presets);
    scheduler_close(made);
    return status;
}

const char *scheduler_network_name(int network)
{
    static const char *const names[] = {"diffusion", "EDM", "rectified flow"};
    return names[network];
}

enum clat_status scheduler_check_network(
    const struct scheduler *scheduler, const struct settings *model)
{
    const struct setting *class_name = settings_find(model, "_class_name");
    const struct clat_plugin *own;
    struct settings presets = {0};
    enum clat_network network = CLAT_DIFFUSION_NETWORK;
    if (class_name && names_find(class_name->value, &own, &presets) == CLAT_OK)
        network = own->network;
    status_clear();
    settings_free(&presets);
    if (network == scheduler->plugin->network)
        return CLAT_OK;
    return status_set(CLAT_ERROR_USAGE,
        "scheduler: %s drives networks of %s, but the model's own, %s, those of %s",
        scheduler->plugin->name, scheduler_network_name((int)scheduler->plugin->network),
        class_name ? class_name->value : "DDIMScheduler", scheduler_network_name((int)network));
}

static void plan_free(struct clat_plan *plan)
{
    free(plan->timesteps);
    free(plan->sigmas);
    free(plan->signal);
    free(plan->noise);
    memset(plan, 0, sizeof *plan);
}

void scheduler_close(struct scheduler *scheduler)
{
    if (!scheduler)
        return;
    plan_free(&scheduler->plan);
    options_free(&scheduler->options);
    free(scheduler);
}

/* ---- plan ----------------------------------------------------------------------------------- */

static enum clat_status check_plan(const struct scheduler *scheduler)
{
    const struct clat_plan *plan = &scheduler->plan;
    const char *name = scheduler->plugin->name;
    if (plan->count < 1 || plan->count > plan->capacity || plan->evaluations < 1)
        return status_set(CLAT_ERROR_INTERNAL,
            "scheduler '%s' planned %d timesteps and %d evaluations for %d steps", name,
            plan->count, plan->evaluations, plan->steps);
    for (int i = 0; i < plan->count; i++)
        if (!isfinite(plan->timesteps[i]))
            return status_set(CLAT_ERROR_INTERNAL, "scheduler '%s' planned timestep %g at step %d",
                name, plan->timesteps[i], i + 1);
    for (int i = 0; i < plan->count; i++)
        if (!isfinite(plan->signal[i]) || plan->signal[i] < 0 || !isfinite(plan->noise[i]) ||
            plan->noise[i] < 0 || plan->signal[i] + plan->noise[i] <= 0)
            return status_set(CLAT_ERROR_INTERNAL,
                "scheduler '%s' planned signal %g and noise %g at step %d", name,
                (double)plan->signal[i], (double)plan->noise[i], i + 1);
    for (int i = 0; scheduler->plugin->space == CLAT_SIGMA && i <= plan->count; i++)
        if (!isfinite(plan->sigmas[i]) || plan->sigmas[i] < 0)
            return status_set(CLAT_ERROR_INTERNAL, "scheduler '%s' planned sigma %g at step %d",
                name, (double)plan->sigmas[i], i + 1);
    if (!isfinite(plan->init_noise_sigma) || plan->init_noise_sigma <= 0)
        return status_set(CLAT_ERROR_INTERNAL, "scheduler '%s' planned an initial sigma of %g",
            name, (double)plan->init_noise_sigma);
    return CLAT_OK;
}

/* The longest list among the options: a user's own timesteps or sigmas make that many steps. */
static size_t longest_list(const struct scheduler *scheduler)
{
    size_t longest = 0;
    for (const struct clat_option *o = scheduler->plugin->options; o && o->name; o++) {
        const void *field = (const char *)scheduler->options.fields + o->offset;
        const struct clat_reals *list = field;
        if (o->type == CLAT_REALS && list->count > longest)
            longest = list->count;
    }
    return longest;
}

static enum clat_status new_plan(
    const struct scheduler *scheduler, const struct plan_request *request, struct clat_plan *plan)
{
    enum clat_status status;
    size_t longest = longest_list(scheduler), steps = (size_t)request->steps;
    size_t capacity = 4 * (steps > longest ? steps : longest) + 16;
    plan->capacity = (int)capacity;
    plan->steps = request->steps;
    plan->strength = request->strength;
    plan->first = -1;
    plan->init_noise_sigma = 1;
    TRY(memory_new(capacity, sizeof *plan->timesteps, &plan->timesteps));
    TRY(memory_new(capacity + 1, sizeof *plan->sigmas, &plan->sigmas));
    TRY(memory_new(capacity, sizeof *plan->signal, &plan->signal));
    TRY(memory_new(capacity, sizeof *plan->noise, &plan->noise));
out:
    return status;
}

static enum clat_status check_request(const struct plan_request *request)
{
    if (request->steps < 1 || request->steps > STEPS_LIMIT)
        return status_set(CLAT_ERROR_USAGE,
            "num_inference_steps is %d, expected 1 or more, at most %d", request->steps,
            STEPS_LIMIT);
    if (!(request->strength > 0 && request->strength <= 1))
        return status_set(
            CLAT_ERROR_USAGE, "strength is %g, expected more than 0, at most 1", request->strength);
    return CLAT_OK;
}

/* Where the plugin leaves it to us, as many steps are run as fit into the share asked for. */
static enum clat_status settle_first(const struct scheduler *scheduler, struct clat_plan *plan)
{
    if (plan->first == -1)
        plan->first = plan->count - (int)(plan->count * plan->strength);
    if (plan->first < 0 || plan->first > plan->count)
        return status_set(CLAT_ERROR_INTERNAL,
            "scheduler '%s' is defective: it planned to start with step %d of %d",
            scheduler->plugin->name, plan->first + 1, plan->count);
    if (plan->first == plan->count)
        return status_set(CLAT_ERROR_USAGE,
            "a strength of %g leaves none of %d steps to do, expected a strength of at least 1/%d",
            plan->strength, plan->count, plan->count);
    return CLAT_OK;
}

enum clat_status scheduler_plan(
    struct scheduler *scheduler, const struct plan_request *request, struct plan_outline *outline)
{
    enum clat_status status;
    struct host host = {.scheduler = scheduler};
    struct clat_plan *plan = &scheduler->plan;
    plan_free(plan);
    scheduler->compat = request->compat;
    struct clat_run run = host_run(scheduler, &host);
    TRY(check_request(request));
    TRY(new_plan(scheduler, request, plan));
    TRY(host_outcome(&host, scheduler->plugin->plan(&run, plan)));
    TRY(check_plan(scheduler));
    TRY(settle_first(scheduler, plan));
    *outline = (struct plan_outline){.count = plan->count,
        .first = plan->first,
        .evaluations = plan->evaluations,
        .init_noise_sigma = plan->init_noise_sigma,
        .signal = plan->signal[plan->first],
        .noise = plan->noise[plan->first]};
out:
    host_free(&host);
    return status;
}

const double *scheduler_timesteps(const struct scheduler *scheduler, int *count)
{
    const struct clat_plan *plan = &scheduler->plan;
    *count = plan->count - plan->first;
    return plan->timesteps + plan->first;
}

/* CLAT_EPSILON unless the plugin has the option. */
static int prediction_of(const struct scheduler *scheduler)
{
    for (const struct clat_option *o = scheduler->plugin->options; o && o->name; o++)
        if (strcmp(o->name, "prediction_type") == 0 && o->type == CLAT_CHOICE)
            return *(const int *)((const char *)scheduler->options.fields + o->offset);
    return CLAT_EPSILON;
}

bool scheduler_clean(
    const struct scheduler *scheduler, double timestep, float *of_sample, float *of_output)
{
    const struct clat_plan *plan = &scheduler->plan;
    int prediction = prediction_of(scheduler), nearest = 0;
    for (int i = 1; i < plan->count; i++)
        if (fabs(plan->timesteps[i] - timestep) < fabs(plan->timesteps[nearest] - timestep))
            nearest = i;
    double s = (double)plan->signal[nearest], n = (double)plan->noise[nearest], r2 = s * s + n * n;
    bool known = scheduler->plugin->network == CLAT_DIFFUSION_NETWORK && s > 0;
    *of_sample = (float)(prediction == CLAT_EPSILON ? 1 / s : s / r2);
    *of_output = (float)(prediction == CLAT_EPSILON ? -n / s : -n / sqrt(r2));
    if (prediction == CLAT_SAMPLE) {
        *of_sample = 0;
        *of_output = 1;
    }
    return known && prediction >= CLAT_EPSILON && prediction <= CLAT_V_PREDICTION;
}

/* The number of training timesteps, by the option's name; 1000 where a plugin has none. */
static int training_steps(const struct scheduler *scheduler)
{
    int steps = 1000;
    for (const struct clat_option *o = scheduler->plugin->options; o && o->name; o++) {
        const void *field = (const char *)scheduler->options.fields + o->offset;
        const struct clat_reals *betas = field;
        if (o->type == CLAT_INT && strcmp(o->name, "num_train_timesteps") == 0)
            steps = *(const int *)field;
        if (o->type == CLAT_REALS && strcmp(o->name, "trained_betas") == 0 && betas->count)
            return (int)betas->count;
    }
    return steps;
}

enum clat_status scheduler_training_sigma(struct scheduler *scheduler, float *init_noise_sigma)
{
    enum clat_status status = CLAT_OK;
    struct scheduler twin = {.plugin = scheduler->plugin, .options = scheduler->options};
    struct plan_request request = {.steps = training_steps(scheduler), .strength = 1};
    struct plan_outline outline = {.init_noise_sigma = 1};
    if (scheduler->plugin->space == CLAT_SIGMA)
        TRY(scheduler_plan(&twin, &request, &outline));
    *init_noise_sigma = outline.init_noise_sigma;
out:
    plan_free(&twin.plan);
    return status;
}

/* ---- run ------------------------------------------------------------------------------------ */

static enum clat_status check_finite(const struct scheduler *scheduler, const struct clat_run *run)
{
    for (size_t i = 0; i < run->images * run->elements; i++)
        if (!isfinite(run->sample[i]))
            return status_set(CLAT_ERROR_CHECK,
                "scheduler '%s' left a latent that is not a number (image %zu)",
                scheduler->plugin->name, i / run->elements + 1);
    return CLAT_OK;
}

enum clat_status scheduler_run(struct scheduler *scheduler, const struct sampler_host *pipeline,
    size_t images, size_t elements, float *sample)
{
    enum clat_status status;
    struct host host = {.scheduler = scheduler, .pipeline = pipeline};
    struct clat_run run = host_run(scheduler, &host);
    if (!scheduler->plan.count)
        FAIL(CLAT_ERROR_INTERNAL, "scheduler_run before scheduler_plan");
    run.plan = &scheduler->plan;
    run.images = images;
    run.elements = elements;
    run.sample = sample;
    TRY(host_outcome(&host, scheduler->plugin->run(&run)));
    TRY(host_check_steps(&host, &run));
    TRY(check_finite(scheduler, &run));
out:
    host_free(&host);
    return status;
}
