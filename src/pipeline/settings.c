/* settings.c - what a job says, settled against its model before any work. SPDX-License-Identifier:
 * MIT */
#include "base/memory.h"
#include "pipeline/condition.h"

#include <string.h>

#define LARGEST_SIDE 16384  /* in pixels */
#define IMAGES_LIMIT 100000 /* of one job */

/* Not below the latent grid's own multiple, so that no row of pixels is left over; a UNet that
 * resamples with resnets wants even sides at every level. */
static enum clat_status check_side(const struct model *model, const char *key, int pixels)
{
    int step = model->unet.resnet_samplers ? unet_size_step(&model->unet) : 1;
    int unit = model->latent_scale * step;
    if (pixels < unit || pixels > LARGEST_SIDE || pixels % unit)
        return status_set(CLAT_ERROR_USAGE, "%s: expected a multiple of %d from %d to %d, found %d",
            key, unit, unit, LARGEST_SIDE, pixels);
    return CLAT_OK;
}

/* The size that the input decides, the job's own, or the model's. */
static enum clat_status choose_side(const struct run *run, const char *key, int given, int *pixels)
{
    if (*pixels && given && given != *pixels)
        return status_set(CLAT_ERROR_USAGE, "%s: %d follows from %s, but %d is asked for", key,
            *pixels, run->inputs.images.count ? "image" : run->task->key, given);
    if (!*pixels)
        *pixels = given ? given : model_default_size(run->model);
    return CLAT_OK;
}

static enum clat_status settle_size(struct run *run)
{
    enum clat_status status;
    const struct model *model = run->model;
    TRY(choose_side(run, "height", run->job->height, &run->height));
    TRY(choose_side(run, "width", run->job->width, &run->width));
    TRY(check_side(model, "height", run->height));
    TRY(check_side(model, "width", run->width));
    run->h = run->height / model->latent_scale;
    run->w = run->width / model->latent_scale;
    run->channels = model->autoencoder.latent_channels;
    run->elements = (size_t)run->channels * (size_t)run->h * (size_t)run->w;
out:
    return status;
}

/* One seed counts up over the images; a list has one for each. One generator has one seed. */
uint64_t pipeline_seed(const struct job *job, int index)
{
    if (job->seed_count > 1)
        return job->seeds[index];
    return job->seeds[0] + (job_has_one_generator(job) ? 0 : (uint64_t)index);
}

static enum clat_status settle_seeds(struct run *run)
{
    enum clat_status status;
    const struct job *job = run->job;
    if (job->seed_count != 1 && job->seed_count != (size_t)run->images)
        FAIL(CLAT_ERROR_USAGE, "seed: %zu seeds for %d images; give one, or one per image",
            job->seed_count, run->images);
    TRY(memory_new((size_t)run->images, sizeof *run->seeds, &run->seeds));
    for (int i = 0; i < run->images; i++)
        run->seeds[i] = pipeline_seed(job, i);
out:
    return status;
}

static enum rng_kind rng_of(const char *name)
{
    if (name && strcmp(name, "numpy") == 0)
        return RNG_NUMPY;
    return name && strcmp(name, "philox") == 0 ? RNG_PHILOX : RNG_TORCH;
}

enum clat_status run_settle(struct run *run)
{
    enum clat_status status;
    const struct job *job = run->job;
    size_t images;
    TRY(task_settle(run));
    if (!size_mul((size_t)run->items, (size_t)job->batch_size, &images) || images > IMAGES_LIMIT)
        FAIL(CLAT_ERROR_USAGE, "%d times %d images in one job; at most %d are allowed", run->items,
            job->batch_size, IMAGES_LIMIT);
    run->images = run->end = (int)images;
    run->steps = job->num_inference_steps ? job->num_inference_steps : run->task->steps;
    TRY(settle_size(run));
    TRY(settle_seeds(run));
    run->noise = (struct noise_source){.rng = rng_of(job->rng),
        .per_batch = job_has_one_generator(job),
        .seeds = run->seeds,
        .images = (size_t)run->images,
        .elements = run->elements};
    TRY(scheduler_open(
        job->scheduler, &run->model->scheduler, &job->scheduler_options, &run->scheduler));
    TRY(scheduler_check_network(run->scheduler, &run->model->scheduler));
    TRY(run_plan(run));
out:
    return status;
}
