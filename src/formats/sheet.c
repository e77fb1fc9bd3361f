/* sheet.c - where cells and labels stand, and what is drawn there. SPDX-License-Identifier: MIT */
#include "formats/sheet.h"
#include "base/memory.h"
#include "formats/font.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PAPER 240 /* brightness of the margin */
#define LINES 4   /* most of a label that stands above something */

/* ---- labels --------------------------------------------------------------------------------- */

/* Letters of the text's first line, of at most `most`: up to a space or behind a comma or '=' if
 * the text goes on. */
static size_t line_letters(const char *text, size_t most)
{
    size_t bytes = font_bytes(text, most);
    if (text[bytes]) {
        size_t cut = bytes;
        while (cut > 0 && text[cut] != ' ' && !strchr(",=", text[cut - 1]))
            cut--;
        if (cut > bytes / 3)
            bytes = cut;
    }
    size_t letters = 0;
    while (font_bytes(text, letters) < bytes)
        letters++;
    return letters;
}

static size_t count_lines(const char *text, size_t most)
{
    size_t lines = 0;
    while (*text) {
        text += font_bytes(text, line_letters(text, most));
        text += strspn(text, " ");
        lines++;
    }
    return lines;
}

/* A label, broken into lines of at most `width` pixels; the last of `lines` ends in dots if there
 * is more. */
static void draw_label(struct sheet *sheet, const char *text, int x, int y, int width, size_t lines)
{
    int scale = sheet->scale;
    size_t most = (size_t)(width / (FONT_WIDTH * scale));
    for (size_t i = 0; i < lines && *text && most; i++) {
        size_t letters = line_letters(text, most), bytes = font_bytes(text, letters);
        bool cut = i + 1 == lines && text[bytes] && letters > 2;
        size_t drawn = cut ? (letters < most - 2 ? letters : most - 2) : letters;
        font_draw(sheet->rgb, sheet->height, sheet->width, x, y, scale, text, drawn);
        if (cut)
            font_draw(sheet->rgb, sheet->height, sheet->width, x + (int)drawn * FONT_WIDTH * scale,
                y, scale, "..", 2);
        y += FONT_HEIGHT * scale;
        text += bytes;
        text += strspn(text, " ");
    }
}

/* Pixels that labels above something of this width need. */
static int label_height(const struct sheet *sheet, char **labels, size_t count, int width)
{
    size_t most = (size_t)(width / (FONT_WIDTH * sheet->scale)), lines = 0;
    for (size_t i = 0; labels && i < count && most; i++) {
        size_t needed = count_lines(labels[i], most);
        lines = needed > lines ? needed : lines;
    }
    return (int)(lines > LINES ? LINES : lines) * FONT_HEIGHT * sheet->scale;
}

/* Pixels for labels at the left: no more than a cell, or twelve letters. */
static int label_width(const struct sheet *sheet, char **labels, size_t count)
{
    int letter = FONT_WIDTH * sheet->scale, widest = 0;
    int most = sheet->plan->width > 12 * letter ? sheet->plan->width : 12 * letter;
    for (size_t i = 0; labels && i < count; i++) {
        size_t letters = font_letters(labels[i]);
        int width = letters > 1000 ? most : (int)letters * letter;
        widest = width > widest ? width : widest;
    }
    return widest < most ? widest : most;
}

/* ---- places --------------------------------------------------------------------------------- */

struct place {
    int x, y;
};

static int block_width(const struct sheet *sheet)
{
    return sheet->left + (int)sheet->plan->columns * (sheet->plan->width + sheet->margin);
}

static int block_height(const struct sheet *sheet)
{
    return sheet->heading + sheet->top +
           (int)sheet->plan->rows * (sheet->plan->height + sheet->margin);
}

static struct place block_place(const struct sheet *sheet, size_t block)
{
    size_t across = sheet->plan->across;
    return (struct place){sheet->margin + (int)(block % across) * block_width(sheet),
        sheet->margin + (int)(block / across) * block_height(sheet)};
}

static struct place cell_place(const struct sheet *sheet, size_t index)
{
    const struct sheet_plan *plan = sheet->plan;
    struct place place = block_place(sheet, index / (plan->rows * plan->columns));
    place.x += sheet->left + (int)(index % plan->columns) * (plan->width + sheet->margin);
    place.y += sheet->heading + sheet->top +
               (int)(index / plan->columns % plan->rows) * (plan->height + sheet->margin);
    return place;
}

