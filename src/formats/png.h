/* png.h - 8-bit images with texts about them, written and read. SPDX-License-Identifier: MIT
 *
 * Source: PNG specification, third edition. Texts are UTF-8 on this side. In a file a text that is
 * Latin-1 goes into tEXt, which every reader knows, any other into uncompressed iTXt. */
#ifndef CLATENT_FORMATS_PNG_H
#define CLATENT_FORMATS_PNG_H

#include "base/status.h"
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>

struct png_text {
    char *keyword; /* 1 to 79 Latin-1 characters */
    char *text;    /* UTF-8 */
};

/* rgb [height][width][3] floats; stored as rint(255 clamp(x, 0, 1)), halves to even, as diffusers
 * does. Not a number is refused: CLAT_ERROR_CHECK. The texts stand before the pixels; the one with
 * keyword XML:com.adobe.xmp always as iTXt. Appends the whole file to `out`. */
enum clat_status png_encode(const float *rgb, int height, int width, const struct png_text *texts,
    size_t text_count, struct text *out);
/* The same of bytes. */
enum clat_status png_encode_bytes(const unsigned char *rgb, int height, int width,
    const struct png_text *texts, size_t text_count, struct text *out);

/* Limits on files from strangers. */
#define PNG_SIDE_LIMIT 16384 /* pixels */
#define PNG_PIXEL_LIMIT (1u << 26)
#define PNG_CHUNK_LIMIT (8u << 20) /* bytes in one chunk that is looked into */
#define PNG_ANCILLARY_LIMIT 256    /* chunks */
#define PNG_TEXT_LIMIT (4u << 20)  /* bytes in all texts, unpacked */

struct png_facts {
    int width, height;
    struct png_text *texts; /* [count]; tEXt, zTXt and iTXt in the order of the file */
    size_t count, capacity;
};
/* Walks the chunks of an image without decoding a pixel; `name` is for messages. CLAT_ERROR_INPUT
 * names rule and offset. Freed with png_facts_free() also after a failure. */
enum clat_status png_read_facts(
    const char *name, const unsigned char *data, size_t size, struct png_facts *facts);
void png_facts_free(struct png_facts *facts);

/* The pixels of an image, in one of three forms. */
enum png_form {
    PNG_RGB,   /* 3 channels: gray is repeated, a palette looked up, 16 bits rounded to 8 */
    PNG_GRAY,  /* 1 channel: colours as luma, ITU-R 601-2, rounded as PIL's mode "L" */
    PNG_LABELS /* 1 channel: the stored numbers of a gray or palette image of at most 8 bits */
};
struct png_pixels {
    int width, height, channels;
    unsigned char *values; /* [height][width][channels], freed by the caller */
};
/* CLAT_ERROR_INPUT for a damaged file, for one that the form does not fit, and for transparent
 * pixels (there is nothing behind them; PNG_LABELS has no notion of it). */
enum clat_status png_decode(const char *name, const unsigned char *data, size_t size,
    enum png_form form, struct png_pixels *pixels);

/* The text of that keyword, the last if there are several; NULL if there is none. */
const char *png_find_text(const struct png_facts *facts, const char *keyword);

#endif
