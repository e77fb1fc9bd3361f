/* autoencode.c - the autoencoder alone: pictures to latents and back. SPDX-License-Identifier: MIT
 */
#include "pipeline/autoencode.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/npy.h"
#include "pipeline/condition.h"

#include <stdlib.h>
#include <string.h>

void latents_free(struct latents *latents)
{
    free(latents->values);
    *latents = (struct latents){.values = NULL};
}

/* ---- files ---------------------------------------------------------------------------------- */

static enum clat_status check_rank(const char *path, int rank)
{
    if (rank == 4)
        return CLAT_OK;
    return status_set(CLAT_ERROR_INPUT,
        "latents: '%s': expected 4 axes [images, channels, height, width], found %d", path, rank);
}

static enum clat_status read_npy(const char *path, struct latents *latents)
{
    enum clat_status status;
    int rank;
    size_t shape[8];
    TRY(npy_read(path, &latents->values, &rank, shape));
    TRY(check_rank(path, rank));
    memcpy(latents->shape, shape, sizeof latents->shape);
out:
    return status;
}

/* The only tensor of the file, or the one that we write under this name. */
static const struct weight *choose(const struct weights *weights)
{
    static const char *const names[] = {"latents", "latents.init"};
    if (weights_count(weights) == 1)
        return weights_at(weights, 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (weights_find(weights, names[i]))
            return weights_find(weights, names[i]);
    return NULL;
}

static enum clat_status copy_weight(
    struct weights *weights, const struct weight *weight, struct latents *latents)
{
    enum clat_status status;
    const float *values;
    size_t count = 1;
    TRY(weights_float(weights, weight->name, weight->rank, weight->shape, &values));
    for (int axis = 0; axis < 4; axis++) {
        latents->shape[axis] = weight->shape[axis];
        count *= weight->shape[axis];
    }
    TRY(memory_new(count, sizeof *values, &latents->values));
    memcpy(latents->values, values, count * sizeof *values);
out:
    return status;
}

static enum clat_status read_safetensors(const char *path, struct latents *latents)
{
    enum clat_status status;
    struct weights *weights = NULL;
    TRY(weights_open_file(path, &weights));
    const struct weight *weight = choose(weights);
    if (!weight)
        FAIL(CLAT_ERROR_INPUT,
            "latents: '%s': expected a single tensor, or one named 'latents', found %zu others",
            path, weights_count(weights));
    TRY(check_rank(path, weight->rank));
    TRY(copy_weight(weights, weight, latents));
out:
    weights_close(weights);
    return status;
}

enum clat_status latents_read(const char *path, struct latents *latents)
{
    *latents = (struct latents){.values = NULL};
    enum clat_status status =
        text_ends_with(path, ".npy") ? read_npy(path, latents) : read_safetensors(path, latents);
    if (status != CLAT_OK)
        latents_free(latents);
    return status;
}

/* ---- there and back ------------------------------------------------------------------------- */

/* A run of the autoencoder only. */
static struct run make_run(struct device *device, const struct model *model, const struct job *job,
    const struct pipeline_events *events, const struct task_row *row)
{
    static const struct pipeline_events nobody;
    return (struct run){.device = device,
        .model = model,
        .job = job,
        .events = events ? events : &nobody,
        .task = row,
        .channels = model->autoencoder.latent_channels,
        .latents_scale = model->autoencoder.scaling_factor};
}

static void set_size(struct run *run, size_t h, size_t w)
{
    run->h = (int)h;
    run->w = (int)w;
    run->height = run->h * run->model->latent_scale;
    run->width = run->w * run->model->latent_scale;
    run->elements = (size_t)run->channels * h * w;
}

static enum clat_status read_pictures(struct run *run)
{
    enum clat_status status;
    struct pictures *images = &run->inputs.images;
    int unit = run->model->latent_scale;
    if (!run->job->images.count)
        FAIL(CLAT_ERROR_USAGE, "image: there is none");
    TRY(pictures_read(
        "image", &run->job->images, &(struct picture_rules){PNG_RGB, PICTURE_SIGNED, 0}, images));
    if (images->height % unit || images->width % unit)
        FAIL(CLAT_ERROR_INPUT,
            "image: '%s': expected sides that are multiples of %d, found %d x %d",
            run->job->images.items[0], unit, images->width, images->height);
    set_size(run, (size_t)(images->height / unit), (size_t)(images->width / unit));
out:
    return status;
}

enum clat_status pipeline_encode(struct device *device, const struct model *model,
    const struct job *job, const struct pipeline_events *events, struct latents *latents)
{
    enum clat_status status;
    static const struct task_row row;
    struct run run = make_run(device, model, job, events, &row);
    *latents = (struct latents){.values = NULL};
    pipeline_prepare(device, job);
    device_on_cancel(device, run.events->cancelled, run.events->user);
    device_on_warning(device, run.events->warn, run.events->user);
    device_take_trouble(device);
    TRY(read_pictures(&run));
    TRY(run_check_autoencoder(&run, true));
    size_t count = (size_t)run.inputs.images.count * run.elements;
    TRY(memory_new(count, sizeof(float), &latents->values));
    TRY(run_encode_pictures(&run, &run.inputs.images, latents->values));
    for (size_t i = 0; i < count; i++)
        latents->values[i] *= run.latents_scale;
    size_t shape[] = {
        (size_t)run.inputs.images.count, (size_t)run.channels, (size_t)run.h, (size_t)run.w};
    memcpy(latents->shape, shape, sizeof shape);
out:
    if (status != CLAT_OK)
        latents_free(latents);
    run_free(&run);
    device_on_warning(device, NULL, NULL);
    device_on_cancel(device, NULL, NULL);
    return status;
}

static enum clat_status take_latents(struct run *run, const struct latents *latents)
{
    enum clat_status status;
    const size_t *s = latents->shape;
    size_t side = PNG_SIDE_LIMIT / (size_t)run->model->latent_scale, count;
    if (!s[0] || s[0] > 100000 || s[1] != (size_t)run->channels || !s[2] || !s[3] || s[2] > side ||
        s[3] > side)
        FAIL(CLAT_ERROR_INPUT,
            "latents: expected [images, %d, height, width] with sides of at most %zu, found "
            "[%zu, %zu, %zu, %zu]",
            run->channels, side, s[0], s[1], s[2], s[3]);
    set_size(run, s[2], s[3]);
    run->images = (int)s[0];
    if (!size_mul(s[0], run->elements, &count))
        FAIL(CLAT_ERROR_MEMORY, "latents: %zu images are too many", s[0]);
    TRY(memory_new(s[0], sizeof *run->seeds, &run->seeds));
    TRY(memory_new(count, sizeof(float), &run->latents));
    memcpy(run->latents, latents->values, count * sizeof(float));
    TRY(check_finite(run->latents, count, "the file of latents"));
out:
    return status;
}

enum clat_status pipeline_decode(struct device *device, const struct model *model,
    const struct job *job, const struct latents *latents, const struct pipeline_events *events)
{
    enum clat_status status;
    static const struct task_row row;
    struct run run = make_run(device, model, job, events, &row);
    pipeline_prepare(device, job);
    device_on_cancel(device, run.events->cancelled, run.events->user);
    device_on_warning(device, run.events->warn, run.events->user);
    device_take_trouble(device);
    TRY(take_latents(&run, latents));
    TRY(run_check_autoencoder(&run, false));
    run.sampled = run.images;
    TRY(run_decode(&run));
out:
    run_free(&run);
    device_on_warning(device, NULL, NULL);
    device_on_cancel(device, NULL, NULL);
    return status;
}
