/* sheet.h - several images of one size on one contact sheet. SPDX-License-Identifier: MIT */
#ifndef CLATENT_FORMATS_SHEET_H
#define CLATENT_FORMATS_SHEET_H

#include "base/status.h"
#include <stddef.h>

/* Zero-initialise; freed with sheet_free(). */
struct sheet {
    float *cells;      /* [count][height][width][3] in 0..1 */
    size_t count;      /* images so far */
    size_t capacity;   /* in floats */
    int height, width; /* of one image, in pixels; of the first that was added */
};

/* Adds a copy of rgb [height][width][3]; an image of another size than the first is
 * CLAT_ERROR_INPUT. */
enum clat_status sheet_add(struct sheet *sheet, const float *rgb, int height, int width);

/* The sheet as one image: as many columns as make it nearly square, rows filled left to right, a
 * light margin of a sixteenth of an image (2 pixels at least) all round. *rgb [*height][*width][3]
 * is freed by the caller. At least one image must have been added. */
enum clat_status sheet_compose(const struct sheet *sheet, float **rgb, int *height, int *width);

void sheet_free(struct sheet *sheet);

#endif
