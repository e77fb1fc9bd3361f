/* sampler.h - what the pipeline sees of sampling. SPDX-License-Identifier: MIT
 *
 * A scheduler is a plugin chosen by name, with options from the model's scheduler_config.json under
 * the user's own. It plans timesteps, then runs its whole loop over float arrays on the host,
 * asking back for the network, for noise, and reporting each step (plugins/clatent-scheduler.h). */
#ifndef CLATENT_SAMPLING_SAMPLER_H
#define CLATENT_SAMPLING_SAMPLER_H

#include "base/option.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

struct scheduler;

/* name: any name of a scheduler, "ddim", "DDIMScheduler" or "DPM++ 2M Karras" (plugins/names.h);
 * NULL: _class_name of `model`. An unknown one is CLAT_ERROR_NO_DEVICE (plugin missing) with the
 * known names. `model` (may be NULL) are the settings of scheduler_config.json: keys the plugin
 * does not have are passed over; `user` (may be NULL) settings must be known, of the right type and
 * in range (options.h). */
enum clat_status scheduler_open(const char *name, const struct settings *model,
    const struct settings *user, struct scheduler **scheduler);
void scheduler_close(struct scheduler *scheduler);
const char *scheduler_name(const struct scheduler *scheduler);
/* Refuses a scheduler for another kind of network than the one that the model was saved with
 * drives; a class that is not known, or none, stands for diffusion. */
enum clat_status scheduler_check_network(
    const struct scheduler *scheduler, const struct settings *model);
/* All effective options as settings, defaults included (for metadata), with the place where each
 * was said: SCHEDULER_DEFAULT or a file. */
#define SCHEDULER_DEFAULT "default of the plugin"
enum clat_status scheduler_effective(const struct scheduler *scheduler, struct settings *settings);
/* "diffusion", "EDM", "rectified flow": of an enum clat_network. */
const char *scheduler_network_name(int network);
/* Does it read this key of the model's scheduler_config.json? */
bool scheduler_hears(
    const struct scheduler *scheduler, const struct settings *model, const char *key);

/* What is asked of a run. */
struct plan_request {
    int steps;       /* num_inference_steps */
    double strength; /* share of the steps that are run, above 0 up to 1 */
    bool compat;     /* keep the known defects of diffusers' classes */
};
/* What will be done. */
struct plan_outline {
    int count, first;       /* steps planned; those before `first` are left out */
    int evaluations;        /* of the network in a run of all steps, at most */
    float init_noise_sigma; /* what start noise is multiplied by; when starting from clean latents
                               instead, the sample is signal x0 + noise epsilon: */
    float signal, noise;
};
/* A strength that leaves no step to do is CLAT_ERROR_USAGE, as is one out of range. */
enum clat_status scheduler_plan(
    struct scheduler *scheduler, const struct plan_request *request, struct plan_outline *outline);

/* The *count timesteps that the planned run evaluates at first of all (some schedulers evaluate at
 * others too), valid until the next plan. */
const double *scheduler_timesteps(const struct scheduler *scheduler, int *count);

/* What a prediction at a timestep says of the clean latents: x0 = of_sample sample + of_output
 * output, at the noise of the nearest timestep that is planned. False where it is not known how. */
bool scheduler_clean(
    const struct scheduler *scheduler, double timestep, float *of_sample, float *of_output);

/* What init_noise_sigma is before steps are planned: that of all training timesteps. (Only compat
 * asks for it.) */
enum clat_status scheduler_training_sigma(struct scheduler *scheduler, float *init_noise_sigma);

struct sampler_host {
    void *user;
    /* Guided prediction of the network at sample / divisor ([images][c][h][w] floats), timestep as
     * trained. */
    enum clat_status (*evaluate)(
        void *user, const float *sample, float divisor, double timestep, float *output);
    /* After step `step` (0-based) of the `steps` that are run; may return CLAT_CANCELLED. NULL:
     * nobody listens. */
    enum clat_status (*step_done)(void *user, int step, int steps, const float *sample);
    /* The next N(0,1) values of every image; increments of every image's Brownian path, as struct
     * clat_run has it. (noise.h makes both.) */
    enum clat_status (*noise)(void *user, float *values);
    enum clat_status (*brownian)(void *user, double a, double b, float *values);
};

/* Runs the loop in place over `sample` ([images][elements] floats): in, what the outline says; out,
 * latents. */
enum clat_status scheduler_run(struct scheduler *scheduler, const struct sampler_host *host,
    size_t images, size_t elements, float *sample);

#endif
