/* picture.c - a small picture on the terminal, in half blocks. SPDX-License-Identifier: MIT
 *
 * U+2580 paints the upper half of a cell in the foreground's colour and leaves the lower half in
 * the background's. */
#include "config.h" /* _GNU_SOURCE, before any system header */

#include "program/picture.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDEST 64 /* columns */

enum depth { NO_COLOURS, COLOURS_256, COLOURS_24_BIT };

static bool has(const char *variable, const char *word)
{
    const char *value = getenv(variable);
    return value && strcasestr(value, word);
}

static enum depth colour_depth(void)
{
    const char *refused = getenv("NO_COLOR");
    if (refused && *refused)
        return NO_COLOURS;
    if (has("COLORTERM", "truecolor") || has("COLORTERM", "24bit") || has("TERM", "direct"))
        return COLOURS_24_BIT;
    return has("TERM", "256color") || has("TERM", "kitty") ? COLOURS_256 : NO_COLOURS;
}

/* By the first variable that has a say: what setlocale() would look at. */
static bool is_utf8(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(variables[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

/* As wide as allowed, cells being twice as high as wide; no higher than the terminal has room. */
static struct cells fit(const struct picture *picture)
{
    struct winsize size;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    int columns = known ? size.ws_col - 1 : 79, lines = known ? size.ws_row - 3 : 20;
    if (columns > WIDEST)
        columns = WIDEST;
    int rows = (columns * picture->height / picture->width + 1) / 2;
    if (lines > 0 && rows > lines) {
        rows = lines;
        columns = 2 * rows * picture->width / picture->height;
    }
    return (struct cells){columns > 0 ? columns : 1, rows > 0 ? rows : 1};
}

/* The picture at the centre of the cell's upper (0) or lower (1) half, 0..255. */
static void colour_at(const struct picture *picture, struct cells cells, int row, int half,
    int column, unsigned char rgb[3])
{
    int y = (2 * row + half) * picture->height / (2 * cells.rows);
    int x = column * picture->width / cells.columns;
    const float *from = picture->rgb + 3 * ((size_t)y * (size_t)picture->width + (size_t)x);
    for (int c = 0; c < 3; c++)
        rgb[c] = (unsigned char)(255 * from[c] + 0.5f);
}

/* The nearest of xterm's cube of 6 x 6 x 6 colours. */
static int cube(const unsigned char rgb[3])
{
    int level[3];
    for (int c = 0; c < 3; c++)
        level[c] = rgb[c] < 48 ? 0 : rgb[c] < 115 ? 1 : (rgb[c] - 35) / 40;
    return 16 + 36 * level[0] + 6 * level[1] + level[2];
}

static void put_colour(enum depth depth, int where, const unsigned char rgb[3])
{
    if (depth == COLOURS_24_BIT)
        fprintf(stderr, "\033[%d;2;%d;%d;%dm", where, rgb[0], rgb[1], rgb[2]);
    else
        fprintf(stderr, "\033[%d;5;%dm", where, cube(rgb));
}

static void draw_blocks(const struct picture *picture, struct cells cells, enum depth depth)
{
    for (int row = 0; row < cells.rows; row++) {
        for (int column = 0; column < cells.columns; column++) {
            unsigned char upper[3], lower[3];
            colour_at(picture, cells, row, 0, column, upper);
            colour_at(picture, cells, row, 1, column, lower);
            put_colour(depth, 38, upper);
            put_colour(depth, 48, lower);
            fputs("\xE2\x96\x80", stderr);
        }
        fputs("\033[0m\n", stderr);
    }
}

/* At a saved place, since protocols differ in where they leave the cursor. */
static void draw_pixels(const char *codes, size_t size, int rows)
{
    fputs("\0337", stderr);
    fwrite(codes, 1, size, stderr);
    fprintf(stderr, "\0338\033[%dB\r", rows);
}

int picture_draw(const struct picture *picture, int above)
{
    enum depth depth = colour_depth();
    if (depth == NO_COLOURS || !is_utf8())
        return 0;
    size_t size;
    struct cells cells = fit(picture);
    char *codes = picture_pixels(picture, cells, &size);
    /* Room below first: at the end of the screen everything scrolls. */
    for (int row = above; row < cells.rows; row++)
        fputc('\n', stderr);
    fprintf(stderr, "\033[%dA\r", above > cells.rows ? above : cells.rows);
    if (codes)
        draw_pixels(codes, size, cells.rows);
    else
        draw_blocks(picture, cells, depth);
    free(codes);
    fflush(stderr);
    return cells.rows;
}
