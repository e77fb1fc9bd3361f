/* resize.h - a picture at another size, as the reference programs do it. SPDX-License-Identifier:
 * MIT
 *
 * Lanczos with three lobes over 8-bit values, stretched when shrinking so that nothing is left out;
 * weights in fixed point with 22 bits, rows first, then columns, each rounded to 8 bits: the same
 * bytes as PIL's Image.resize(size, LANCZOS) (from version 13 on PIL takes the columns first where
 * the height shrinks much more than the width). */
#ifndef CLATENT_PIPELINE_RESIZE_H
#define CLATENT_PIPELINE_RESIZE_H

#include "base/status.h"

/* from [height][width][channels] to *to [new_height][new_width][channels], freed by the caller. */
enum clat_status resize_lanczos(const unsigned char *from, int height, int width, int channels,
    int new_height, int new_width, unsigned char **to);

#endif
