/* picture.c - the image files that a job names, as networks take them. SPDX-License-Identifier: MIT
 */
#include "pipeline/picture.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/jpeg.h"
#include "formats/npy.h"
#include "pipeline/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PICTURES_LIMIT 100000

void pictures_free(struct pictures *pictures)
{
    free(pictures->values);
    *pictures = (struct pictures){0};
}

/* Room for `count` more pictures, which must be of the size of those before. */
static enum clat_status add_room(const char *key, const char *path, struct pictures *pictures,
    size_t count, int channels, size_t height, size_t width)
{
    size_t values, total;
    if (height == 0 || width == 0 || height > PNG_SIDE_LIMIT || width > PNG_SIDE_LIMIT ||
        count == 0 || count > PICTURES_LIMIT)
        return status_set(CLAT_ERROR_INPUT,
            "%s: '%s': %zu pictures of %zu x %zu pixels are not "
            "possible",
            key, path, count, width, height);
    if (pictures->count && ((size_t)pictures->height != height || (size_t)pictures->width != width))
        return status_set(CLAT_ERROR_INPUT,
            "%s: '%s' has %zu x %zu pixels, but those before have %d x %d: all of a job must be of "
            "one size",
            key, path, width, height, pictures->width, pictures->height);
    if (!size_mul(height * width * (size_t)channels, (size_t)pictures->count + count, &total) ||
        !size_mul(total, sizeof(float), &values))
        return status_set(CLAT_ERROR_MEMORY, "%s: '%s' is too large", key, path);
    float *grown = realloc(pictures->values, values);
    if (!grown)
        return status_set(CLAT_ERROR_MEMORY, "no host memory for %zu bytes of pictures", values);
    *pictures =
        (struct pictures){pictures->count + (int)count, channels, (int)height, (int)width, grown};
    return CLAT_OK;
}

/* Where the last `count` pictures go. */
static float *tail_of(const struct pictures *pictures, size_t count)
{
    size_t size = (size_t)pictures->channels * (size_t)pictures->height * (size_t)pictures->width;
    return pictures->values + ((size_t)pictures->count - count) * size;
}

/* Interleaved bytes to planes of floats. */
static void convert(const struct png_pixels *pixels, enum picture_range range, float *planes)
{
    size_t count = (size_t)pixels->width * (size_t)pixels->height;
    size_t channels = (size_t)pixels->channels;
    for (size_t i = 0; i < count * channels; i++) {
        float value = pixels->values[i];
        if (range != PICTURE_NUMBER)
            value /= 255;
        if (range == PICTURE_SIGNED)
            value = 2 * value - 1;
        planes[i % channels * count + i / channels] = value;
    }
}

static enum clat_status shrink(struct png_pixels *pixels, int multiple, const char *path)
{
    enum clat_status status;
    int width = pixels->width - pixels->width % multiple;
    int height = pixels->height - pixels->height % multiple;
    unsigned char *resized = NULL;
    if (!width || !height)
        return status_set(CLAT_ERROR_INPUT,
            "image: '%s': expected at least %d x %d pixels, found %d x %d", path, multiple,
            multiple, pixels->width, pixels->height);
    TRY(resize_lanczos(pixels->values, pixels->height, pixels->width, 3, height, width, &resized));
    free(pixels->values);
    *pixels = (struct png_pixels){width, height, 3, resized};
out:
    return status;
}

static enum clat_status decode(
    const char *path, const struct file_map *map, enum png_form form, struct png_pixels *pixels)
{
    if (jpeg_is(map->data, map->size))
        return jpeg_decode(path, map->data, map->size, form, pixels);
    if (map->size < 4 || memcmp(map->data, "\x89PNG", 4) != 0)
        return status_set(CLAT_ERROR_INPUT, "%s: neither a PNG nor a JPEG file", path);
    return png_decode(path, map->data, map->size, form, pixels);
}

static enum clat_status read_file(
    const char *key, const char *path, const struct picture_rules *rules, struct pictures *pictures)
{
    enum clat_status status;
    struct file_map map = {0};
    struct png_pixels pixels = {0};
    TRY(file_map_open(path, &map));
    TRY(decode(path, &map, rules->form, &pixels));
    if (rules->multiple)
        TRY(shrink(&pixels, rules->multiple, path));
    TRY(add_room(
        key, path, pictures, 1, pixels.channels, (size_t)pixels.height, (size_t)pixels.width));
    convert(&pixels, rules->range, tail_of(pictures, 1));
out:
    free(pixels.values);
    file_map_close(&map);
    return status;
}

static enum clat_status check_tensor(
    const char *key, const char *path, int rank, const size_t *shape, const float *values)
{
    if (rank != 4 || shape[1] != 3)
        return status_set(CLAT_ERROR_INPUT,
            "%s: '%s': expected an array [N, 3, height, width], found %d axes, the second of %zu",
            key, path, rank, rank > 1 ? shape[1] : 0);
    size_t count = shape[0] * 3 * shape[2] * shape[3];
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return status_set(CLAT_ERROR_INPUT, "%s: '%s': value %zu of %zu is not a finite number",
                key, path, i, count);
    return CLAT_OK;
}

static enum clat_status read_npy(
    const char *key, const char *path, const struct picture_rules *rules, struct pictures *pictures)
{
    enum clat_status status;
    float *values = NULL;
    int rank;
    size_t shape[8];
    TRY(npy_read(path, &values, &rank, shape));
    TRY(check_tensor(key, path, rank, shape, values));
    TRY(add_room(key, path, pictures, shape[0], 3, shape[2], shape[3]));
    size_t count = shape[0] * 3 * shape[2] * shape[3];
    for (size_t i = 0; i < count && rules->range == PICTURE_UNIT; i++)
        values[i] = values[i] / 2 + 0.5f;
    memcpy(tail_of(pictures, shape[0]), values, count * sizeof *values);
out:
    free(values);
    return status;
}

enum clat_status pictures_read(const char *key, const struct texts *paths,
    const struct picture_rules *rules, struct pictures *pictures)
{
    enum clat_status status = CLAT_OK;
    *pictures = (struct pictures){0};
    for (size_t i = 0; i < paths->count; i++) {
        const char *path = paths->items[i];
        if (rules->form == PNG_RGB && text_ends_with(path, ".npy"))
            TRY(read_npy(key, path, rules, pictures));
        else
            TRY(read_file(key, path, rules, pictures));
    }
out:
    if (status != CLAT_OK)
        pictures_free(pictures);
    return status;
}
