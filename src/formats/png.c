/* png.c - pixels into the bytes of a PNG file and back, by libpng. SPDX-License-Identifier: MIT
 *
 * libpng reports faults by longjmp. That stays inside write_image() and read_image(), which own
 * nothing: all that must be freed is in struct encoder or decoder, made and freed by their caller.
 * The only file that includes png.h of libpng. */
#include "formats/png.h"
#include "base/memory.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing -------------------------------------------------------------------------------- */

struct encoder {
    png_structp png;
    png_infop info;
    struct text *out;
    unsigned char *row; /* [width][3] */
    png_text *texts;    /* libpng's form; Latin-1 copies are owned by `converted` */
    char **converted;
    size_t text_count;
    const float *rgb; /* one of the two */
    const unsigned char *bytes;
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
        size_t start = (size_t)y * (size_t)encoder->width * 3;
        if (encoder->bytes)
            memcpy(encoder->row, encoder->bytes + start, (size_t)encoder->width * 3);
        else
            convert_row(encoder->rgb + start, encoder->width, encoder->row);
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

static enum clat_status encode(
    struct encoder *encoder, const struct png_text *texts, size_t text_count)
{
    enum clat_status status = CLAT_OK;
    TRY(memory_new((size_t)encoder->width * 3, 1, &encoder->row));
    TRY(convert_texts(encoder, texts, text_count));
    encoder->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, encoder, on_error, on_warning);
    encoder->info = encoder->png ? png_create_info_struct(encoder->png) : NULL;
    if (!encoder->info)
        FAIL(CLAT_ERROR_MEMORY, "no host memory for a PNG file");
    write_image(encoder);
    status = encoder->status;
out:
    free_encoder(encoder);
    return status;
}

enum clat_status png_encode(const float *rgb, int height, int width, const struct png_text *texts,
    size_t text_count, struct text *out)
{
    struct encoder encoder = {.out = out, .rgb = rgb, .height = height, .width = width};
    enum clat_status status = check_finite(rgb, (size_t)height * (size_t)width * 3);
    return status == CLAT_OK ? encode(&encoder, texts, text_count) : status;
}

enum clat_status png_encode_bytes(const unsigned char *rgb, int height, int width,
    const struct png_text *texts, size_t text_count, struct text *out)
{
    struct encoder encoder = {.out = out, .bytes = rgb, .height = height, .width = width};
    return encode(&encoder, texts, text_count);
}

/* ---- reading -------------------------------------------------------------------------------- */

struct decoder {
    png_structp png;
    png_infop info;
    const char *name;
    const unsigned char *data; /* the file */
    size_t size, at;
    enum png_form form;
    int width, height;
    unsigned char *values; /* [height][width][4]: red, green, blue, alpha; labels: 1 channel */
    enum clat_status status;
};

static void on_read_error(png_structp png, png_const_charp message)
{
    struct decoder *decoder = png_get_error_ptr(png);
    if (decoder->status == CLAT_OK)
        decoder->status = status_set(CLAT_ERROR_INPUT, "%s: not a good PNG file: %s at byte %zu",
            decoder->name, message, decoder->at);
    longjmp(png_jmpbuf(png), 1);
}

static void on_read(png_structp png, png_bytep bytes, size_t size)
{
    struct decoder *decoder = png_get_io_ptr(png);
    if (size > decoder->size - decoder->at)
        png_error(png, "the PNG file ends too early");
    memcpy(bytes, decoder->data + decoder->at, size);
    decoder->at += size;
}

/* "16-bit RGB" */
static const char *color_name(int color)
{
    switch (color) {
    case PNG_COLOR_TYPE_GRAY:
        return "gray";
    case PNG_COLOR_TYPE_PALETTE:
        return "palette";
    case PNG_COLOR_TYPE_GRAY_ALPHA:
        return "gray with alpha";
    case PNG_COLOR_TYPE_RGB:
        return "RGB";
    default:
        return "RGB with alpha";
    }
}

