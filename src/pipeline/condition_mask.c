/* condition_mask.c - inpainting: what is known of an image, and where it is not.
 * SPDX-License-Identifier: MIT
 *
 * With the mask m (1 in the hole: white, at least half bright) and the image x in 0..1, the
 * channels behind the latents are the first stage's latents of 2 (1 - m) x - 1, so that holes are
 * black, and 2 m - 1 of the upper left pixel of each cell. The result keeps the image outside of
 * the hole. Source: CompVis' scripts/inpaint.py. */
#include "base/memory.h"
#include "pipeline/condition.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum clat_status check_sizes(const struct run *run)
{
    const struct pictures *images = &run->inputs.images, *masks = &run->inputs.masks;
    int unit = run->model->latent_scale << (run->model->unet.levels - 1);
    if (images->height % unit || images->width % unit)
        return status_set(CLAT_ERROR_INPUT,
            "image: inpainting needs sides that are multiples of %d, found %d x %d", unit,
            images->width, images->height);
    if (masks->height != images->height || masks->width != images->width)
        return status_set(CLAT_ERROR_INPUT,
            "mask: expected the image's %d x %d pixels, found %d x %d", images->width,
            images->height, masks->width, masks->height);
    if (masks->count != 1 && masks->count != images->count)
        return status_set(CLAT_ERROR_USAGE,
            "mask: expected one, or one for each of the %d images, found %d", images->count,
            masks->count);
    return CLAT_OK;
}

enum clat_status inpaint_settle(struct run *run)
{
    enum clat_status status;
    struct pictures *images = &run->inputs.images, *masks = &run->inputs.masks;
    TRY(pictures_read(
        "image", &run->job->images, &(struct picture_rules){PNG_RGB, PICTURE_UNIT, 0}, images));
    if (!run->job->masks.count)
        FAIL(CLAT_ERROR_USAGE, "no mask was given (--mask, or mask: in a job file), which a model "
                               "for inpainting needs");
    TRY(pictures_read(
        "mask", &run->job->masks, &(struct picture_rules){PNG_GRAY, PICTURE_UNIT, 0}, masks));
    run->items = images->count;
    run->height = images->height;
    run->width = images->width;
    TRY(check_sizes(run));
    for (size_t i = 0; i < (size_t)masks->count * (size_t)run->height * (size_t)run->width; i++)
        masks->values[i] = masks->values[i] >= 0.5f;
out:
    return status;
}

/* The mask of one item, [height][width] of 0 and 1. */
static const float *mask_of(const struct run *run, int item)
{
    const struct pictures *masks = &run->inputs.masks;
    size_t pixels = (size_t)masks->height * (size_t)masks->width;
    return masks->values + (masks->count > 1 ? (size_t)item : 0) * pixels;
}

/* The images with their holes black, in -1..1. */
static enum clat_status cut_holes(const struct run *run, struct pictures *masked)
{
    enum clat_status status;
    const struct pictures *images = &run->inputs.images;
    size_t pixels = (size_t)run->height * (size_t)run->width;
    *masked = *images;
    TRY(memory_new((size_t)images->count * 3 * pixels, sizeof(float), &masked->values));
    for (size_t i = 0; i < (size_t)images->count * 3 * pixels; i++) {
        float hole = mask_of(run, (int)(i / (3 * pixels)))[i % pixels];
        masked->values[i] = hole > 0 ? -1 : 2 * images->values[i] - 1;
    }
out:
    return status;
}

/* The upper left pixel of each cell of the mask, as -1 and 1. */
static void shrink_mask(const struct run *run, const float *mask, float *channel)
{
    int scale = run->model->latent_scale;
    for (int y = 0; y < run->h; y++)
        for (int x = 0; x < run->w; x++)
            channel[(size_t)y * (size_t)run->w + (size_t)x] =
                2 * mask[(size_t)(y * scale) * (size_t)run->width + (size_t)(x * scale)] - 1;
}

enum clat_status inpaint_condition(struct run *run)
{
    enum clat_status status;
    struct pictures masked = {0};
    float *latents = NULL;
    size_t plane = (size_t)run->h * (size_t)run->w;
    TRY(cut_holes(run, &masked));
    TRY(memory_new((size_t)run->items * run->elements, sizeof *latents, &latents));
    TRY(run_encode_pictures(run, &masked, latents));
    for (int item = 0; item < run->items; item++) {
        float *beside = run->beside + (size_t)item * (size_t)run->extra * plane;
        memcpy(beside, latents + (size_t)item * run->elements, run->elements * sizeof *beside);
        shrink_mask(run, mask_of(run, item), beside + run->elements);
    }
out:
    pictures_free(&masked);
    free(latents);
    return status;
}

void inpaint_finish(const struct run *run, int index, float *rgb)
{
    int item = index / run->job->batch_size;
    size_t pixels = (size_t)run->height * (size_t)run->width;
    const float *image = run->inputs.images.values + (size_t)item * 3 * pixels;
    const float *mask = mask_of(run, item);
    for (size_t i = 0; i < 3 * pixels; i++)
        if (mask[i / 3] == 0)
            rgb[i] = fminf(fmaxf(image[i % 3 * pixels + i / 3], 0), 1);
}
