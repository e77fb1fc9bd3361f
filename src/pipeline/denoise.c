/* denoise.c - the sampling loop of a group of images. SPDX-License-Identifier: MIT
 *
 * The rows of the UNet are [unconditional x images, conditional x images]; a row never sees
 * another, so that how images are grouped does not change them. */
#include "base/memory.h"
#include "device/prepare.h"
#include "pipeline/preview.h"
#include "sampling/denoiser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct group {
    struct run *run;
    int first, count;
    struct noise *noise;
    int evaluations; /* by networks that are gone */

    bool is_open; /* what follows is there: the network with the group's inputs */
    struct pool pool;
    struct denoiser denoiser;
    float *context, *channels; /* the group's share of the run's */
};

/* "latents.3", or for a later group of images, by its first, "latents.3@8". */
static enum clat_status trace_images(
    const struct group *group, const char *name, int index, const float *values)
{
    const struct run *run = group->run;
    char text[64];
    size_t shape[] = {(size_t)group->count, (size_t)run->channels, (size_t)run->h, (size_t)run->w};
    if (group->first)
        snprintf(text, sizeof text, "%s.%d@%d", name, index, group->first);
    else
        snprintf(text, sizeof text, "%s.%d", name, index);
    return run_trace(run, text, 4, shape, values, NULL);
}

static enum clat_status draw_noise(void *user, float *values)
{
    struct group *group = user;
    noise_draw(group->noise, values);
    return CLAT_OK;
}

static enum clat_status brownian_noise(void *user, double a, double b, float *values)
{
    struct group *group = user;
    noise_brownian(group->noise, a, b, values);
    return CLAT_OK;
}

static enum clat_status evaluated(void *user, int index, const float *prediction)
{
    return trace_images(user, "model_output", index, prediction);
}

static enum clat_status step_done(void *user, int step, int steps, const float *sample)
{
    struct group *group = user;
    struct run *run = group->run;
    enum clat_status status;
    device_prepare_next(run->device);
    TRY(check_finite(sample, (size_t)group->count * run->elements, "the scheduler, step %d of %d,",
        step + 1, steps));
    TRY(trace_images(group, "latents", step, sample));
    preview_show(run, group->first, group->count, step, steps, sample);
    if (run->events->step)
        run->events->step(
            run->events->user, step + 1, steps, group->first, group->count, run->images);
    if (run_is_cancelled(run))
        FAIL(CLAT_CANCELLED, "cancelled after step %d of %d", step + 1, steps);
out:
    return status;
}

/* The item that an image of the group is made from. */
static int item_of(const struct group *group, int image)
{
    return (group->first + image) / group->run->job->batch_size;
}

/* The context of the UNet's rows: the unconditional one for every image if guided, then each
 * image's own. */
static enum clat_status gather_context(struct group *group)
{
    enum clat_status status = CLAT_OK;
    const struct run *run = group->run;
    size_t row = (size_t)run->tokens * (size_t)run->context_width;
    int unconditional = run->guided ? group->count : 0;
    if (!run->context)
        return CLAT_OK;
    TRY(memory_new(
        (size_t)(unconditional + group->count) * row, sizeof *group->context, &group->context));
    for (int i = 0; i < unconditional + group->count; i++) {
        int own = item_of(group, i - unconditional) + (run->guided ? 1 : 0);
        memcpy(group->context + (size_t)i * row,
            run->context + (size_t)(i < unconditional ? 0 : own) * row,
            row * sizeof *group->context);
    }
out:
    return status;
}

/* What stands behind the latents of each image. */
static enum clat_status gather_channels(struct group *group)
{
    enum clat_status status = CLAT_OK;
    const struct run *run = group->run;
    size_t size = (size_t)run->extra * (size_t)run->h * (size_t)run->w;
    if (!run->beside)
        return CLAT_OK;
    TRY(memory_new((size_t)group->count * size, sizeof *group->channels, &group->channels));
    for (int i = 0; i < group->count; i++)
        memcpy(group->channels + (size_t)i * size, run->beside + (size_t)item_of(group, i) * size,
            size * sizeof *group->channels);
out:
    return status;
}

