/* probe.c - a host that watches what a plugin does. SPDX-License-Identifier: MIT */
#include "contract/probe.h"
#include "contract/guard.h"
#include "contract/host.h"
#include "sampling/noise.h"
#include "sampling/noise_schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what an option says -------------------------------------------------------------------- */

static const void *option_field(
    const struct probe *probe, const char *name, const struct clat_option **option)
{
    for (*option = probe->plugin->options; (*option)->name; (*option)++)
        if (strcmp((*option)->name, name) == 0)
            return (const char *)probe->options.fields + (*option)->offset;
    return NULL;
}

double probe_number(const struct probe *probe, const char *name, double missing)
{
    const struct clat_option *option;
    const void *field = option_field(probe, name, &option);
    if (!field)
        return missing;
    if (option->type == CLAT_REAL)
        return *(const double *)field;
    if (option->type == CLAT_REALS)
        return (double)((const struct clat_reals *)field)->count;
    return *(const int *)field;
}

const char *probe_choice(const struct probe *probe, const char *name)
{
    const struct clat_option *option;
    const int *field = option_field(probe, name, &option);
    return field && option->type == CLAT_CHOICE && *field >= 0 ? option->choices[*field] : NULL;
}

int probe_train_timesteps(const struct probe *probe)
{
    double betas = probe_number(probe, "trained_betas", 0);
    if (!probe_choice(probe, "beta_schedule"))
        return 0;
    return (int)(betas > 0 ? betas : probe_number(probe, "num_train_timesteps", 0));
}

/* ---- open and close ------------------------------------------------------------------------- */

enum clat_status probe_open(
    struct probe *probe, const struct clat_plugin *plugin, const struct settings *user)
{
    enum clat_status status;
    memset(probe, 0, sizeof *probe);
    probe->plugin = plugin;
    probe->stop_at = probe->starve_at = -1;
    TRY(options_fill(&probe->options, plugin, NULL, NULL, user));
    void *copy = guard_new("the options", plugin->options_size);
    if (!copy)
        FAIL(CLAT_ERROR_MEMORY, "no memory for %zu bytes of options", plugin->options_size);
    memcpy(copy, probe->options.fields, plugin->options_size);
    guard_seal(copy);
    probe->run = (struct clat_run){
        .size = sizeof probe->run, .tools = &noise_schedule_tools, .options = copy};
    host_offer(probe);
out:
    if (status != CLAT_OK)
        probe_close(probe);
    return status;
}

static void plan_free(struct probe *probe)
{
    if (probe->plan) {
        guard_free(probe->given.timesteps);
        guard_free(probe->given.sigmas);
        guard_free(probe->given.signal);
        guard_free(probe->given.noise);
    }
    guard_free(probe->plan);
    probe->plan = NULL;
}

void probe_close(struct probe *probe)
{
    plan_free(probe);
    guard_free((void *)probe->run.options);
    options_free(&probe->options);
}

/* ---- calling the plugin --------------------------------------------------------------------- */

static void forget_last(struct probe *probe)
{
    probe->calls = probe->scratches = probe->evaluations = probe->draws = probe->steps = 0;
    probe->code = probe->late = 0;
    probe->refused = false;
    probe->sentence[0] = probe->broken[0] = '\0';
}

static void scratch_free(struct probe *probe)
{
    while (probe->scratch) {
        struct scratch_list *next = probe->scratch->next;
        if (!guard_is_intact(probe->scratch->data))
            host_breach(probe, "it wrote before the start of memory from scratch()");
        guard_free(probe->scratch->data);
        free(probe->scratch);
        probe->scratch = next;
    }
}

static const char *code_name(int code)
{
    return code == STOP_CODE   ? "it was told to stop"
           : code == FAIL_CODE ? "it had called fail()"
                               : "a call had failed";
}

