/* latents.c - what sampling starts from: noise of each image's seed, a file, or both.
 * SPDX-License-Identifier: MIT */
#include "base/memory.h"
#include "pipeline/autoencode.h"
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

static enum clat_status read_latents(struct run *run)
{
    enum clat_status status;
    struct latents latents = {.values = NULL};
    const size_t *s = latents.shape;
    TRY(latents_read(run->job->latents, &latents));
    if (s[0] != (size_t)run->images || s[1] != (size_t)run->channels || s[2] != (size_t)run->h ||
        s[3] != (size_t)run->w)
        FAIL(CLAT_ERROR_INPUT,
            "latents: '%s': expected [%d, %d, %d, %d] for %d images of %d x %d pixels, found "
            "[%zu, %zu, %zu, %zu]",
            run->job->latents, run->images, run->channels, run->h, run->w, run->images, run->width,
            run->height, s[0], s[1], s[2], s[3]);
    memcpy(run->latents, latents.values, (size_t)run->images * run->elements * sizeof(float));
out:
    latents_free(&latents);
    return status;
}

/* The pictures that a run starts from, each for all images of its item. */
static enum clat_status encode_images(struct run *run)
{
    enum clat_status status;
    const struct pictures *images = &run->inputs.images;
    float *encoded = NULL;
    TRY(memory_new((size_t)images->count * run->elements, sizeof *encoded, &encoded));
    TRY(run_encode_pictures(run, images, encoded));
    for (int i = 0; i < run->images; i++) {
        int item = images->count > 1 ? i / run->job->batch_size : 0;
        for (size_t j = 0; j < run->elements; j++)
            run->latents[(size_t)i * run->elements + j] =
                run->latents_scale * encoded[(size_t)item * run->elements + j];
    }
out:
    free(encoded);
    return status;
}

enum clat_status run_start_latents(struct run *run)
{
    enum clat_status status;
    const struct job *job = run->job;
    size_t shape[] = {(size_t)run->images, (size_t)run->channels, (size_t)run->h, (size_t)run->w};
    TRY(memory_new((size_t)run->images * run->elements, sizeof(float), &run->latents));
    if (job->latents)
        TRY(read_latents(run));
    else if (job->strength < 1)
        TRY(encode_images(run));
    if (job->strength < 1)
        TRY(add_noise(run, run->plan.signal, run->plan.noise));
    else if (!job->latents)
        TRY(add_noise(run, 0, 1));
    TRY(run_trace(run, "latents.init", 4, shape, run->latents, NULL));
    if (job->strength >= 1)
        scale_all(run, run->start_scale);
out:
    return status;
}
