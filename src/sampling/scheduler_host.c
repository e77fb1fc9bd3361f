/* scheduler_host.c - what a plugin may ask for. SPDX-License-Identifier: MIT
 *
 * A plugin is not trusted to count or to stop: once a call has failed, all further ones fail with
 * the same code, more evaluations than planned are refused, and steps are reported in order. */
#include "sampling/scheduler_host.h"
#include "base/memory.h"
#include "sampling/brownian.h"
#include "sampling/noise_schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A list, freed when the plugin returns. */
struct scratch {
    struct scratch *next;
    float values[];
};

static float *host_scratch(struct clat_run *run, size_t count)
{
    struct host *host = run->host;
    size_t size;
    if (!size_mul(count, sizeof(float), &size) || !size_add(size, sizeof(struct scratch), &size))
        return NULL;
    struct scratch *block = calloc(1, size);
    if (!block)
        return NULL;
    block->next = host->scratch;
    host->scratch = block;
    return block->values;
}

void host_free(struct host *host)
{
    while (host->scratch) {
        struct scratch *next = host->scratch->next;
        free(host->scratch);
        host->scratch = next;
    }
}

/* The plugin says why it cannot go on: that is about what the user asked for. */
static int host_fail(struct clat_run *run, const char *sentence)
{
    struct host *host = run->host;
    if (!host->failed)
        host->failed = status_set(
            CLAT_ERROR_USAGE, "scheduler '%s': %s", host->scheduler->plugin->name, sentence);
    return (int)host->failed;
}

/* The plugin broke the contract: that is a defect of the plugin. */
static int broken(struct host *host, const char *what, double found)
{
    host->failed = status_set(CLAT_ERROR_INTERNAL, "scheduler '%s' is defective: %s (%g)",
        host->scheduler->plugin->name, what, found);
    return (int)host->failed;
}

static int host_evaluate(
    struct clat_run *run, const float *sample, float divisor, double timestep, float *output)
{
    struct host *host = run->host;
    if (host->failed)
        return (int)host->failed;
    if (!host->pipeline)
        return broken(host, "it asked for the network while planning", timestep);
    if (!(divisor > 0) || !isfinite(divisor))
        return broken(host, "it asked for the network with a divisor of", (double)divisor);
    if (!isfinite(timestep))
        return broken(
            host, "it asked for the network at a timestep that is not a number", timestep);
    if (host->evaluations >= run->plan->evaluations)
        return broken(
            host, "it asked for the network more often than it planned", run->plan->evaluations);
    host->evaluations++;
    host->failed =
        host->pipeline->evaluate(host->pipeline->user, sample, divisor, timestep, output);
    return (int)host->failed;
}

static int host_noise(struct clat_run *run, float *values)
{
    struct host *host = run->host;
    if (host->failed)
        return (int)host->failed;
    if (!host->pipeline || !host->pipeline->noise)
        return broken(host, "it asked for noise while planning", 0);
    host->failed = host->pipeline->noise(host->pipeline->user, values);
    return (int)host->failed;
}

static int host_brownian(struct clat_run *run, double a, double b, float *values)
{
    struct host *host = run->host;
    if (host->failed)
        return (int)host->failed;
    if (!host->pipeline || !host->pipeline->brownian)
        return broken(host, "it asked for noise while planning", 0);
    if (!isfinite(a) || a < 0 || !isfinite(b) || b < 0)
        return broken(
            host, "it asked for Brownian noise at a sigma of", a < 0 || !isfinite(a) ? a : b);
    if (a == b)
        return broken(host, "it asked for Brownian noise over an interval with no length at", a);
    if (brownian_node(a) == brownian_node(b)) {
        memset(values, 0, run->images * run->elements * sizeof *values);
        return 0;
    }
    host->failed = host->pipeline->brownian(host->pipeline->user, a, b, values);
    return (int)host->failed;
}

static int host_step_done(struct clat_run *run, int step, const float *sample)
{
    struct host *host = run->host;
    if (host->failed)
        return (int)host->failed;
    if (!host->pipeline || step != run->plan->first + host->steps || step >= run->plan->count)
        return broken(host, "it reported a step out of order", step);
    host->steps++;
    if (host->pipeline->step_done)
        host->failed = host->pipeline->step_done(host->pipeline->user, step - run->plan->first,
            run->plan->count - run->plan->first, sample);
    return (int)host->failed;
}

struct clat_run host_run(const struct scheduler *scheduler, struct host *host)
{
    return (struct clat_run){
        .size = sizeof(struct clat_run),
        .tools = &noise_schedule_tools,
        .options = scheduler->options.fields,
        .compat = scheduler->compat,
        .host = host,
        .evaluate = host_evaluate,
        .noise = host_noise,
        .brownian = host_brownian,
        .scratch = host_scratch,
        .step_done = host_step_done,
        .fail = host_fail,
    };
}

enum clat_status host_outcome(struct host *host, int code)
{
    if (!host->failed && code != 0)
        broken(host, "it gave up without saying why", code);
    return host->failed;
}

enum clat_status host_check_steps(struct host *host, const struct clat_run *run)
{
    if (run->plan->first + host->steps < run->plan->count)
        broken(host, "it returned before its last step", host->steps);
    return host->failed;
}
