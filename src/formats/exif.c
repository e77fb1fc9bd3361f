/* exif.c - how a camera was held. SPDX-License-Identifier: MIT
 *
 * A segment of Exif is a TIFF file: "II" or "MM" for the order of its bytes, 42, and the place of a
 * list of entries of 12 bytes: tag, type, count, value. Tag 0x0112 is the orientation, 1 to 8:
 * where the first row and column of the file belong in the picture. Source: CIPA DC-008
 * (Exif 2.32). */
#include "base/memory.h"
#include "formats/jpeg.h"

#include <stdlib.h>
#include <string.h>

#define ORIENTATION 0x0112
#define ENTRY 12 /* bytes */

struct tiff {
    const unsigned char *data;
    size_t size;
    bool big; /* the high byte first */
};

/* A number of 2 or 4 bytes; 0 beyond the end. */
static uint32_t number(const struct tiff *tiff, size_t at, size_t bytes)
{
    uint32_t value = 0;
    if (at > tiff->size || tiff->size - at < bytes)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | tiff->data[at + (tiff->big ? i : bytes - 1 - i)];
    return value;
}

int exif_orientation(const unsigned char *data, size_t size)
{
    if (size < 14 || memcmp(data, "Exif\0", 6) != 0)
        return 1;
    struct tiff tiff = {data + 6, size - 6, data[6] == 'M'};
    size_t at = number(&tiff, 4, 4), entries = number(&tiff, at, 2);
    if (number(&tiff, 2, 2) != 42)
        return 1;
    for (size_t i = 0; i < entries && at < tiff.size; i++) {
        size_t entry = at + 2 + i * ENTRY;
        uint32_t value = number(&tiff, entry + 8, 2);
        if (number(&tiff, entry, 2) == ORIENTATION)
            return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* Where the pixel (y, x) of the upright picture is in the file's, of height h and width w. */
static size_t source_of(int orientation, size_t h, size_t w, size_t y, size_t x)
{
    static const struct {
        bool swapped, from_below, from_right; /* rows are columns; rows, columns of the file */
    } ways[9] = {[2] = {false, false, true},
        [3] = {false, true, true},
        [4] = {false, true, false},
        [5] = {true, false, false},
        [6] = {true, true, false},
        [7] = {true, true, true},
        [8] = {true, false, true}};
    size_t row = ways[orientation].swapped ? x : y, column = ways[orientation].swapped ? y : x;
    row = ways[orientation].from_below ? h - 1 - row : row;
    column = ways[orientation].from_right ? w - 1 - column : column;
    return row * w + column;
}

enum clat_status exif_turn(int orientation, struct png_pixels *pixels)
{
    enum clat_status status;
    unsigned char *turned;
    size_t h = (size_t)pixels->height, w = (size_t)pixels->width, c = (size_t)pixels->channels;
    size_t height = orientation >= 5 ? w : h, width = orientation >= 5 ? h : w;
    if (orientation == 1)
        return CLAT_OK;
    TRY(memory_new(h * w, c, &turned));
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            memcpy(turned + (y * width + x) * c,
                pixels->values + source_of(orientation, h, w, y, x) * c, c);
    free(pixels->values);
    *pixels = (struct png_pixels){(int)width, (int)height, pixels->channels, turned};
out:
    return status;
}
