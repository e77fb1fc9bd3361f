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
#include <stdint.h>

struct scheduler;

/* name: ours ("ddim"), or diffusers' class name ("DDIMScheduler"); NULL: _class_name of `model`. An
 * unknown one is CLAT_ERROR_NO_DEVICE (plugin missing) with the known names. `model` (may be NULL)
 * are the settings of scheduler_config.json: keys the plugin does not have are passed over; `user`
 * (may be NULL) settings must be known, of the right type and in range. */
enum clat_status scheduler_open(const char *name, const struct settings *model,
    const struct settings *user, struct scheduler **scheduler);
void scheduler_close(struct scheduler *scheduler);
const char *scheduler_name(const struct scheduler *scheduler);
/* All effective options as settings, defaults included (for metadata). */
enum clat_status scheduler_effective(const struct scheduler *scheduler, struct settings *settings);

/* How runs planned from now on are made; otherwise 1 and false. strength: the share of the run,
 * above 0 up to 1, that is asked for: less than 1 starts in the middle, from an image with noise.
 * compat: with the known defects of diffusers' class, for comparing. */
void scheduler_start(struct scheduler *scheduler, double strength, bool compat);

/* Plans `steps` steps. *evaluations: how often the network will be called; *init_noise_sigma: what
 * start noise is to be multiplied by. */
enum clat_status scheduler_plan(
    struct scheduler *scheduler, int steps, int *evaluations, float *init_noise_sigma);

struct sampler_host {
    void *user;
    /* Guided prediction of the network at sample / divisor ([images][c][h][w] floats), timestep as
     * trained. */
    enum clat_status (*evaluate)(
        void *user, const float *sample, float divisor, double timestep, float *output);
    /* After step `step` (0-based) of `steps`; may return CLAT_CANCELLED. */
    enum clat_status (*step_done)(void *user, int step, int steps, const float *sample);
};

/* Runs the loop in place over `sample` ([images][elements] floats, start noise in, latents out).
 * seeds[i] starts the noise stream of image i, continued after `drawn` values (those of the start
 * noise: 0 if the latents were given). */
enum clat_status scheduler_run(struct scheduler *scheduler, const struct sampler_host *host,
    size_t images, size_t elements, const uint64_t *seeds, size_t drawn, float *sample);

#endif
