/* png.c - images out and their texts back; hostile files refused with rule and offset.
 * SPDX-License-Identifier: MIT
 *
 * The pixels are read back by hand: stored rows, filters undone with the five rules of the format,
 * so that the test does not lean on the library that wrote them. */
#include "base/status.h"
#include "check.h"
#include "formats/png.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* ---- building files by hand ----------------------------------------------------------------- */

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

static void start_file(struct text *file, uint32_t width, uint32_t height)
{
    unsigned char header[13] = {0, 0, 0, 0, 0, 0, 0, 0, 8, 2};
    *file = (struct text){0};
    put_u32(header, width);
    put_u32(header + 4, height);
    text_add(file, "\x89PNG\r\n\x1A\n", 8);
    add_chunk(file, "IHDR", header, 13);
}

static enum clat_status read_file(const struct text *file, struct png_facts *facts)
{
    return png_read_facts("x.png", (const unsigned char *)file->data, file->size, facts);
}

static void check_refused(const struct text *file, const char *words)
{
    struct png_facts facts;
    CHECK_FAILS(read_file(file, &facts), CLAT_ERROR_INPUT, words);
    png_facts_free(&facts);
}

/* ---- pixels --------------------------------------------------------------------------------- */

static int paeth(int a, int b, int c)
{
    int pa = abs(b - c), pb = abs(a - c), pc = abs(a + b - 2 * c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

static void unfilter(unsigned char *rows, int height, int width)
{
    size_t stride = 3 * (size_t)width + 1;
    for (int y = 0; y < height; y++)
        for (size_t i = 1; i < stride; i++) {
            unsigned char *row = rows + y * stride;
            int a = i > 3 ? row[i - 3] : 0, b = y ? (row - stride)[i] : 0;
            int c = i > 3 && y ? (row - stride)[i - 3] : 0;
            int added[5] = {0, a, b, (a + b) / 2, paeth(a, b, c)};
            row[i] = (unsigned char)(row[i] + added[row[0]]);
        }
}

/* All IDAT data inflated and unfiltered: [height][1 + 3 width]. */
static unsigned char *decode(const struct text *file, int height, int width)
{
    const unsigned char *data = (const unsigned char *)file->data;
    unsigned char *packed = malloc(file->size);
    uLongf size = (uLongf)height * (3 * (uLongf)width + 1);
    unsigned char *rows = malloc(size);
    size_t count = 0;
    for (size_t at = 8; at + 12 <= file->size; at += 12 + get_u32(data + at))
        if (memcmp(data + at + 4, "IDAT", 4) == 0) {
            memcpy(packed + count, data + at + 8, get_u32(data + at));
            count += get_u32(data + at);
        }
    CHECK(uncompress(rows, &size, packed, count) == Z_OK, "the pixels cannot be inflated");
    free(packed);
    unfilter(rows, height, width);
    return rows;
}

static void test_pixels(void)
{
    enum { HEIGHT = 5, WIDTH = 7, COUNT = HEIGHT * WIDTH * 3 };
    float rgb[COUNT];
    struct text file = {0};
    check_random(rgb, COUNT, 1);
    const float special[] = {-1, 0, 1, 2, 0.5f / 255, 1.5f / 255, 2.5f / 255, 0.5f};
    memcpy(rgb, special, sizeof special);
    CHECK_OK(png_encode(rgb, HEIGHT, WIDTH, NULL, 0, &file));
    unsigned char *rows = decode(&file, HEIGHT, WIDTH);
    int wrong = 0;
    for (int i = 0; i < COUNT; i++) {
        float value = fminf(fmaxf(rgb[i], 0), 1) * 255.0f;
        int want = (int)floorf(value);
        if (value - want > 0.5f || (value - want == 0.5f && want % 2))
            want++;
        wrong += rows[(i / (3 * WIDTH)) * (3 * WIDTH + 1) + 1 + i % (3 * WIDTH)] != want;
    }
    CHECK(wrong == 0, "%d values differ", wrong);
    free(rows);
    text_free(&file);
    rgb[3] = NAN;
    CHECK_FAILS(png_encode(rgb, HEIGHT, WIDTH, NULL, 0, &file), CLAT_ERROR_CHECK, "not a number");
    text_free(&file);
}

/* ---- texts ---------------------------------------------------------------------------------- */

static bool holds(const struct text *file, const char *bytes, size_t size)
{
    for (size_t i = 0; i + size <= file->size; i++)
        if (memcmp(file->data + i, bytes, size) == 0)
            return true;
    return false;
}

static void test_texts(void)
{
    char big[] = "emoji \xF0\x9F\x90\xBF", latin[] = "caf\xC3\xA9\nSteps: 1", xmp[] = "<x/>";
    char keys[3][32] = {"clatent", "parameters", "XML:com.adobe.xmp"};
    struct png_text texts[] = {{keys[0], big}, {keys[1], latin}, {keys[2], xmp}};
    float rgb[3] = {0};
    struct text file = {0};
    struct png_facts facts;
    CHECK_OK(png_encode(rgb, 1, 1, texts, 3, &file));
    CHECK(holds(&file, "tEXtparameters\0caf\xE9\n", 20), "Latin-1 is a tEXt");
    CHECK(holds(&file, "iTXtclatent\0\0\0\0\0emoji", 21), "the rest is an iTXt");
    CHECK(holds(&file, "iTXtXML:com.adobe.xmp\0\0\0\0\0<x/>", 30), "XMP is an iTXt");
    CHECK_OK(read_file(&file, &facts));
    CHECK(facts.count == 3 && facts.width == 1 && facts.height == 1, "%zu texts", facts.count);
    CHECK(strcmp(png_find_text(&facts, "clatent"), big) == 0, "UTF-8");
    CHECK(strcmp(png_find_text(&facts, "parameters"), latin) == 0, "Latin-1 comes back as UTF-8");
    CHECK(png_find_text(&facts, "absent") == NULL, "absent");
    png_facts_free(&facts);
    for (size_t cut = 0; cut < file.size; cut++) {
        enum clat_status status = png_read_facts("x.png", (unsigned char *)file.data, cut, &facts);
        CHECK(status == CLAT_ERROR_INPUT, "cut at %zu gives %d", cut, status);
        png_facts_free(&facts);
    }
    text_free(&file);
}

static void test_packed_texts(void)
{
    unsigned char packed[64] = "a\0\0", itxt[80] = "b\0\1\0\0\0";
    uLongf size = sizeof packed - 3;
    struct text file;
    struct png_facts facts;
    compress(packed + 3, &size, (const unsigned char *)"hello", 5);
    memcpy(itxt + 6, packed + 3, size);
    start_file(&file, 1, 1);
    add_chunk(&file, "zTXt", packed, size + 3);
    add_chunk(&file, "iTXt", itxt, size + 6);
    add_chunk(&file, "iTXt", "c\0\1", 3);
    add_chunk(&file, "tEXt", "no NUL", 6);
    add_chunk(&file, "tEXt", "d\0x\x1B[31m", 8);
    add_chunk(&file, "IEND", "", 0);
    CHECK_OK(read_file(&file, &facts));
    CHECK(facts.count == 3, "%zu texts", facts.count);
    CHECK(strcmp(png_find_text(&facts, "a"), "hello") == 0, "zTXt");
    CHECK(strcmp(png_find_text(&facts, "b"), "hello") == 0, "iTXt");
    CHECK(strcmp(png_find_text(&facts, "d"), "x[31m") == 0, "controls are dropped");
    png_facts_free(&facts);
    text_free(&file);
}

static void test_hostile(void)
{
    struct text file = {0};
    text_add(&file, "GIF89a", 6);
    check_refused(&file, "no PNG signature at byte 0");
    text_free(&file);
    start_file(&file, 20000, 1);
    check_refused(&file, "20000 x 1 pixels");
    text_free(&file);
    start_file(&file, 16384, 16384);
    check_refused(&file, "16384 x 16384 pixels");
    text_free(&file);
    start_file(&file, 0, 1);
    check_refused(&file, "0 x 1 pixels");
    text_free(&file);

    start_file(&file, 1, 1);
    size_t end = file.size;
    check_refused(&file, "the file ends early");
    text_add(&file, "\xFF\xFF\xFF\xFFtEXt1234", 12);
    check_refused(&file, "a chunk is longer than the file");
    memcpy(file.data + end, "\0\0\0\0t\x1BXt", 8);
    check_refused(&file, "a chunk type is not four letters");
    memcpy(file.data + end, "\0\0\0\0IDAT\0\0\0\0", 12);
    check_refused(&file, "wrong checksum of a critical chunk");
    memcpy(file.data + end, "\0\0\0\0tEXt\0\0\0\0", 12);
    check_refused(&file, "the file ends early");
    text_free(&file);

    start_file(&file, 1, 1);
    for (int i = 0; i < 257; i++)
        add_chunk(&file, "tEXt", "a\0b", 3);
    check_refused(&file, "more than 256 ancillary chunks");
    text_free(&file);
}

/* 8 MiB of zeros shrink to 8 kB: the inflated size is what is limited. */
static void test_bomb(void)
{
    uLongf size = compressBound(8 << 20);
    unsigned char *zeros = calloc(8 << 20, 1), *packed = malloc(size + 3);
    struct text file;
    memcpy(packed, "a\0\0", 3);
    compress(packed + 3, &size, zeros, 8 << 20);
    start_file(&file, 1, 1);
    add_chunk(&file, "zTXt", packed, size + 3);
    check_refused(&file, "more than 4 MiB of text");
    text_free(&file);
    free(zeros);
    free(packed);
}

int main(void)
{
    test_pixels();
    test_texts();
    test_packed_texts();
    test_hostile();
    test_bomb();
    return check_result();
}
