/* sheet.h - several images on one contact sheet, with labels. SPDX-License-Identifier: MIT
 *
 * Cells stand in rows and columns, these in blocks, and the blocks beside and below each other:
 *
 *              block label                a sweep of one axis has a block for each image,
 *            column  column               of two axes one block,
 *      row   [cell]  [cell]               of more a block for each combination of the others
 *      row   [cell]  [cell]
 */
#ifndef CLATENT_FORMATS_SHEET_H
#define CLATENT_FORMATS_SHEET_H

#include "base/status.h"
#include <stddef.h>

#define SHEET_PIXEL_LIMIT ((size_t)1 << 26)

struct sheet_plan {
    int height, width; /* of the largest cell, in pixels */
    size_t rows, columns, blocks;
    size_t across;        /* blocks side by side */
    char **row_labels;    /* [rows], UTF-8; NULL: none; likewise the others */
    char **column_labels; /* [columns] */
    char **block_labels;  /* [blocks] */
};

/* Zero-initialise; freed with sheet_close(). */
struct sheet {
    const struct sheet_plan *plan; /* the caller's */
    int height, width;             /* in pixels */
    int margin, scale;             /* between cells; of a letter's dots */
    int left, top, heading;        /* pixels for row labels, column labels, a block's label */
    unsigned char *rgb;            /* [height][width][3] */
};

/* As many columns as make `count` cells nearly square, without labels. */
struct sheet_plan sheet_plan_plain(size_t count, int height, int width);

/* Draws labels on light paper; margins are a sixteenth of a cell, 2 pixels at least. A sheet of
 * more than SHEET_PIXEL_LIMIT pixels is CLAT_ERROR_USAGE, and sheet_check() is enough to know. */
enum clat_status sheet_check(const struct sheet_plan *plan, const char *path);
enum clat_status sheet_open(const struct sheet_plan *plan, const char *path, struct sheet *sheet);

/* Puts an image [height][width][3], no larger than a cell, into cell `index`, which counts columns,
 * then rows, then blocks: floats in 0..1, or bytes. */
void sheet_put(struct sheet *sheet, size_t index, const float *rgb, int height, int width);
void sheet_put_bytes(
    struct sheet *sheet, size_t index, const unsigned char *rgb, int height, int width);

void sheet_close(struct sheet *sheet);

#endif
