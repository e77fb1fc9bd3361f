/* png_read.c - pixels of PNG files made by hand, of every colour type. SPDX-License-Identifier: MIT
 */
#include "base/text.h"
#include "check.h"
#include "formats/png.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum color { GRAY = 0, RGB = 2, PALETTE = 3, GRAY_ALPHA = 4, RGB_ALPHA = 6 };

static void put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void add_chunk(struct text *file, const char *type, const void *data, size_t size)
{
    unsigned char head[8], tail[4];
    put_u32(head, (uint32_t)size);
    memcpy(head + 4, type, 4);
    uLong crc = crc32(crc32(0, NULL, 0), head + 4, 4);
    put_u32(tail, (uint32_t)(size ? crc32(crc, data, (uInt)size) : crc));
    text_add(file, (char *)head, 8);
    text_add(file, data, size);
    text_add(file, (char *)tail, 4);
}

/* An image whose rows (each with its filter byte 0 before it) are given as they are stored. */
struct image {
    uint32_t width, height;
    unsigned char depth, color, interlaced;
    const void *rows;
    size_t size;
    const void *palette, *transparency; /* PLTE and tRNS, or NULL */
    size_t palette_size, transparency_size;
};

static struct text make_file(const struct image *image)
{
    unsigned char header[13] = {0}, packed[256];
    uLongf size = sizeof packed;
    struct text file = {0};
    put_u32(header, image->width);
    put_u32(header + 4, image->height);
    header[8] = image->depth;
    header[9] = image->color;
    header[12] = image->interlaced;
    compress(packed, &size, image->rows, image->size);
    text_add(&file, "\x89PNG\r\n\x1A\n", 8);
    add_chunk(&file, "IHDR", header, 13);
    if (image->palette)
        add_chunk(&file, "PLTE", image->palette, image->palette_size);
    if (image->transparency)
        add_chunk(&file, "tRNS", image->transparency, image->transparency_size);
    add_chunk(&file, "IDAT", packed, size);
    add_chunk(&file, "IEND", "", 0);
    return file;
}

static enum clat_status read_pixels(
    const struct text *file, enum png_form form, struct png_pixels *pixels)
{
    return png_decode("x.png", (const unsigned char *)file->data, file->size, form, pixels);
}

static void check_pixels(
    const char *label, const struct image *image, enum png_form form, const void *want, size_t size)
{
    struct text file = make_file(image);
    struct png_pixels pixels;
    if (CHECK_OK(read_pixels(&file, form, &pixels))) {
        size_t got = (size_t)pixels.width * (size_t)pixels.height * (size_t)pixels.channels;
        CHECK(got == size && memcmp(pixels.values, want, size) == 0, "%s", label);
    }
    free(pixels.values);
    text_free(&file);
}

static void check_refused(const struct image *image, enum png_form form, const char *words)
{
    struct text file = make_file(image);
    struct png_pixels pixels;
    CHECK_FAILS(read_pixels(&file, form, &pixels), CLAT_ERROR_INPUT, words);
    CHECK(pixels.values == NULL, "nothing is handed out");
    text_free(&file);
}

/* The luma weights in 1/65536, from ITU-R 601-2's .299 .587 .114. */
static void test_colors(void)
{
    const struct image rgb = {2, 1, 8, RGB, 0, "\0\x01\x02\x03\xF0\xF1\xF2", 7, 0, 0, 0, 0};
    check_pixels("RGB", &rgb, PNG_RGB, "\x01\x02\x03\xF0\xF1\xF2", 6);
    check_pixels("luma", &rgb, PNG_GRAY, "\x02\xF1", 2);
    const struct image pure = {3, 1, 8, RGB, 0, "\0\xFF\0\0\0\xFF\0\0\0\xFF", 10, 0, 0, 0, 0};
    check_pixels("luma of pure colours", &pure, PNG_GRAY, "\x4C\x96\x1D", 3);
    const struct image deep = {1, 1, 16, RGB, 0, "\0\x80\x7F\x80\x80\xFF\xFF", 7, 0, 0, 0, 0};
    check_pixels("16 bits are rounded", &deep, PNG_RGB, "\x80\x80\xFF", 3);
    const struct image opaque = {1, 1, 8, RGB_ALPHA, 0, "\0\x01\x02\x03\xFF", 5, 0, 0, 0, 0};
    check_pixels("opaque alpha", &opaque, PNG_RGB, "\x01\x02\x03", 3);
}

