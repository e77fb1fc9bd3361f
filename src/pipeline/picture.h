/* picture.h - the image files that a job names, as networks take them. SPDX-License-Identifier: MIT
 */
#ifndef CLATENT_PIPELINE_PICTURE_H
#define CLATENT_PIPELINE_PICTURE_H

#include "formats/png.h"
#include "job/job.h"

struct pictures {
    int count, channels, height, width;
    float *values; /* [count][channels][height][width]; freed with pictures_free */
};
void pictures_free(struct pictures *pictures);

/* All files of a list, which must be of one size; `key` is the job's name for them. As PNG_RGB:
 * red, green, blue, 2 x / 255 - 1; a .npy file [N,3,H,W] (N pictures) is taken as it is, its values
 * must be numbers. As PNG_GRAY: x / 255. As PNG_LABELS: x. If `multiple` is not 0, a PNG_RGB file
 * whose sides are no multiples of it is made smaller first, as diffusers' super-resolution does it.
 * CLAT_ERROR_INPUT with key and file for everything that does not fit. */
enum clat_status pictures_read(const char *key, const struct texts *paths, enum png_form form,
    int multiple, struct pictures *pictures);

#endif
