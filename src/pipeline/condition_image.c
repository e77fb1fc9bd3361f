/* condition_image.c - super-resolution: the small image itself stands behind the latents.
 * SPDX-License-Identifier: MIT
 *
 * The latent grid is the small image's, the result is latent_scale times as large. A PNG is made
 * smaller to sides that are multiples of 32 first; a tensor is taken as it is. Source: diffusers'
 * LDMSuperResolutionPipeline. */
#include "pipeline/condition.h"

#include <string.h>

#define SIDE_UNIT 32      /* pixels, of a PNG */
#define RESULT_LIMIT 8192 /* as height and width have it */

enum clat_status enlarge_settle(struct run *run)
{
    enum clat_status status;
    struct pictures *images = &run->inputs.images;
    int scale = run->model->latent_scale;
    TRY(pictures_read("image", &run->job->images,
        &(struct picture_rules){PNG_RGB, PICTURE_SIGNED, SIDE_UNIT}, images));
    if (images->height > RESULT_LIMIT / scale || images->width > RESULT_LIMIT / scale)
        FAIL(CLAT_ERROR_INPUT,
            "image: '%s': enlarged it would have %d x %d pixels, but sides of at most %d are "
            "possible: make it smaller, or cut it into parts of at most %d",
            run->job->images.items[0], images->width * scale, images->height * scale, RESULT_LIMIT,
            RESULT_LIMIT / scale);
    run->items = images->count;
    run->height = images->height * scale;
    run->width = images->width * scale;
out:
    return status;
}

enum clat_status enlarge_condition(struct run *run)
{
    const struct pictures *images = &run->inputs.images;
    size_t size = 3 * (size_t)images->height * (size_t)images->width;
    memcpy(run->beside, images->values, (size_t)images->count * size * sizeof *images->values);
    return CLAT_OK;
}
