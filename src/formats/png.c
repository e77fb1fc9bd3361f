/* png.c - an image into the bytes of a PNG file, by libpng. SPDX-License-Identifier: MIT
 *
 * libpng reports faults by longjmp. That stays inside write_image(), which owns nothing: all that
 * must be freed is in struct encoder, made and freed by its caller. The only file that includes
 * png.h of libpng. */
#include "formats/png.h"
#include "base/memory.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct encoder {
    png_structp png;
    png_infop info;
    struct text *out;
    unsigned char *row; /* [width][3] */
    png_text *texts;    /* libpng's form; Latin-1 copies are owned by `converted` */
    char **converted;
    size_t text_count;
    const float *rgb;
    int height, width;
    enum clat_status status; /* of a callback, before the jump */
};

static void on_error(png_structp png, png_const_charp message)
{
    struct encoder *encoder = png_get_error_ptr(png);
    if (encoder->status == CLAT_OK)
        encoder->status = status_set(CLAT_ERROR_OUTPUT, "cannot make a PNG file: %s", message);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_write(png_structp png, png_bytep bytes, size_t size)
{
    struct encoder *encoder = png_get_io_ptr(png);
    encoder->status = text_add(encoder->out, (const char *)bytes, size);
    if (encoder->status != CLAT_OK)
        png_error(png, "no memory");
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* UTF-8 as Latin-1 into `latin` (as long as the text), or false: some character has no place there.
 */
static bool to_latin1(const char *text, char *latin)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        unsigned code = *c;
        if (code >= 0x80) {
            if (code != 0xC2 && code != 0xC3)
                return false;
            code = (code & 3) << 6 | (*++c & 0x3F);
        }
        if ((code < 0x20 && code != '\n') || (code >= 0x7F && code < 0xA0))
            return false;
        *latin++ = (char)code;
    }
    *latin = '\0';
    return true;
}

static enum clat_status convert_text(struct encoder *encoder, const struct png_text *from)
{
    enum clat_status status = CLAT_OK;
    size_t index = encoder->text_count;
    png_text *to = &encoder->texts[index];
    TRY(memory_new(strlen(from->text) + 1, 1, &encoder->converted[index]));
    encoder->text_count++;
    to->key = from->keyword;
    to->compression = PNG_ITXT_COMPRESSION_NONE;
    to->text = from->text;
    to->itxt_length = strlen(from->text);
    bool is_xmp = strcmp(from->keyword, "XML:com.adobe.xmp") == 0;
    if (!is_xmp && to_latin1(from->text, encoder->converted[index])) {
        to->compression = PNG_TEXT_COMPRESSION_NONE;
        to->text = encoder->converted[index];
        to->text_length = strlen(to->text);
        to->itxt_length = 0;
    }
out:
    return status;
}

static enum clat_status convert_texts(
    struct encoder *encoder, const struct png_text *texts, size_t count)
{
    enum clat_status status = CLAT_OK;
    TRY(memory_new(count, sizeof *encoder->texts, &encoder->texts));
    TRY(memory_new(count, sizeof *encoder->converted, &encoder->converted));
    for (size_t i = 0; i < count; i++)
        TRY(convert_text(encoder, &texts[i]));
out:
    return status;
}

static void convert_row(const float *rgb, int width, unsigned char *row)
{
    for (int i = 0; i < 3 * width; i++) {
        float value = rgb[i] < 0 ? 0 : rgb[i] > 1 ? 1 : rgb[i];
        row[i] = (unsigned char)rintf(value * 255.0f);
    }
}

/* Everything that may jump. */
static void write_image(struct encoder *encoder)
{
    if (setjmp(png_jmpbuf(encoder->png)))
        return;
    png_set_write_fn(encoder->png, encoder, on_write, on_flush);
    png_set_IHDR(encoder->png, encoder->info, (png_uint_32)encoder->width,
        (png_uint_32)encoder->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
        PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_text(encoder->png, encoder->info, encoder->texts, (int)encoder->text_count);
    png_write_info(encoder->png, encoder->info);
    for (int y = 0; y < encoder->height; y++) {
        convert_row(encoder->rgb + (size_t)y * encoder->width * 3, encoder->width, encoder->row);
        png_write_row(encoder->png, encoder->row);
    }
    png_write_end(encoder->png, NULL);
}

static enum clat_status check_finite(const float *rgb, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(rgb[i]))
            return status_set(CLAT_ERROR_CHECK, "the image holds a value that is not a number");
    return CLAT_OK;
}

static void free_encoder(struct encoder *encoder)
{
    for (size_t i = 0; i < encoder->text_count; i++)
        free(encoder->converted[i]);
    free(encoder->converted);
    free(encoder->texts);
    free(encoder->row);
    png_destroy_write_struct(&encoder->png, &encoder->info);
}

enum clat_status png_encode(const float *rgb, int height, int width, const struct png_text *texts,
    size_t text_count, struct text *out)
{
    enum clat_status status = CLAT_OK;
    struct encoder encoder = {.out = out, .rgb = rgb, .height = height, .width = width};
    TRY(check_finite(rgb, (size_t)height * width * 3));
    TRY(memory_new((size_t)width * 3, 1, &encoder.row));
    TRY(convert_texts(&encoder, texts, text_count));
    encoder.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &encoder, on_error, on_warning);
    encoder.info = encoder.png ? png_create_info_struct(encoder.png) : NULL;
    if (!encoder.info)
        FAIL(CLAT_ERROR_MEMORY, "no host memory for a PNG file");
    write_image(&encoder);
    status = encoder.status;
out:
    free_encoder(&encoder);
    return status;
}
