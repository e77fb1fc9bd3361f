/* jpeg.c - photographs made here, read in all ways that a camera can be held; damaged ones.
 * SPDX-License-Identifier: MIT */
#include "config.h"

#include "check.h"
#include "clatent.h"
#include "formats/jpeg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- exif ----------------------------------------------------------------------------------- */

static void make_exif(unsigned char exif[32], int orientation, bool big)
{
    static const unsigned char little_endian[] = {'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0,
        0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const unsigned char big_endian[] = {'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0,
        8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    memcpy(exif, big ? big_endian : little_endian, 32);
    exif[big ? 25 : 24] = (unsigned char)orientation;
}

static void test_exif(void)
{
    unsigned char exif[32];
    for (int i = 0; i < 20; i++) {
        make_exif(exif, i, i % 2);
        int want = i >= 1 && i <= 8 ? i : 1, found = exif_orientation(exif, sizeof exif);
        CHECK(found == want, "orientation %d is read as %d", i, found);
        for (size_t size = 0; size < sizeof exif; size++)
            exif_orientation(exif, size);
        memset(exif + 10, 0xFF, 4); /* a list beyond the end */
        CHECK(exif_orientation(exif, sizeof exif) == 1, "a list beyond the end");
    }
}

/* The picture 1 2 3 / 4 5 6 as files have it; all of them come out so. */
static void test_turn(void)
{
    static const unsigned char upright[] = {1, 2, 3, 4, 5, 6};
    static const struct {
        int width, height;
        unsigned char stored[6];
    } files[9] = {[1] = {3, 2, {1, 2, 3, 4, 5, 6}},
        [2] = {3, 2, {3, 2, 1, 6, 5, 4}},
        [3] = {3, 2, {6, 5, 4, 3, 2, 1}},
        [4] = {3, 2, {4, 5, 6, 1, 2, 3}},
        [5] = {2, 3, {1, 4, 2, 5, 3, 6}},
        [6] = {2, 3, {3, 6, 2, 5, 1, 4}},
        [7] = {2, 3, {6, 3, 5, 2, 4, 1}},
        [8] = {2, 3, {4, 1, 5, 2, 6, 3}}};
    for (int i = 1; i <= 8; i++) {
        struct png_pixels pixels = {files[i].width, files[i].height, 1, malloc(6)};
        memcpy(pixels.values, files[i].stored, 6);
        CHECK_OK(exif_turn(i, &pixels));
        CHECK(pixels.width == 3 && pixels.height == 2 && memcmp(pixels.values, upright, 6) == 0,
            "orientation %d: %d x %d, %d %d %d ...", i, pixels.width, pixels.height,
            pixels.values[0], pixels.values[1], pixels.values[2]);
        free(pixels.values);
    }
}

#ifdef HAVE_JPEG

#include <jpeglib.h>

#define WIDTH 48
#define HEIGHT 32

/* Two halves: red and green, or gray levels; smooth enough to survive. */
static void make(
    bool gray, bool progressive, int orientation, unsigned char **file, unsigned long *size)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char row[3 * WIDTH], exif[32];
    JSAMPROW rows = row;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    *file = NULL;
    jpeg_mem_dest(&c, file, size);
    c.image_width = WIDTH;
    c.image_height = HEIGHT;
    c.input_components = gray ? 1 : 3;
    c.in_color_space = gray ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 95, TRUE);
    if (progressive)
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    if (orientation) {
        make_exif(exif, orientation, true);
        jpeg_write_marker(&c, JPEG_APP0 + 1, exif, sizeof exif);
    }
    for (int x = 0; x < WIDTH; x++) {
        bool left = x < WIDTH / 2;
        if (gray)
            row[x] = left ? 200 : 40;
        else
            memcpy(row + 3 * x, left ? "\xE0\x20\x20" : "\x20\xC0\x20", 3);
    }
    for (int y = 0; y < HEIGHT; y++)
        jpeg_write_scanlines(&c, &rows, 1);
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
}

static bool is_near(const unsigned char *found, int r, int g, int b)
{
    return abs(found[0] - r) < 8 && abs(found[1] - g) < 8 && abs(found[2] - b) < 8;
}

static void test_forms(void)
{
    for (int i = 0; i < 8; i++) {
        bool gray = i & 1, progressive = i & 2, turned = i & 4;
        unsigned char *file;
        unsigned long size;
        struct png_pixels pixels;
        make(gray, progressive, turned ? 6 : 0, &file, &size);
        CHECK(jpeg_is(file, size) && !jpeg_is(file + 1, size - 1), "what it is");
        if (CHECK_OK(jpeg_decode("x.jpg", file, size, PNG_RGB, &pixels))) {
            int width = turned ? HEIGHT : WIDTH, height = turned ? WIDTH : HEIGHT;
            const unsigned char *first = pixels.values + 3 * 2 * (width + 1);
            const unsigned char *last = pixels.values + 3 * (width * height - 2 * width - 3);
            CHECK(pixels.width == width && pixels.height == height && pixels.channels == 3,
                "%d x %d, %d channels", pixels.width, pixels.height, pixels.channels);
            CHECK(gray ? is_near(first, 200, 200, 200) : is_near(first, 0xE0, 0x20, 0x20),
                "first of form %d: %d %d %d", i, first[0], first[1], first[2]);
            CHECK(gray ? is_near(last, 40, 40, 40) : is_near(last, 0x20, 0xC0, 0x20),
                "last of form %d: %d %d %d", i, last[0], last[1], last[2]);
            free(pixels.values);
        }
        if (CHECK_OK(jpeg_decode("x.jpg", file, size, PNG_GRAY, &pixels))) {
            CHECK(pixels.channels == 1, "%d channels", pixels.channels);
            free(pixels.values);
        }
        CHECK_FAILS(jpeg_decode("x.jpg", file, size, PNG_LABELS, &pixels), CLAT_ERROR_INPUT,
            "x.jpg: numbers of labels");
        free(file);
    }
}

/* Cut off anywhere, or with any byte changed: a sentence or a picture, nothing else. */
static void test_damaged(void)
{
    for (int progressive = 0; progressive < 2; progressive++) {
        unsigned char *file;
        unsigned long size;
        struct png_pixels pixels;
        make(false, progressive, 6, &file, &size);
        for (size_t k = 3; k < size - 2; k++) {
            unsigned char *cut = malloc(k);
            memcpy(cut, file, k);
            CHECK_FAILS(jpeg_decode("x.jpg", cut, k, PNG_RGB, &pixels), CLAT_ERROR_INPUT,
                "x.jpg: not a good JPEG file: ");
            free(cut);
        }
        for (size_t k = 2; k < size; k++) {
            unsigned char before = file[k];
            file[k] ^= (unsigned char)(1 + k % 255);
            enum clat_status status = jpeg_decode("x.jpg", file, size, PNG_RGB, &pixels);
            CHECK(status == CLAT_OK || status == CLAT_ERROR_INPUT, "byte %zu gives %d", k, status);
            if (status == CLAT_OK)
                free(pixels.values);
            file[k] = before;
        }
        free(file);
    }
}

#else

static void test_forms(void)
{
    static const unsigned char start[] = {0xFF, 0xD8, 0xFF, 0xE0};
    struct png_pixels pixels;
    CHECK_FAILS(jpeg_decode("x.jpg", start, sizeof start, PNG_RGB, &pixels), CLAT_ERROR_INPUT,
        "built without");
}

static void test_damaged(void)
{
}

#endif

int main(void)
{
    test_exif();
    test_turn();
    test_forms();
    test_damaged();
    return check_result();
}
