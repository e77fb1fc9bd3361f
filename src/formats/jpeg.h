/* jpeg.h - photographs, read only. SPDX-License-Identifier: MIT
 *
 * Through libjpeg, where it was there at configure time; with the orientation that a camera noted
 * (Exif) applied, as diffusers does when it loads a picture. */
#ifndef CLATENT_FORMATS_JPEG_H
#define CLATENT_FORMATS_JPEG_H

#include "formats/png.h"

/* By its first bytes. */
bool jpeg_is(const unsigned char *data, size_t size);

/* The pixels in the forms and limits of png_decode(); PNG_LABELS is refused, since a photograph has
 * no exact numbers. CLAT_ERROR_INPUT for a damaged file, for colours that are not RGB or gray, and
 * where libjpeg is missing. */
enum clat_status jpeg_decode(const char *name, const unsigned char *data, size_t size,
    enum png_form form, struct png_pixels *pixels);

/* exif.c: 1..8 from an Exif segment of `size` bytes ("Exif", 0, 0, then TIFF), 1 if it has none. */
int exif_orientation(const unsigned char *data, size_t size);
/* Turns and mirrors pixels so that they stand upright. */
enum clat_status exif_turn(int orientation, struct png_pixels *pixels);

#endif