/* Did plan() or run() hand back what it had to? */
static void check_code(struct probe *probe, const char *function, int code)
{
    if (code != probe->code && !probe->code)
        host_breach(probe, "%s() gave up with code %d without calling fail()", function, code);
    else if (code != probe->code)
        host_breach(probe, "%s() returned %d though %s, expected %d", function, code,
            code_name(probe->code), probe->code);
    else if (probe->late)
        host_breach(probe, "it called the host %d more times though %s", probe->late,
            code_name(probe->code));
    else if (probe->starve_at >= 0 && probe->scratches > probe->starve_at && !probe->refused)
        host_breach(probe, "%s() went on though scratch() gave no memory", function);
}

static void call(struct probe *probe, const char *function)
{
    forget_last(probe);
    if (setjmp(probe->way_out) == 0) {
        int code = probe->network ? probe->plugin->run(&probe->run)
                                  : probe->plugin->plan(&probe->run, probe->plan);
        check_code(probe, function, code);
    } else {
        probe->code = 0;
        host_breach(probe, "%s() did not return after %d calls that failed", function, PATIENCE);
    }
    scratch_free(probe);
}

/* ---- plan ----------------------------------------------------------------------------------- */

/* The longest list among the options. */
static size_t longest_list(const struct probe *probe)
{
    size_t longest = 0;
    for (const struct clat_option *option = probe->plugin->options; option->name; option++) {
        const struct clat_reals *list = (void *)((char *)probe->options.fields + option->offset);
        if (option->type == CLAT_REALS && list->count > longest)
            longest = list->count;
    }
    return longest;
}

static bool plan_new(struct probe *probe, int steps, double strength)
{
    size_t longest = longest_list(probe), most = (size_t)steps > longest ? (size_t)steps : longest;
    size_t capacity = 4 * most + 16;
    plan_free(probe);
    probe->plan = guard_new("the plan", sizeof *probe->plan);
    if (!probe->plan)
        return false;
    probe->given = (struct clat_plan){.capacity = (int)capacity,
        .steps = steps,
        .strength = strength,
        .first = -1,
        .timesteps = guard_new("plan->timesteps", capacity * sizeof(double)),
        .sigmas = guard_new("plan->sigmas", (capacity + 1) * sizeof(float)),
        .signal = guard_new("plan->signal", capacity * sizeof(float)),
        .noise = guard_new("plan->noise", capacity * sizeof(float)),
        .init_noise_sigma = 1};
    *probe->plan = probe->given;
    return probe->given.timesteps && probe->given.sigmas && probe->given.signal &&
           probe->given.noise;
}

static bool is_level(float value)
{
    return isfinite(value) && value >= 0;
}

/* What plan() may not change, and that nothing lies before the arrays. */
static bool keeps_frame(const struct probe *probe)
{
    const struct clat_plan *is = probe->plan, *was = &probe->given;
    return is->capacity == was->capacity && is->steps == was->steps &&
           is->strength == was->strength && is->timesteps == was->timesteps &&
           is->sigmas == was->sigmas && is->signal == was->signal && is->noise == was->noise &&
           guard_is_intact(was->timesteps) && guard_is_intact(was->sigmas) &&
           guard_is_intact(was->signal) && guard_is_intact(was->noise);
}

static void check_step(struct probe *probe, int i)
{
    const struct clat_plan *plan = probe->plan;
    if (!host_is_timestep(probe, plan->timesteps[i]))
        host_unfit(
            probe, "plan->timesteps[%d] is %g, which the model has not", i, plan->timesteps[i]);
    if (!is_level(plan->signal[i]) || !is_level(plan->noise[i]) ||
        !(plan->signal[i] + plan->noise[i] > 0))
        host_unfit(probe,
            "plan->signal[%d] is %g and noise %g, expected finite, 0 or more, not both 0", i,
            (double)plan->signal[i], (double)plan->noise[i]);
}

