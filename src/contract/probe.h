/* probe.h - a host that watches what a plugin does. SPDX-License-Identifier: MIT
 *
 * It is the other side of plugins/clatent-scheduler.h, as the product's own host is
 * (sampling/scheduler.c), but a strict one: every MUST of the contract is looked at, any call can
 * be made to fail, and all memory the plugin sees is guarded (guard.h). */
#ifndef CLATENT_CONTRACT_PROBE_H
#define CLATENT_CONTRACT_PROBE_H

#include "base/option.h"
#include "base/status.h"
#include "clatent-scheduler.h"
#include "sampling/options.h"
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#define PROBE_SENTENCE 512

/* The network and whoever watches the steps. `divisor` and `timestep` are as the plugin gave them;
 * `output` has images * elements floats. */
struct probe;
struct probe_network {
    void *user;
    void (*evaluate)(void *user, struct probe *probe, const float *sample, float divisor,
        double timestep, float *output);
    void (*step_done)(void *user, struct probe *probe, int step, const float *sample); /* or NULL */
};

struct probe {
    const struct clat_plugin *plugin;
    struct option_values options; /* filled; run.options is a sealed copy */
    struct clat_run run;          /* what the plugin sees */
    struct clat_plan *plan;       /* sealed but during plan() */
    struct clat_plan given;       /* the plan as it was handed to the plugin */
    const struct probe_network *network;
    struct noise *noise;
    struct scratch_list *scratch;
    int stop_at;   /* the call (of evaluate, noise, brownian, step_done; from 0) that fails; -1 */
    int starve_at; /* the scratch() that gives nothing; -1 */

    /* what happened in the last plan or run */
    int calls, scratches, evaluations, draws, steps;
    int code;                      /* what failed calls return; 0 while none has failed */
    int late;                      /* calls after a failed one */
    bool refused;                  /* the plugin called fail() ... */
    char sentence[PROBE_SENTENCE]; /* ... with this */
    char broken[PROBE_SENTENCE];   /* the first breach of the contract; "" if there was none ... */
    bool unfit;                    /* ... and it is a number out of its range, or none */
    jmp_buf way_out;               /* of a plugin that does not stop calling */
};

/* Options as the product would fill them: defaults, then `user` (may be NULL). */
enum clat_status probe_open(
    struct probe *probe, const struct clat_plugin *plugin, const struct settings *user);
void probe_close(struct probe *probe);

/* The number an option has now, of a bool, int or real; `missing` if there is none of that name. */
double probe_number(const struct probe *probe, const char *option, double missing);
/* The word a choice has now, or NULL. */
const char *probe_choice(const struct probe *probe, const char *option);

/* The number of timesteps the model was trained with, where the options have its noise schedule;
 * else 0, and timesteps may be any number. */
int probe_train_timesteps(const struct probe *probe);

/* Calls plan(). True if it gave a plan that the contract allows; else `refused` and `sentence`, or
 * `broken`. */
bool probe_plan(struct probe *probe, int steps, double strength);

/* Calls run() on a guarded copy of sample [images][elements], and puts the result there. The noise
 * of image i comes from seeds[i]. True if it came to its end by the rules. */
bool probe_run(struct probe *probe, const struct probe_network *network, size_t images,
    size_t elements, const uint64_t *seeds, float *sample);

/* Why the last plan or run was none: the breach, or the plugin's own sentence. */
const char *probe_why(const struct probe *probe);

/* Ratio noise / signal at the start of planned step `step`, and at the end of the last
 * (step = count). */
double probe_sigma(const struct probe *probe, int step);

#endif
