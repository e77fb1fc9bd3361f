/* sheet.c - contact sheets: arrangement, margins, sizes refused. SPDX-License-Identifier: MIT */
#include "formats/sheet.h"
#include "check.h"

#include <stdlib.h>

/* An image whose every value is `value`. */
static void add_plain(struct sheet *sheet, float value, int height, int width)
{
    float rgb[8 * 8 * 3];
    for (int i = 0; i < height * width * 3; i++)
        rgb[i] = value;
    CHECK_OK(sheet_add(sheet, rgb, height, width));
}

static void five_images_make_three_columns(void)
{
    struct sheet sheet = {0};
    for (int i = 0; i < 5; i++)
        add_plain(&sheet, (float)i / 8, 4, 6);
    float *rgb = NULL;
    int h = 0, w = 0;
    CHECK_OK(sheet_compose(&sheet, &rgb, &h, &w));
    CHECK(w == 2 + 3 * 8 && h == 2 + 2 * 6, "%dx%d", w, h);
    for (int i = 0; i < 5; i++) {
        int x = 2 + i % 3 * 8, y = 2 + i / 3 * 6;
        CHECK(rgb[(y * w + x) * 3] == (float)i / 8, "first pixel of image %d", i);
        CHECK(rgb[((y + 3) * w + x + 5) * 3 + 2] == (float)i / 8, "last pixel of image %d", i);
        CHECK(rgb[((y + 3) * w + x + 6) * 3] > 0.9f, "margin after image %d", i);
    }
    free(rgb);
    sheet_free(&sheet);
}

static void other_sizes_are_refused(void)
{
    struct sheet sheet = {0};
    float rgb[8 * 8 * 3] = {0};
    add_plain(&sheet, 0.5f, 8, 8);
    CHECK_FAILS(sheet_add(&sheet, rgb, 8, 4), CLAT_ERROR_INPUT, "image 2 is 4x8");
    sheet_free(&sheet);
}

int main(void)
{
    five_images_make_three_columns();
    other_sizes_are_refused();
    return check_result();
}
