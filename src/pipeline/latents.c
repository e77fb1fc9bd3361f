/* latents.c - what sampling starts from: noise of each image's seed, a file, or both.
 * SPDX-License-Identifier: MIT */
#include "base/memory.h"
#include "checkpoint/weights.h"
#include "formats/npy.h"
#include "pipeline/run.h"

#include <stdlib.h>
#include <string.h>

/* The first noise of every image: latents = signal x0 + scale noise, x0 being what is in them. */
static enum clat_status add_noise(struct run *run, float signal, float scale)
{
    enum clat_status status;
    struct noise *noise = NULL;
    float *values = NULL;
    size_t count = (size_t)run->images * run->elements;
    TRY(memory_new(count, sizeof *values, &values));
    TRY(noise_open(&run->noise, 0, (size_t)run->images, &noise));
    noise_draw(noise, values);
    for (size_t i = 0; i < count; i++)
        run->latents[i] = signal * run->latents[i] + scale * values[i];
    run->drawn = true;
out:
    noise_close(noise);
    free(values);
    return status;
}

static void scale_all(struct run *run, float scale)
{
    for (size_t i = 0; i < (size_t)run->images * run->elements; i++)
        run->latents[i] *= scale;
}

static enum clat_status wrong_shape(const struct run *run, int rank, const size_t *shape)
{
    size_t s[4] = {0};
    for (int i = 0; i < rank && i < 4; i++)
        s[i] = shape[i];
    if (rank != 4)
        return status_set(CLAT_ERROR_INPUT,
            "latents: '%s': expected 4 axes [images, channels, height, width], found %d",
            run->job->latents, rank);
    return status_set(CLAT_ERROR_INPUT,
        "latents: '%s': expected [%d, %d, %d, %d] for %d images of %d x %d pixels, found "
        "[%zu, %zu, %zu, %zu]",
        run->job->latents, run->images, run->channels, run->h, run->w, run->images, run->width,
        run->height, s[0], s[1], s[2], s[3]);
}

static enum clat_status take(struct run *run, int rank, const size_t *shape, const float *values)
{
    if (rank != 4 || shape[0] != (size_t)run->images || shape[1] != (size_t)run->channels ||
        shape[2] != (size_t)run->h || shape[3] != (size_t)run->w)
        return wrong_shape(run, rank, shape);
    memcpy(run->latents, values, (size_t)run->images * run->elements * sizeof *values);
    return CLAT_OK;
}

static enum clat_status read_npy(struct run *run)
{
    enum clat_status status;
    float *values = NULL;
    int rank;
    size_t shape[8];
    TRY(npy_read(run->job->latents, &values, &rank, shape));
    TRY(take(run, rank, shape, values));
out:
    free(values);
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

static enum clat_status read_safetensors(struct run *run)
{
    enum clat_status status;
    struct weights *weights = NULL;
    const float *values;
    TRY(weights_open_file(run->job->latents, &weights));
    const struct weight *weight = choose(weights);
    if (!weight)
        FAIL(CLAT_ERROR_INPUT,
            "latents: '%s': expected a single tensor, or one named 'latents', found %zu others",
            run->job->latents, weights_count(weights));
    if (weight->rank != 4)
        TRY(wrong_shape(run, weight->rank, weight->shape));
    TRY(weights_float(weights, weight->name, weight->rank, weight->shape, &values));
    TRY(take(run, weight->rank, weight->shape, values));
out:
    weights_close(weights);
    return status;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), tail = strlen(ending);
    return size >= tail && strcmp(text + size - tail, ending) == 0;
}

enum clat_status run_start_latents(struct run *run)
{
    enum clat_status status;
    const struct job *job = run->job;
    size_t shape[] = {(size_t)run->images, (size_t)run->channels, (size_t)run->h, (size_t)run->w};
    TRY(memory_new((size_t)run->images * run->elements, sizeof(float), &run->latents));
    if (job->latents)
        TRY(ends_with(job->latents, ".npy") ? read_npy(run) : read_safetensors(run));
    if (job->latents && job->strength < 1)
        TRY(add_noise(run, run->plan.signal, run->plan.noise));
    if (!job->latents)
        TRY(add_noise(run, 0, 1));
    TRY(run_trace(run, "latents.init", 4, shape, run->latents, NULL));
    if (job->strength >= 1)
        scale_all(run, run->start_scale);
out:
    return status;
}