/* Labels are numbers: nothing may change them. */
static void ask_for_labels(struct decoder *decoder)
{
    int color = png_get_color_type(decoder->png, decoder->info);
    int depth = png_get_bit_depth(decoder->png, decoder->info);
    if ((color != PNG_COLOR_TYPE_GRAY && color != PNG_COLOR_TYPE_PALETTE) || depth > 8) {
        decoder->status = status_set(CLAT_ERROR_INPUT,
            "%s: expected an 8-bit gray or palette image, whose numbers are labels, found "
            "%d-bit %s",
            decoder->name, depth, color_name(color));
        png_error(decoder->png, "labels");
    }
    png_set_packing(decoder->png);
}

static void ask_for_colors(struct decoder *decoder)
{
    png_set_expand(decoder->png);
    png_set_scale_16(decoder->png);
    png_set_gray_to_rgb(decoder->png);
    png_set_add_alpha(decoder->png, 0xFF, PNG_FILLER_AFTER);
}

/* Everything that may jump: the head, then the pixels. */
static void read_image(struct decoder *decoder)
{
    png_structp png = decoder->png;
    size_t channels = decoder->form == PNG_LABELS ? 1 : 4;
    if (setjmp(png_jmpbuf(png)))
        return;
    png_set_read_fn(png, decoder, on_read);
    png_set_user_limits(png, PNG_SIDE_LIMIT, PNG_SIDE_LIMIT);
    png_set_chunk_malloc_max(png, PNG_CHUNK_LIMIT);
    png_read_info(png, decoder->info);
    if (decoder->form == PNG_LABELS)
        ask_for_labels(decoder);
    else
        ask_for_colors(decoder);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, decoder->info);
    size_t row = (size_t)decoder->width * channels;
    if (png_get_rowbytes(png, decoder->info) != row)
        png_error(png, "the rows have an unexpected size");
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < decoder->height; y++)
            png_read_row(png, decoder->values + (size_t)y * row, NULL);
    png_read_end(png, NULL);
}

/* Red, green, blue, alpha to what the form wants, in place. */
static enum clat_status take_colors(const struct decoder *decoder, int channels)
{
    unsigned char *to = decoder->values;
    size_t pixels = (size_t)decoder->width * (size_t)decoder->height, transparent = 0;
    for (size_t i = 0; i < pixels; i++) {
        const unsigned char *from = decoder->values + 4 * i;
        transparent += from[3] != 0xFF;
        unsigned r = from[0], g = from[1], b = from[2];
        if (channels == 1)
            *to++ = (unsigned char)((19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16);
        else
            for (int c = 0; c < 3; c++)
                *to++ = from[c];
    }
    if (transparent)
        return status_set(CLAT_ERROR_INPUT,
            "%s: expected an opaque image, found %zu of %zu pixels transparent", decoder->name,
            transparent, pixels);
    return CLAT_OK;
}

static enum clat_status decode(struct decoder *decoder)
{
    enum clat_status status = CLAT_OK;
    size_t pixels = (size_t)decoder->width * (size_t)decoder->height;
    TRY(memory_new(pixels, decoder->form == PNG_LABELS ? 1 : 4, &decoder->values));
    decoder->png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder, on_read_error, on_warning);
    decoder->info = decoder->png ? png_create_info_struct(decoder->png) : NULL;
    if (!decoder->info)
        FAIL(CLAT_ERROR_MEMORY, "no host memory for the PNG file '%s'", decoder->name);
    read_image(decoder);
    status = decoder->status;
out:
    png_destroy_read_struct(&decoder->png, &decoder->info, NULL);
    return status;
}

enum clat_status png_decode(const char *name, const unsigned char *data, size_t size,
    enum png_form form, struct png_pixels *pixels)
{
    enum clat_status status = CLAT_OK;
    struct png_facts facts = {0};
    struct decoder decoder = {.name = name, .data = data, .size = size, .form = form};
    int channels = form == PNG_RGB ? 3 : 1;
    *pixels = (struct png_pixels){0};
    TRY(png_read_facts(name, data, size, &facts));
    decoder.width = facts.width;
    decoder.height = facts.height;
    TRY(decode(&decoder));
    if (form != PNG_LABELS)
        TRY(take_colors(&decoder, channels));
    *pixels = (struct png_pixels){facts.width, facts.height, channels, decoder.values};
    decoder.values = NULL;
out:
    free(decoder.values);
    png_facts_free(&facts);
    return status;
}
