/* picture.h - a small picture on the terminal. SPDX-License-Identifier: MIT
 *
 * Where chafa was there at configure time and the terminal speaks kitty's protocol or sixels, as
 * pixels; else as half blocks, two pixels in a character, in 24-bit or 256 colours as COLORTERM and
 * TERM promise. Nothing without colours (NO_COLOR too) or without UTF-8. */
#ifndef CLATENT_PROGRAM_PICTURE_H
#define CLATENT_PROGRAM_PICTURE_H

#include <stddef.h>

struct picture {
    int height, width;
    const float *rgb; /* [height][width][3], 0..1 */
};

/* Cells that a picture may fill on this terminal. */
struct cells {
    int columns, rows;
};

/* Draws on standard error from the start of the line on, and leaves the cursor at the start of the
 * line below. `above` is how many lines the last one took, which is drawn over; 0: none. Returns
 * the lines that this one takes, 0 if the terminal shows no pictures. */
int picture_draw(const struct picture *picture, int above);

/* picture_chafa.c: the escape codes of the picture for so many cells, freed with free(); NULL if
 * the terminal has no protocol for pixels, or chafa was not there. */
char *picture_pixels(const struct picture *picture, struct cells cells, size_t *size);

#endif
