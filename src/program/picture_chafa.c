/* picture_chafa.c - pixels on terminals that have a protocol for them, through chafa.
 * SPDX-License-Identifier: MIT */
#include "config.h"

#include "program/picture.h"

#include <stdlib.h>

#ifdef HAVE_CHAFA

#include <chafa.h>
#include <stdbool.h>
#include <string.h>

static unsigned char *to_bytes(const struct picture *picture)
{
    size_t count = (size_t)picture->height * (size_t)picture->width * 3;
    unsigned char *bytes = malloc(count);
    for (size_t i = 0; bytes && i < count; i++)
        bytes[i] = (unsigned char)(255 * picture->rgb[i] + 0.5f);
    return bytes;
}

static ChafaTermInfo *detect(void)
{
    gchar **environment = g_get_environ();
    ChafaTermInfo *terminal = chafa_term_db_detect(chafa_term_db_get_default(), environment);
    g_strfreev(environment);
    return terminal;
}

/* false: the terminal has only characters. */
static bool choose(const ChafaTermInfo *terminal, ChafaCanvasConfig *config)
{
    bool kitty = chafa_term_info_have_seq(terminal, CHAFA_TERM_SEQ_BEGIN_KITTY_IMMEDIATE_IMAGE_V1);
    bool sixels = chafa_term_info_have_seq(terminal, CHAFA_TERM_SEQ_BEGIN_SIXELS);
    chafa_canvas_config_set_pixel_mode(
        config, kitty ? CHAFA_PIXEL_MODE_KITTY : CHAFA_PIXEL_MODE_SIXELS);
    return kitty || sixels;
}

static char *print(const struct picture *picture, const ChafaCanvasConfig *config,
    ChafaTermInfo *terminal, size_t *size)
{
    unsigned char *bytes = to_bytes(picture);
    char *codes = NULL;
    if (!bytes)
        return NULL;
    ChafaCanvas *canvas = chafa_canvas_new(config);
    chafa_canvas_draw_all_pixels(
        canvas, CHAFA_PIXEL_RGB8, bytes, picture->width, picture->height, 3 * picture->width);
    GString *text = chafa_canvas_print(canvas, terminal);
    codes = malloc(text->len + 1);
    if (codes)
        memcpy(codes, text->str, text->len);
    *size = text->len;
    g_string_free(text, TRUE);
    chafa_canvas_unref(canvas);
    free(bytes);
    return codes;
}

char *picture_pixels(const struct picture *picture, struct cells cells, size_t *size)
{
    ChafaTermInfo *terminal = detect();
    ChafaCanvasConfig *config = chafa_canvas_config_new();
    char *codes = NULL;
    chafa_canvas_config_set_geometry(config, cells.columns, cells.rows);
    chafa_canvas_config_set_cell_geometry(config, 8, 16);
    if (choose(terminal, config))
        codes = print(picture, config, terminal, size);
    chafa_canvas_config_unref(config);
    chafa_term_info_unref(terminal);
    return codes;
}

#else

char *picture_pixels(const struct picture *picture, struct cells cells, size_t *size)
{
    (void)picture;
    (void)cells;
    *size = 0;
    return NULL;
}

#endif