static void test_gray(void)
{
    const struct image gray = {2, 1, 8, GRAY, 0, "\0\x07\xF0", 3, 0, 0, 0, 0};
    check_pixels("gray as RGB", &gray, PNG_RGB, "\x07\x07\x07\xF0\xF0\xF0", 6);
    check_pixels("gray", &gray, PNG_GRAY, "\x07\xF0", 2);
    const struct image bits = {3, 1, 1, GRAY, 0, "\0\xA0", 2, 0, 0, 0, 0};
    check_pixels("one bit", &bits, PNG_GRAY, "\xFF\0\xFF", 3);
    check_pixels("one bit as labels", &bits, PNG_LABELS, "\1\0\1", 3);
    /* Adam7 of 2 x 2: passes 1, 6 and 7 hold pixels */
    const struct image woven = {2, 2, 8, GRAY, 1, "\0\x01\0\x02\0\x03\x04", 7, 0, 0, 0, 0};
    check_pixels("interlaced", &woven, PNG_GRAY, "\x01\x02\x03\x04", 4);
}

static void test_palette(void)
{
    struct image two = {2, 1, 4, PALETTE, 0, "\0\x10", 2, "\x0A\x0B\x0C\x1A\x1B\x1C", 0, 6, 0};
    check_pixels("colours of a palette", &two, PNG_RGB, "\x1A\x1B\x1C\x0A\x0B\x0C", 6);
    check_pixels("numbers of a palette", &two, PNG_LABELS, "\1\0", 2);
    two.transparency = "\x80";
    two.transparency_size = 1;
    check_refused(&two, PNG_RGB, "expected an opaque image, found 1 of 2 pixels transparent");
}

static void test_refused(void)
{
    const struct image clear = {2, 1, 8, GRAY_ALPHA, 0, "\0\x01\xFF\x01\xFE", 5, 0, 0, 0, 0};
    check_refused(&clear, PNG_GRAY, "found 1 of 2 pixels transparent");
    check_refused(&clear, PNG_LABELS, "8-bit gray with alpha");
    const struct image rgb = {1, 1, 8, RGB, 0, "\0\x01\x02\x03", 4, 0, 0, 0, 0};
    check_refused(&rgb, PNG_LABELS, "expected an 8-bit gray or palette image, whose numbers are");
    const struct image deep = {1, 1, 16, GRAY, 0, "\0\x01\x02", 3, 0, 0, 0, 0};
    check_refused(&deep, PNG_LABELS, "found 16-bit gray");
    const struct image lacking = {1, 4, 8, GRAY, 0, "\0\x01", 2, 0, 0, 0, 0};
    check_refused(&lacking, PNG_GRAY, "not a good PNG file");
    const struct image depth = {1, 1, 5, GRAY, 0, "\0\x01", 2, 0, 0, 0, 0};
    check_refused(&depth, PNG_GRAY, "not a good PNG file");
    const struct image bare = {1, 1, 8, PALETTE, 0, "\0\x01", 2, 0, 0, 0, 0};
    check_refused(&bare, PNG_RGB, "not a good PNG file");
}

/* Cut anywhere, a file is refused and nothing leaks. */
static void test_cut(void)
{
    const struct image gray = {2, 1, 8, GRAY, 0, "\0\x07\xF0", 3, 0, 0, 0, 0};
    struct text file = make_file(&gray);
    struct png_pixels pixels;
    for (size_t size = 0; size < file.size; size++) {
        enum clat_status status =
            png_decode("x.png", (const unsigned char *)file.data, size, PNG_GRAY, &pixels);
        CHECK(status == CLAT_ERROR_INPUT && !pixels.values, "cut at %zu gives %d", size, status);
    }
    text_free(&file);
}

int main(void)
{
    test_colors();
    test_gray();
    test_palette();
    test_refused();
    test_cut();
    return check_result();
}
