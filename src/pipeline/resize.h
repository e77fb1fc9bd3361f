/* resize.h - a picture at another size, as the reference programs do it. SPDX-License-Identifier:
 * MIT
 *
 * Lanczos with three lobes over 8-bit values, stretched when shrinking so that nothing is left out;
 * weights in fixed point with 22 bits, each pass rounded to 8 bits: the same bytes as PIL 13's
 * Image.resize(size, LANCZOS), which takes the columns first where that drops more than twice as
 * many rows as the other pass drops columns, else the rows. (Before 13 the rows were always first.)
 */
#ifndef CLATENT_PIPELINE_RESIZE_H
#define CLATENT_PIPELINE_RESIZE_H

#include "base/status.h"

/* from [height][width][channels] to *to [new_height][new_width][channels], freed by the caller. */
enum clat_status resize_lanczos(const unsigned char *from, int height, int width, int channels,
    int new_height, int new_width, unsigned char **to);

#endif
