/* preview.c - previews of a run: colours learned from its decoder, images shown between steps.
 * SPDX-License-Identifier: MIT */
#include "pipeline/preview.h"
#include "base/memory.h"
#include "pipeline/condition.h"
#include "sampling/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 4 /* latents that are decoded to learn from */
#define SIDE 16   /* at most, of each */

struct preview {
    struct colours colours;
    bool borrowed; /* the colours are another's */
    float *clean;  /* [images of a group][elements], as the last evaluation saw them */
    int kept;      /* images in it */
    float *rgb;    /* [h][w][3] */
};

/* ---- what is decoded to learn from ---------------------------------------------------------- */

/* Between the four nearest values of a [side][side] grid, at y, x in 0..1. */
static float between(const float *grid, int side, float y, float x)
{
    float v = y * (float)(side - 1), u = x * (float)(side - 1);
    int i = v < (float)(side - 2) ? (int)v : side - 2,
        j = u < (float)(side - 2) ? (int)u : side - 2;
    const float *at = grid + i * side + j;
    float top = at[0] + (u - (float)j) * (at[1] - at[0]);
    float below = at[side] + (u - (float)j) * (at[side + 1] - at[side]);
    return top + (v - (float)i) * (below - top);
}

/* One channel of latents like those of pictures: of deviation about 1, mostly smooth. */
static void fill_channel(struct rng *rng, int h, int w, float *values)
{
    float level, coarse[3 * 3], fine[6 * 6];
    rng_normal(rng, &level, 1);
    rng_normal(rng, coarse, 3 * 3);
    rng_normal(rng, fine, 6 * 6);
    rng_normal(rng, values, (size_t)h * (size_t)w);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            float v = ((float)y + 0.5f) / (float)h, u = ((float)x + 0.5f) / (float)w;
            float *value = &values[y * w + x];
            *value = 0.7f * level + 0.7f * between(coarse, 3, v, u) +
                     0.4f * between(fine, 6, v, u) + 0.1f * *value;
        }
}

/* ---- learning ------------------------------------------------------------------------------- */

/* Room to decode one of the latents. */
struct lesson {
    int h, w;
    struct pool pool;
    struct tensor latents, image;
    float *values, *scaled; /* [SAMPLES][channels][h][w], [channels][h][w] */
    float *pixels;          /* [h f][w f][3] */
    float *in, *rgb;        /* [channels][SAMPLES h w], [SAMPLES h w][3]: the pairs */
};

static enum clat_status lesson_open(struct run *run, struct lesson *lesson)
{
    enum clat_status status;
    struct device *dry = NULL;
    size_t bytes, channels = (size_t)run->channels;
    int f = run->model->latent_scale;
    lesson->h = run->h < SIDE ? run->h : SIDE;
    lesson->w = run->w < SIDE ? run->w : SIDE;
    size_t area = (size_t)lesson->h * (size_t)lesson->w;
    TRY(run_load_decoder(run));
    TRY(device_open_dry(device_facts(run->device), &dry));
    TRY(autoencoder_measure(&run->decoder, dry, 1, lesson->h, lesson->w, &bytes));
    TRY(pool_open(run->device, bytes, &lesson->pool));
    TRY(pool_take(
        &lesson->pool, POOL_FRONT, 1, lesson->h, lesson->w, run->channels, &lesson->latents));
    TRY(pool_take(&lesson->pool, POOL_FRONT, 1, lesson->h * f, lesson->w * f, 3, &lesson->image));
    TRY(memory_new(channels * area, sizeof(float), &lesson->values));
    TRY(memory_new(channels * area, sizeof(float), &lesson->scaled));
    TRY(memory_new(3 * area * (size_t)(f * f), sizeof(float), &lesson->pixels));
    TRY(memory_new(SAMPLES * channels * area, sizeof(float), &lesson->in));
    TRY(memory_new(SAMPLES * 3 * area, sizeof(float), &lesson->rgb));
out:
    device_close(dry);
    return status;
}

static void lesson_close(struct lesson *lesson)
{
    pool_close(&lesson->pool);
    free(lesson->values);
    free(lesson->scaled);
    free(lesson->pixels);
    free(lesson->in);
    free(lesson->rgb);
}

/* The mean colour of the f x f pixels that one pixel of the latents became. */
static void mean_colour(const struct lesson *lesson, int f, int y, int x, float rgb[3])
{
    double sum[3] = {0};
    for (int i = 0; i < f * f; i++) {
        size_t row = (size_t)(y * f + i / f), column = (size_t)(x * f + i % f);
        const float *pixel = lesson->pixels + 3 * (row * (size_t)(lesson->w * f) + column);
        for (int c = 0; c < 3; c++)
            sum[c] += (double)pixel[c];
    }
    for (int c = 0; c < 3; c++)
        rgb[c] = (float)(sum[c] / (f * f));
}