static void check_plan(struct probe *probe)
{
    const struct clat_plan *plan = probe->plan;
    if (!keeps_frame(probe)) {
        host_breach(probe, "plan() changed the host's members of the plan");
        return;
    }
    if (plan->count < 1 || plan->count > plan->capacity)
        host_breach(probe, "plan->count is %d, expected 1 to %d", plan->count, plan->capacity);
    else if (plan->evaluations < 1)
        host_breach(probe, "plan->evaluations is %d, expected 1 or more", plan->evaluations);
    else if (plan->first < -1 || plan->first >= plan->count)
        host_breach(probe, "plan->first is %d, expected -1 to %d", plan->first, plan->count - 1);
    for (int i = 0; !probe->broken[0] && i < plan->count; i++)
        check_step(probe, i);
    for (int i = 0; probe->plugin->space == CLAT_SIGMA && !probe->broken[0] && i <= plan->count;
         i++)
        if (!is_level(plan->sigmas[i]))
            host_unfit(probe, "plan->sigmas[%d] is %g, expected finite, 0 or more", i,
                (double)plan->sigmas[i]);
    if (!(plan->init_noise_sigma > 0) || !isfinite(plan->init_noise_sigma))
        host_unfit(probe, "plan->init_noise_sigma is %g", (double)plan->init_noise_sigma);
}

static void seal_plan(struct probe *probe)
{
    guard_seal(probe->given.timesteps);
    guard_seal(probe->given.sigmas);
    guard_seal(probe->given.signal);
    guard_seal(probe->given.noise);
    guard_seal(probe->plan);
}

bool probe_plan(struct probe *probe, int steps, double strength)
{
    forget_last(probe);
    probe->network = NULL;
    probe->run.plan = NULL;
    probe->run.images = probe->run.elements = 0;
    probe->run.sample = NULL;
    if (!plan_new(probe, steps, strength)) {
        host_breach(probe, "no memory for a plan of %d steps", steps);
        return false;
    }
    call(probe, "plan");
    if (!probe->code)
        check_plan(probe);
    if (probe->code)
        return false;
    if (probe->plan->first < 0)
        probe->plan->first = probe->plan->count - (int)(probe->plan->count * strength);
    if (probe->plan->first == probe->plan->count)
        probe->plan->first--;
    seal_plan(probe);
    return true;
}

double probe_sigma(const struct probe *probe, int step)
{
    const struct clat_plan *plan = probe->plan;
    if (step < plan->count)
        return (double)plan->noise[step] / (double)plan->signal[step];
    return probe->plugin->space == CLAT_SIGMA ? (double)plan->sigmas[step] : 0;
}

const char *probe_why(const struct probe *probe)
{
    return probe->broken[0] ? probe->broken : probe->sentence;
}

/* ---- run ------------------------------------------------------------------------------------ */

static void check_end(struct probe *probe)
{
    const struct clat_plan *plan = probe->plan;
    size_t count = probe->run.images * probe->run.elements;
    if (probe->code)
        return;
    if (plan->first + probe->steps < plan->count)
        host_breach(probe, "run() returned after step %d of %d", plan->first + probe->steps - 1,
            plan->count);
    for (size_t i = 0; !probe->broken[0] && i < count; i++)
        if (!isfinite(probe->run.sample[i]))
            host_unfit(probe, "run() left %g in the sample", (double)probe->run.sample[i]);
    if (!guard_is_intact(probe->run.sample))
        host_breach(probe, "it wrote before the start of the sample");
}

static bool run_new(struct probe *probe, const uint64_t *seeds, const float *sample)
{
    size_t images = probe->run.images, elements = probe->run.elements;
    struct noise_source source = {.seeds = seeds, .images = images, .elements = elements};
    probe->run.sample = guard_new("the sample", images * elements * sizeof *sample);
    if (!probe->run.sample || noise_open(&source, 0, images, &probe->noise) != CLAT_OK)
        return false;
    memcpy(probe->run.sample, sample, images * elements * sizeof *sample);
    return true;
}

bool probe_run(struct probe *probe, const struct probe_network *network, size_t images,
    size_t elements, const uint64_t *seeds, float *sample)
{
    probe->network = network;
    probe->run.plan = probe->plan;
    probe->run.images = images;
    probe->run.elements = elements;
    if (run_new(probe, seeds, sample)) {
        call(probe, "run");
        check_end(probe);
        memcpy(sample, probe->run.sample, images * elements * sizeof *sample);
    } else {
        forget_last(probe);
        host_breach(probe, "no memory for %zu images", images);
    }
    noise_close(probe->noise);
    probe->noise = NULL;
    guard_free(probe->run.sample);
    return !probe->code;
}