/* False if there are more pixels than may be; then nothing else is good. */
static bool measure(struct sheet *sheet)
{
    const struct sheet_plan *plan = sheet->plan;
    size_t cells, pixels, down = (plan->blocks + plan->across - 1) / plan->across;
    size_t cell = (size_t)plan->height * (size_t)plan->width;
    if (!size_mul(plan->rows * plan->columns, down * plan->across, &cells) ||
        !size_mul(cells, cell, &pixels) || pixels > SHEET_PIXEL_LIMIT)
        return false;
    sheet->margin = plan->width / 16 > 2 ? plan->width / 16 : 2;
    sheet->scale = plan->width > 384 ? plan->width / 192 : 1;
    sheet->left = label_width(sheet, plan->row_labels, plan->rows);
    if (sheet->left)
        sheet->left += sheet->margin;
    sheet->top = label_height(sheet, plan->column_labels, plan->columns, plan->width);
    sheet->heading =
        label_height(sheet, plan->block_labels, plan->blocks, block_width(sheet) - sheet->margin);
    double width = sheet->margin + (double)plan->across * block_width(sheet);
    double height = sheet->margin + (double)down * block_height(sheet);
    if (width * height > (double)SHEET_PIXEL_LIMIT)
        return false;
    sheet->width = (int)width;
    sheet->height = (int)height;
    return true;
}

/* ---- drawing -------------------------------------------------------------------------------- */

static void draw_block(struct sheet *sheet, size_t block)
{
    const struct sheet_plan *plan = sheet->plan;
    struct place at = block_place(sheet, block);
    int line = FONT_HEIGHT * sheet->scale;
    if (plan->block_labels)
        draw_label(sheet, plan->block_labels[block], at.x, at.y, block_width(sheet) - sheet->margin,
            LINES);
    at.y += sheet->heading;
    for (size_t i = 0; plan->column_labels && i < plan->columns; i++)
        draw_label(sheet, plan->column_labels[i],
            at.x + sheet->left + (int)i * (plan->width + sheet->margin), at.y, plan->width, LINES);
    at.y += sheet->top;
    for (size_t i = 0; plan->row_labels && i < plan->rows; i++)
        draw_label(sheet, plan->row_labels[i], at.x, at.y + (int)i * (plan->height + sheet->margin),
            sheet->left - sheet->margin, (size_t)(plan->height > line ? plan->height / line : 1));
}

struct sheet_plan sheet_plan_plain(size_t count, int height, int width)
{
    size_t columns = 1;
    while (columns < count / columns + (count % columns != 0))
        ++columns;
    return (struct sheet_plan){.height = height,
        .width = width,
        .rows = (count + columns - 1) / columns,
        .columns = columns,
        .blocks = 1,
        .across = 1};
}

enum clat_status sheet_check(const struct sheet_plan *plan, const char *path)
{
    struct sheet sheet = {.plan = plan};
    if (measure(&sheet))
        return CLAT_OK;
    return status_set(CLAT_ERROR_USAGE,
        "sheet '%s': %zu images of %d x %d pixels are more than the %zu million pixels of one "
        "sheet; make fewer or smaller ones, or leave the sheet out",
        path, plan->rows * plan->columns * plan->blocks, plan->width, plan->height,
        SHEET_PIXEL_LIMIT / 1000000);
}

enum clat_status sheet_open(const struct sheet_plan *plan, const char *path, struct sheet *sheet)
{
    enum clat_status status;
    TRY(sheet_check(plan, path));
    sheet->plan = plan;
    measure(sheet);
    size_t bytes = (size_t)sheet->height * (size_t)sheet->width * 3;
    TRY(memory_new(bytes, 1, &sheet->rgb));
    memset(sheet->rgb, PAPER, bytes);
    for (size_t i = 0; i < plan->blocks; i++)
        draw_block(sheet, i);
out:
    return status;
}

/* Smaller images stand in the middle of their cell. */
static unsigned char *cell_row(
    const struct sheet *sheet, size_t index, int row, int height, int width)
{
    struct place place = cell_place(sheet, index);
    int x = place.x + (sheet->plan->width - width) / 2;
    int y = place.y + (sheet->plan->height - height) / 2 + row;
    return sheet->rgb + ((size_t)y * (size_t)sheet->width + (size_t)x) * 3;
}

void sheet_put(struct sheet *sheet, size_t index, const float *rgb, int height, int width)
{
    for (int y = 0; y < height; y++) {
        unsigned char *row = cell_row(sheet, index, y, height, width);
        for (int i = 0; i < 3 * width; i++)
            row[i] = (unsigned char)rintf(255 * fminf(fmaxf(*rgb++, 0), 1));
    }
}

void sheet_put_bytes(
    struct sheet *sheet, size_t index, const unsigned char *rgb, int height, int width)
{
    for (int y = 0; y < height; y++)
        memcpy(cell_row(sheet, index, y, height, width), rgb + (size_t)y * (size_t)width * 3,
            (size_t)width * 3);
}

void sheet_close(struct sheet *sheet)
{
    free(sheet->rgb);
    *sheet = (struct sheet){.rgb = NULL};
}
