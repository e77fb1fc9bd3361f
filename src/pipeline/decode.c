/* decode.c - latents to pictures, one at a time. SPDX-License-Identifier: MIT */
#include "base/memory.h"
#include "pipeline/condition.h"
#include "sampling/denoiser.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for one image on its way out. */
struct picture {
    struct pool pool;
    struct tensor latents, image; /* on the device */
    float *scaled;                /* [channels][h][w], divided by the scaling factor */
    float *pixels;                /* [height][width][3], about -1..1, then 0..1; NULL: not open */
};

static enum clat_status open_pool(struct run *run, struct pool *pool)
{
    enum clat_status status;
    struct device *dry = NULL;
    size_t bytes;
    TRY(device_open_dry(device_facts(run->device), &dry));
    TRY(autoencoder_measure(&run->decoder, dry, 1, run->h, run->w, &bytes));
    TRY(pool_open(run->device, bytes, pool));
out:
    device_close(dry);
    return status;
}

static enum clat_status picture_open(struct run *run, struct picture *picture)
{
    enum clat_status status;
    size_t values = 3 * (size_t)run->height * (size_t)run->width;
    struct pool *pool = &picture->pool;
    if (picture->pixels)
        return CLAT_OK;
    TRY(run_load_decoder(run));
    TRY(open_pool(run, pool));
    TRY(pool_take(pool, POOL_FRONT, 1, run->h, run->w, run->channels, &picture->latents));
    TRY(pool_take(pool, POOL_FRONT, 1, run->height, run->width, 3, &picture->image));
    TRY(memory_new(run->elements, sizeof(float), &picture->scaled));
    if (run->events->trace && !run->decoded)
        TRY(memory_new((size_t)run->images * values, sizeof(float), &run->decoded));
    TRY(memory_new(values, sizeof(float), &picture->pixels));
out:
    return status;
}

static void picture_close(struct picture *picture)
{
    pool_close(&picture->pool);
    free(picture->scaled);
    free(picture->pixels);
    *picture = (struct picture){.scaled = NULL};
}

/* The pixels, which are interleaved, as planes for the trace. */
static void keep(const struct run *run, int index, const float *pixels)
{
    size_t plane = (size_t)run->height * (size_t)run->width;
    float *planes = run->decoded + (size_t)index * 3 * plane;
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < 3; c++)
            planes[c * plane + i] = pixels[3 * i + c];
}

static enum clat_status decode_once(struct run *run, struct picture *picture, int index)
{
    enum clat_status status;
    const float *latents = run->latents + (size_t)index * run->elements;
    float factor = (float)(1 / (double)run->latents_scale);
    run_begin(run, COMPONENT_AUTOENCODER);
    TRY(picture_open(run, picture));
    for (size_t i = 0; i < run->elements; i++)
        picture->scaled[i] = factor * latents[i];
    TRY(tensor_write_nchw(run->device, &picture->latents, picture->scaled));
    TRY(decoder_forward(&(struct forward){.pool = &picture->pool}, &run->decoder, &picture->latents,
        &picture->image));
    TRY(tensor_read(run->device, &picture->image, picture->pixels));
    TRY(check_finite(picture->pixels, 3 * (size_t)run->height * (size_t)run->width,
        "the decoder, image %d of %d,", index + 1, run->images));
out:
    return status;
}

/* After a fault, the same image again. */
static enum clat_status decode(struct run *run, struct picture *picture, int index)
{
    enum clat_status status;
    do {
        status = decode_once(run, picture, index);
        if (status != CLAT_OK)
            picture_close(picture);
    } while (run_recovers(run, &status));
    return status;
}

static enum clat_status hand_out(struct run *run, struct picture *picture, int index)
{
    size_t values = 3 * (size_t)run->height * (size_t)run->width;
    for (size_t i = 0; i < values; i++)
        picture->pixels[i] = fminf(fmaxf(picture->pixels[i] / 2 + 0.5f, 0), 1);
    if (run->task->finish)
        run->task->finish(run, index, picture->pixels);
    if (!run->events->image)
        return CLAT_OK;
    return run->events->image(run->events->user, index, run->seeds[index],
        task_item(run->model, run->job, index / run->job->batch_size), run->height, run->width,
        picture->pixels, run->channels, run->h, run->w,
        run->latents + (size_t)index * run->elements);
}

enum clat_status run_decode(struct run *run)
{
    enum clat_status status = CLAT_OK;
    struct picture picture = {.scaled = NULL};
    run_phase(run, PHASE_DECODE, run->finished, run->images);
    while (run->finished < run->sampled) {
        int i = run->finished;
        TRY(decode(run, &picture, i));
        if (run->decoded)
            keep(run, i, picture.pixels);
        TRY(hand_out(run, &picture, i));
        run->finished++;
        run_phase(run, PHASE_DECODE, run->finished, run->images);
    }
out:
    picture_close(&picture);
    return status;
}