/* Decodes one of the latents, and notes its pairs. */
static enum clat_status learn_one(
    struct run *run, struct lesson *lesson, struct rng *rng, size_t sample)
{
    enum clat_status status;
    size_t area = (size_t)lesson->h * (size_t)lesson->w, channels = (size_t)run->channels;
    for (size_t c = 0; c < channels; c++) {
        float *plane = lesson->values + c * area;
        fill_channel(rng, lesson->h, lesson->w, plane);
        memcpy(lesson->in + (c * SAMPLES + sample) * area, plane, area * sizeof *plane);
    }
    for (size_t i = 0; i < channels * area; i++)
        lesson->scaled[i] = lesson->values[i] / run->latents_scale;
    TRY(tensor_write_nchw(run->device, &lesson->latents, lesson->scaled));
    TRY(decoder_forward(
        &(struct forward){.pool = &lesson->pool}, &run->decoder, &lesson->latents, &lesson->image));
    TRY(tensor_read(run->device, &lesson->image, lesson->pixels));
    for (int y = 0; y < lesson->h; y++)
        for (int x = 0; x < lesson->w; x++)
            mean_colour(lesson, run->model->latent_scale, y, x,
                lesson->rgb + 3 * (sample * area + (size_t)(y * lesson->w + x)));
out:
    return status;
}

static enum clat_status learn(struct run *run, struct colours *colours)
{
    enum clat_status status;
    struct lesson lesson = {.h = 0};
    struct rng rng;
    rng_seed(&rng, RNG_TORCH, 0);
    TRY(lesson_open(run, &lesson));
    for (size_t i = 0; i < SAMPLES; i++)
        TRY(learn_one(run, &lesson, &rng, i));
    TRY(colours_fit(colours, run->channels, SAMPLES * (size_t)lesson.h * (size_t)lesson.w,
        lesson.in, lesson.rgb));
out:
    lesson_close(&lesson);
    autoencoder_free(run->device, &run->decoder);
    return status;
}

/* ---- a run ---------------------------------------------------------------------------------- */

static void preview_free(struct preview *preview)
{
    if (!preview)
        return;
    if (!preview->borrowed)
        colours_free(&preview->colours);
    free(preview->clean);
    free(preview->rgb);
    free(preview);
}

void preview_close(struct run *run)
{
    preview_free(run->preview);
    run->preview = NULL;
}

static enum clat_status preview_new(const struct run *run, struct preview **preview)
{
    enum clat_status status;
    *preview = NULL;
    TRY(memory_new(1, sizeof **preview, preview));
    TRY(memory_new((size_t)run->images * run->elements, sizeof(float), &(*preview)->clean));
    TRY(memory_new(3 * (size_t)run->h * (size_t)run->w, sizeof(float), &(*preview)->rgb));
out:
    return status;
}

enum clat_status preview_open(struct run *run)
{
    enum clat_status status;
    if (!run->job->preview || !run->events->preview)
        return CLAT_OK;
    TRY(preview_new(run, &run->preview));
    TRY(learn(run, &run->preview->colours));
out:
    if (status == CLAT_OK || status == CLAT_CANCELLED)
        return status;
    preview_close(run);
    run_warn(run, "no previews: %s", status_text());
    return CLAT_OK;
}

enum clat_status preview_join(struct run *run, const struct run *job)
{
    enum clat_status status;
    if (!job->preview)
        return CLAT_OK;
    TRY(preview_new(run, &run->preview));
    run->preview->colours = job->preview->colours;
    run->preview->borrowed = true;
out:
    return status;
}

void preview_keep(
    struct run *run, int count, const float *sample, double timestep, const float *output)
{
    struct preview *preview = run->preview;
    float of_sample, of_output;
    if (!preview)
        return;
    preview->kept = 0;
    if (!scheduler_clean(run->scheduler, timestep, &of_sample, &of_output))
        return;
    for (size_t i = 0; i < (size_t)count * run->elements; i++)
        preview->clean[i] = of_sample * sample[i] + of_output * output[i];
    preview->kept = count;
}

void preview_show(struct run *run, int first, int count, int step, int steps, const float *sample)
{
    struct preview *preview = run->preview;
    if (!preview || ((step + 1) % run->job->preview != 0 && step + 1 != steps))
        return;
    bool estimated = preview->kept == count && step + 1 < steps;
    for (int i = 0; i < count; i++) {
        const float *from = estimated ? preview->clean : sample;
        colours_apply(&preview->colours, (size_t)run->h * (size_t)run->w,
            from + (size_t)i * run->elements, preview->rgb);
        run->events->preview(run->events->user, first + i, i, step + 1, steps,
            run->seeds[first + i],
            task_item(run->model, run->job, (first + i) / run->job->batch_size), run->h, run->w,
            preview->rgb);
    }
}
