/* sheet.c - several images of one size on one contact sheet. SPDX-License-Identifier: MIT */
#include "formats/sheet.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define PAPER 0.94f /* brightness of the margin */

static size_t cell_floats(const struct sheet *sheet)
{
    return (size_t)sheet->height * (size_t)sheet->width * 3;
}

enum clat_status sheet_add(struct sheet *sheet, const float *rgb, int height, int width)
{
    if (sheet->count == 0)
        sheet->height = height, sheet->width = width;
    if (height != sheet->height || width != sheet->width)
        return status_set(CLAT_ERROR_INPUT,
            "contact sheet: image %zu is %dx%d pixels, the first was %dx%d", sheet->count + 1,
            width, height, sheet->width, sheet->height);
    size_t size = cell_floats(sheet), used = sheet->count * size;
    enum clat_status status =
        memory_grow(&sheet->cells, &sheet->capacity, used + size, sizeof *sheet->cells);
    if (status != CLAT_OK)
        return status;
    memcpy(sheet->cells + used, rgb, size * sizeof *rgb);
    sheet->count++;
    return CLAT_OK;
}

/* Columns and rows for `count` cells: columns * columns >= count, no empty row. */
static void arrange(size_t count, size_t *columns, size_t *rows)
{
    *columns = 1;
    while (*columns * *columns < count)
        ++*columns;
    *rows = (count + *columns - 1) / *columns;
}

/* Copies one cell to its place, given by its top left pixel. */
static void place(const struct sheet *sheet, size_t index, float *rgb, size_t stride)
{
    size_t row = (size_t)sheet->width * 3;
    const float *cell = sheet->cells + index * cell_floats(sheet);
    for (size_t y = 0; y < (size_t)sheet->height; y++)
        memcpy(rgb + y * stride, cell + y * row, row * sizeof *rgb);
}

enum clat_status sheet_compose(const struct sheet *sheet, float **rgb, int *height, int *width)
{
    size_t columns, rows, cell_h = (size_t)sheet->height, cell_w = (size_t)sheet->width;
    size_t margin = cell_w / 16 > 2 ? cell_w / 16 : 2;
    arrange(sheet->count, &columns, &rows);
    size_t w = margin + columns * (cell_w + margin), h = margin + rows * (cell_h + margin);
    enum clat_status status = memory_new(w * h * 3, sizeof **rgb, rgb);
    if (status != CLAT_OK)
        return status;
    for (size_t i = 0; i < w * h * 3; i++)
        (*rgb)[i] = PAPER;
    for (size_t i = 0; i < sheet->count; i++) {
        size_t x = margin + i % columns * (cell_w + margin);
        size_t y = margin + i / columns * (cell_h + margin);
        place(sheet, i, *rgb + (y * w + x) * 3, w * 3);
    }
    *height = (int)h;
    *width = (int)w;
    return CLAT_OK;
}

void sheet_free(struct sheet *sheet)
{
    free(sheet->cells);
    memset(sheet, 0, sizeof *sheet);
}
