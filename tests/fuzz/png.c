/* png.c - fuzz target: the chunks of a PNG image, and its pixels in every form.
 * SPDX-License-Identifier: MIT */
#include "formats/png.h"
#include "fuzz.h"

#include <stdlib.h>

#define PIXELS 65536 /* of images that are decoded: larger ones only take longer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct png_facts facts = {0};
    bool known = png_read_facts("fuzz", data, size, &facts) == CLAT_OK;
    bool small = (size_t)facts.width * (size_t)facts.height <= PIXELS;
    (void)png_find_text(&facts, "clatent");
    png_facts_free(&facts);
    for (int form = PNG_RGB; known && small && form <= PNG_LABELS; form++) {
        struct png_pixels pixels = {0};
        if (png_decode("fuzz", data, size, (enum png_form)form, &pixels) == CLAT_OK)
            free(pixels.values);
    }
    return 0;
}
