/* sheet.c - contact sheets: arrangement, margins, labels, sizes refused. SPDX-License-Identifier:
 * MIT */
#include "formats/sheet.h"
#include "check.h"
#include "formats/font.h"

#include <stdlib.h>
#include <string.h>

/* An image whose every value is `value`. */
static void put_plain(struct sheet *sheet, size_t index, float value, int height, int width)
{
    float rgb[8 * 8 * 3];
    for (int i = 0; i < height * width * 3; i++)
        rgb[i] = value;
    sheet_put(sheet, index, rgb, height, width);
}

static int pixel(const struct sheet *sheet, int x, int y)
{
    return sheet->rgb[(y * sheet->width + x) * 3];
}

static void five_images_make_three_columns(void)
{
    struct sheet_plan plan = sheet_plan_plain(5, 4, 6);
    struct sheet sheet = {0};
    CHECK_OK(sheet_open(&plan, "s.png", &sheet));
    for (int i = 0; i < 5; i++)
        put_plain(&sheet, (size_t)i, (float)i / 255, 4, 6);
    CHECK(
        sheet.width == 2 + 3 * 8 && sheet.height == 2 + 2 * 6, "%dx%d", sheet.width, sheet.height);
    for (int i = 0; i < 5; i++) {
        int x = 2 + i % 3 * 8, y = 2 + i / 3 * 6;
        CHECK(pixel(&sheet, x, y) == i, "first pixel of image %d", i);
        CHECK(pixel(&sheet, x + 5, y + 3) == i, "last pixel of image %d", i);
        CHECK(pixel(&sheet, x + 6, y + 3) > 230, "margin after image %d", i);
    }
    sheet_close(&sheet);
}

static void smaller_images_stand_in_the_middle(void)
{
    struct sheet_plan plan = sheet_plan_plain(1, 8, 8);
    struct sheet sheet = {0};
    unsigned char bytes[4 * 2 * 3] = {0};
    CHECK_OK(sheet_open(&plan, "s.png", &sheet));
    sheet_put_bytes(&sheet, 0, bytes, 4, 2);
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++)
            CHECK((pixel(&sheet, 2 + x, 2 + y) == 0) == (x >= 3 && x < 5 && y >= 2 && y < 6),
                "pixel %d %d", x, y);
    sheet_close(&sheet);
}

/* Dark pixels in a part of the sheet. */
static int ink(const struct sheet *sheet, int x, int y, int width, int height)
{
    int count = 0;
    for (int j = y; j < y + height; j++)
        for (int i = x; i < x + width; i++)
            count += pixel(sheet, i, j) < 100;
    return count;
}

/* Two blocks of 1 x 2 cells with all kinds of labels: each stands where it belongs, and cells in
 * the order of columns, rows, blocks. */
static void labels_stand_beside_cells(void)
{
    char first[] = "row", left[] = "a", right[] = "b\xC3\xA9", one[] = "one", two[] = "two";
    char *rows[] = {first}, *columns[] = {left, right}, *blocks[] = {one, two};
    struct sheet_plan plan = {.height = 8,
        .width = 32,
        .rows = 1,
        .columns = 2,
        .blocks = 2,
        .across = 1,
        .row_labels = rows,
        .column_labels = columns,
        .block_labels = blocks};
    struct sheet sheet = {0};
    CHECK_OK(sheet_open(&plan, "s.png", &sheet));
    int left_edge = 2 + 3 * FONT_WIDTH + 2, block = 2 * FONT_HEIGHT + 10;
    CHECK(sheet.width == left_edge + 2 * 34 && sheet.height == 2 + 2 * block, "%dx%d", sheet.width,
        sheet.height);
    for (int i = 0; i < 2; i++) {
        int y = 2 + i * block;
        CHECK(ink(&sheet, 2, y, 3 * FONT_WIDTH, FONT_HEIGHT) > 10, "label of block %d", i);
        CHECK(ink(&sheet, left_edge, y + FONT_HEIGHT, 32, FONT_HEIGHT) > 5, "first column");
        CHECK(ink(&sheet, left_edge + 34, y + FONT_HEIGHT, 32, FONT_HEIGHT) >
                  ink(&sheet, left_edge + 34, y + FONT_HEIGHT, FONT_WIDTH, FONT_HEIGHT) + 5,
            "the letter that is not ASCII is a box");
        CHECK(ink(&sheet, 2, y + 2 * FONT_HEIGHT, 3 * FONT_WIDTH, 10) > 10, "label of the row");
        CHECK(ink(&sheet, left_edge, y + 2 * FONT_HEIGHT, 68, 8) == 0, "cells are empty");
    }
    for (int i = 0; i < 4; i++)
        put_plain(&sheet, (size_t)i, (float)i / 255, 8, 8);
    for (int i = 0; i < 4; i++)
        CHECK(pixel(&sheet, left_edge + i % 2 * 34 + 12, 2 + i / 2 * block + 2 * FONT_HEIGHT) == i,
            "cell %d", i);
    sheet_close(&sheet);
}

/* Texts of any length and script: nothing is drawn outside of the sheet. */
static void long_labels_are_cut(void)
{
    char text[5000];
    memset(text, 'M', sizeof text);
    text[sizeof text - 1] = '\0';
    memcpy(text + 100, "\xF0\x9F\x8C\x8D, =", 7);
    for (int width = 4; width < 200; width += 13) {
        char *labels[] = {text};
        struct sheet_plan plan = {.height = 8,
            .width = width,
            .rows = 1,
            .columns = 1,
            .blocks = 1,
            .across = 1,
            .row_labels = labels,
            .column_labels = labels,
            .block_labels = labels};
        struct sheet sheet = {0};
        CHECK_OK(sheet_open(&plan, "s.png", &sheet));
        CHECK(sheet.left <= (width > 72 ? width : 72) + sheet.margin, "left %d", sheet.left);
        CHECK(sheet.top <= 4 * FONT_HEIGHT && sheet.heading <= 4 * FONT_HEIGHT, "height");
        sheet_close(&sheet);
    }
}

static void too_many_pixels_are_refused(void)
{
    struct sheet_plan plan = sheet_plan_plain(4096, 512, 512);
    struct sheet sheet = {0};
    CHECK_FAILS(sheet_open(&plan, "s.png", &sheet), CLAT_ERROR_USAGE,
        "sheet 's.png': 4096 images of 512 x 512 pixels are more than the 67 million pixels");
    plan = sheet_plan_plain((size_t)-1 / 4, 16384, 16384);
    CHECK_FAILS(sheet_check(&plan, "s.png"), CLAT_ERROR_USAGE, "more than the");
    sheet_close(&sheet);
}

/* All letters are different, and none is empty but the space. */
static void letters_differ(void)
{
    unsigned char seen[128][FONT_HEIGHT * FONT_WIDTH * 3];
    for (int c = ' '; c < 128; c++) {
        char text[] = {(char)c, '\0'};
        memset(seen[c], 255, sizeof seen[c]);
        font_draw(seen[c], FONT_HEIGHT, FONT_WIDTH, 0, 0, 1, text, 1);
        for (int d = ' '; d < c; d++)
            CHECK(memcmp(seen[c], seen[d], sizeof seen[c]) != 0, "'%c' looks like '%c'", c, d);
    }
}

int main(void)
{
    five_images_make_three_columns();
    smaller_images_stand_in_the_middle();
    labels_stand_beside_cells();
    long_labels_are_cut();
    too_many_pixels_are_refused();
    letters_differ();
    return check_result();
}