/* The group's noise, past what its start took. */
static enum clat_status open_noise(struct group *group)
{
    const struct run *run = group->run;
    enum clat_status status;
    TRY(noise_open(&run->noise, (size_t)group->first, (size_t)group->count, &group->noise));
    if (run->drawn)
        noise_skip(group->noise);
out:
    return status;
}

/* A pool for the group, as large as its forward pass measures. */
static enum clat_status open_pool(struct group *group)
{
    enum clat_status status;
    struct run *run = group->run;
    struct device *dry = NULL;
    size_t bytes;
    int rows = group->count * (run->guided ? 2 : 1);
    TRY(device_open_dry(device_facts(run->device), &dry));
    TRY(unet_measure(&run->unet, dry, rows, run->h, run->w, run->tokens,
        run->plan.count - run->plan.first, &bytes));
    TRY(pool_open(run->device, bytes, &group->pool));
out:
    device_close(dry);
    return status;
}

static enum clat_status open_network(struct group *group)
{
    enum clat_status status = CLAT_OK;
    struct run *run = group->run;
    struct denoiser *denoiser = &group->denoiser;
    int planned;
    const double *timesteps = scheduler_timesteps(run->scheduler, &planned);
    if (group->is_open)
        return CLAT_OK;
    TRY(run_load_unet(run));
    TRY(gather_context(group));
    TRY(gather_channels(group));
    TRY(open_pool(group));
    TRY(denoiser_open(denoiser, &group->pool, &run->unet, group->count, run->h, run->w,
        run->job->guidance_scale, group->context, run->tokens));
    TRY(unet_set_timesteps(&denoiser->run, &run->unet, timesteps, planned));
    denoiser->unscaled = run->unscaled;
    denoiser->scaled_beside = run->scaled_image;
    denoiser->beside = group->channels;
    denoiser->evaluated = run->events->trace ? evaluated : NULL;
    denoiser->user = group;
    denoiser->evaluations = group->evaluations;
    group->is_open = true;
out:
    return status;
}

static void close_network(struct group *group)
{
    if (group->is_open)
        group->evaluations = group->denoiser.evaluations;
    denoiser_close(&group->denoiser);
    pool_close(&group->pool);
    free(group->context);
    free(group->channels);
    group->context = group->channels = NULL;
    group->is_open = false;
}

/* After a fault the same evaluation is done again by a network that was loaded anew: samples and
 * the scheduler's state are on the host, and nothing of them is lost. */
static enum clat_status evaluate(
    void *user, const float *sample, float divisor, double timestep, float *output)
{
    struct group *group = user;
    enum clat_status status;
    do {
        run_begin(group->run, COMPONENT_UNET);
        status = open_network(group);
        if (status == CLAT_OK)
            status = denoiser_evaluate(&group->denoiser, sample, divisor, timestep, output);
        if (status != CLAT_OK)
            close_network(group);
    } while (run_recovers(group->run, &status));
    if (status == CLAT_OK)
        preview_keep(group->run, group->count, sample, timestep, output);
    return status;
}

/* Begins a group of the images that are not yet sampled: as many as memory allows. */
static enum clat_status open_group(struct group *group)
{
    enum clat_status status;
    struct run *run = group->run;
    int left = run->end - group->first;
    do {
        group->count = left < run->group ? left : run->group;
        status = open_network(group);
        if (status != CLAT_OK)
            close_network(group);
    } while (run_recovers(run, &status));
    return status;
}

enum clat_status run_sample(struct run *run)
{
    enum clat_status status;
    struct group group = {.run = run, .first = run->sampled};
    float *sample = run->latents + (size_t)group.first * run->elements;
    struct sampler_host host = {.user = &group,
        .evaluate = evaluate,
        .step_done = step_done,
        .noise = draw_noise,
        .brownian = brownian_noise};
    TRY(open_group(&group));
    run_phase(run, PHASE_SAMPLE, group.first, run->images);
    TRY(open_noise(&group));
    run->held = group.count;
    TRY(scheduler_run(run->scheduler, &host, (size_t)group.count, run->elements, sample));
    run->sampled += group.count;
    run_phase(run, PHASE_SAMPLE, run->sampled, run->images);
out:
    run->held = 0;
    close_network(&group);
    noise_close(group.noise);
    return status;
}
