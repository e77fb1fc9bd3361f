/* plan.c - the steps of a run, where they start, and what is scaled on the way.
 * SPDX-License-Identifier: MIT
 *
 * A scheduler in sigma space starts from noise times init_noise_sigma, and its network sees the
 * sample divided by sqrt(sigma^2 + 1). diffusers' pipelines of latent diffusion forget parts of
 * that, so that only variance-preserving schedulers, where all of it is 1, work in them:
 *
 *   LDMTextToImagePipeline        neither scales the start noise nor what the network sees
 *   LDMPipeline                   scales the start noise as for all training timesteps, and divides
 *                                 the latents of a VQModel by a scale of AutoencoderKL's
 *   LDMSuperResolutionPipeline    divides the low-resolution image beside the sample too
 *
 * Here they work everywhere; compat: diffusers forgets the same things. */
#include "pipeline/run.h"

#include <string.h>

#define KL_SCALE 0.18215f /* scaling_factor where a configuration says nothing, in diffusers */

static enum clat_status forget_as_diffusers(struct run *run)
{
    enum task task = run->model->task;
    run->unscaled = task == TASK_TEXT_TO_IMAGE;
    run->scaled_image = task == TASK_SUPER_RESOLUTION;
    if (task == TASK_TEXT_TO_IMAGE)
        run->start_scale = 1;
    if (task != TASK_UNCONDITIONAL)
        return CLAT_OK;
    if (!run->model->autoencoder.scaling_given)
        run->latents_scale = KL_SCALE;
    return scheduler_training_sigma(run->scheduler, &run->start_scale);
}

enum clat_status run_plan(struct run *run)
{
    enum clat_status status;
    const struct job *job = run->job;
    struct plan_request request = {.steps = run->steps,
        .strength = job->strength,
        .compat = job->compat && strcmp(job->compat, "diffusers") == 0};
    TRY(scheduler_plan(run->scheduler, &request, &run->plan));
    run->start_scale = run->plan.init_noise_sigma;
    run->latents_scale = run->model->autoencoder.scaling_factor;
    if (request.compat)
        TRY(forget_as_diffusers(run));
out:
    return status;
}
