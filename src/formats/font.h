/* font.h - letters for labels in pictures. SPDX-License-Identifier: MIT */
#ifndef CLATENT_FORMATS_FONT_H
#define CLATENT_FORMATS_FONT_H

#include <stddef.h>

/* Of one letter with the space behind and below it, in pixels, before it is enlarged. */
#define FONT_WIDTH 6
#define FONT_HEIGHT 11

/* How many letters a UTF-8 text has. */
size_t font_letters(const char *text);
/* The bytes of its first `letters`, or of all. */
size_t font_bytes(const char *text, size_t letters);

/* Draws the first `letters` of a UTF-8 text in dark pixels, each `scale` x `scale`, from the top
 * left corner (x, y) of rgb [height][width][3]; what would stand outside is left out. ASCII has
 * letters, everything else a box. */
void font_draw(unsigned char *rgb, int height, int width, int x, int y, int scale, const char *text,
    size_t letters);

#endif
