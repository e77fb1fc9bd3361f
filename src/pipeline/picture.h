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

/* What becomes of a byte x. */
enum picture_range {
    PICTURE_SIGNED, /* 2 x / 255 - 1 */
    PICTURE_UNIT,   /* x / 255 */
    PICTURE_NUMBER  /* x */
};
struct picture_rules {
    enum png_form form;
    enum picture_range range;
    int multiple; /* if not 0: made smaller to sides that are multiples, as diffusers'
                     super-resolution does it */
};
/* All files of a list, which must be of one size; `key` is the job's name for them. Where the form
 * is PNG_RGB, a .npy file [N,3,H,W] is N pictures with values that are PICTURE_SIGNED, taken as
 * they are. CLAT_ERROR_INPUT with key and file for everything that does not fit. */
enum clat_status pictures_read(const char *key, const struct texts *paths,
    const struct picture_rules *rules, struct pictures *pictures);

#endif
