/* npy.c - NumPy's array file. SPDX-License-Identifier: MIT
 *
 *     \x93NUMPY | major | minor | header length (2 bytes in version 1, 4 in 2 and 3), little-endian
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   padded with spaces, then \n
 *     values
 *
 * The header is a Python dictionary; only this form of it is read, keys in any order. The values
 * must fill the rest of the file exactly. Source: NumPy's NEP 1. */
#include "formats/npy.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/weight.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT 65536

struct header {
    bool has_descr, has_order, has_shape;
    size_t size; /* bytes of one value: 2, 4 or 8 */
    bool big, fortran;
    struct weight view; /* rank and shape */
};

/* What is left of the header's text. */
struct cursor {
    const char *at, *end;
};

static void skip_spaces(struct cursor *cursor)
{
    while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\n'))
        cursor->at++;
}

static bool take(struct cursor *cursor, const char *word)
{
    skip_spaces(cursor);
    size_t size = strlen(word);
    if ((size_t)(cursor->end - cursor->at) < size || memcmp(cursor->at, word, size) != 0)
        return false;
    cursor->at += size;
    return true;
}

static bool take_quoted(struct cursor *cursor, char *out, size_t room)
{
    skip_spaces(cursor);
    if (cursor->at == cursor->end || (*cursor->at != '\'' && *cursor->at != '"'))
        return false;
    char quote = *cursor->at++;
    const char *close = memchr(cursor->at, quote, (size_t)(cursor->end - cursor->at));
    if (!close || (size_t)(close - cursor->at) >= room)
        return false;
    memcpy(out, cursor->at, (size_t)(close - cursor->at));
    out[close - cursor->at] = '\0';
    cursor->at = close + 1;
    return true;
}

static bool take_number(struct cursor *cursor, size_t *out)
{
    char digits[24];
    size_t size = 0;
    uint64_t value;
    skip_spaces(cursor);
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9' &&
           size < sizeof digits - 1)
        digits[size++] = *cursor->at++;
    digits[size] = '\0';
    if (!text_to_uint64(digits, &value) || value > SIZE_MAX)
        return false;
    *out = (size_t)value;
    return true;
}

/* (), (2,), (2, 3), (2, 3,) */
static bool take_shape(struct cursor *cursor, struct weight *view)
{
    view->rank = 0;
    if (!take(cursor, "("))
        return false;
    while (!take(cursor, ")")) {
        if (view->rank == WEIGHT_RANK || !take_number(cursor, &view->shape[view->rank++]))
            return false;
        if (take(cursor, ","))
            continue;
        return take(cursor, ")") && view->rank > 1;
    }
    return true;
}

static bool read_descr(const char *descr, struct header *header)
{
    if (strlen(descr) != 3 || !strchr("<>", descr[0]) || descr[1] != 'f' ||
        !strchr("248", descr[2]))
        return false;
    header->big = descr[0] == '>';
    header->size = (size_t)(descr[2] - '0');
    return true;
}

static bool take_entry(struct cursor *cursor, struct header *header, char descr[16])
{
    char key[24];
    if (!take_quoted(cursor, key, sizeof key) || !take(cursor, ":"))
        return false;
    if (strcmp(key, "descr") == 0 && !header->has_descr)
        return header->has_descr = take_quoted(cursor, descr, 16);
    if (strcmp(key, "shape") == 0 && !header->has_shape)
        return header->has_shape = take_shape(cursor, &header->view);
    if (strcmp(key, "fortran_order") != 0 || header->has_order)
        return false;
    header->fortran = take(cursor, "True");
    return header->has_order = header->fortran || take(cursor, "False");
}

static bool take_header(struct cursor *cursor, struct header *header, char descr[16])
{
    if (!take(cursor, "{"))
        return false;
    while (!take(cursor, "}")) {
        if (!take_entry(cursor, header, descr))
            return false;
        if (!take(cursor, ",")) {
            if (!take(cursor, "}"))
                return false;
            break;
        }
    }
    skip_spaces(cursor);
    return cursor->at == cursor->end && header->has_descr && header->has_order && header->has_shape;
}

/* *begin and *end of the header's text. */
static enum clat_status find_header(const struct file_map *map, size_t *begin, size_t *end)
{
    const unsigned char *bytes = map->data;
    if (map->size < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return status_set(CLAT_ERROR_INPUT, "'%s' is not a .npy file", map->path);
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0)
        return status_set(CLAT_ERROR_INPUT, "'%s': .npy versions 1.0 to 3.0 are read, found %d.%d",
            map->path, bytes[6], bytes[7]);
    size_t length = bytes[8] | (size_t)bytes[9] << 8;
    *begin = 10;
    if (bytes[6] > 1) {
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
        *begin = 12;
    }
    if (length > HEADER_LIMIT || length > map->size - *begin)
        return status_set(CLAT_ERROR_INPUT, "'%s': the header has %zu bytes, the file %zu",
            map->path, length, map->size);
    *end = *begin + length;
    return CLAT_OK;
}

static enum clat_status read_header(const struct file_map *map, struct header *header, size_t *data)
{
    char descr[16] = "";
    size_t begin = 0, elements, bytes;
    enum clat_status status = find_header(map, &begin, data);
    if (status != CLAT_OK)
        return status;
    struct cursor cursor = {(const char *)map->data + begin, (const char *)map->data + *data};
    if (!take_header(&cursor, header, descr))
        return status_set(CLAT_ERROR_INPUT,
            "'%s': byte %zu: expected a header with descr, fortran_order and a shape of at most 8 "
            "axes",
            map->path, (size_t)(cursor.at - (const char *)map->data));
    if (!read_descr(descr, header))
        return status_set(CLAT_ERROR_INPUT,
            "'%s': expected floats ('<f4', '<f2', '<f8', or with '>'), found '%s'", map->path,
            descr);
    if (!weight_set_row_major(&header->view, &elements) ||
        !size_mul(elements, header->size, &bytes))
        return status_set(CLAT_ERROR_INPUT, "'%s': the shape is too large", map->path);
    if (bytes != map->size - *data)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': the shape needs %zu bytes of values, the file has %zu", map->path, bytes,
            map->size - *data);
    return CLAT_OK;
}

/* Column-major strides: the first axis is the fastest. */
static void set_fortran(struct weight *view)
{
    size_t product = 1;
    for (int axis = 0; axis < view->rank; axis++) {
        view->stride[axis] = product;
        product *= view->shape[axis];
    }
}

/* Values of big-endian files, turned around. */
static enum clat_status swap(
    const unsigned char *from, size_t bytes, size_t size, unsigned char **out)
{
    enum clat_status status = memory_new(bytes, 1, out);
    for (size_t i = 0; status == CLAT_OK && i < bytes; i++)
        (*out)[i] = from[i - i % size + size - 1 - i % size];
    return status;
}

enum clat_status npy_read(const char *path, float **values, int *rank, size_t shape[8])
{
    struct file_map map = {0};
    struct header header = {0};
    unsigned char *swapped = NULL;
    float *made = NULL;
    size_t data = 0, elements;
    enum clat_status status;
    TRY(file_map_open(path, &map));
    TRY(read_header(&map, &header, &data));
    header.view.data = map.data + data;
    header.view.dtype = header.size == 2 ? DTYPE_F16 : header.size == 4 ? DTYPE_F32 : DTYPE_F64;
    if (header.big)
        TRY(swap(map.data + data, map.size - data, header.size, &swapped));
    if (swapped)
        header.view.data = swapped;
    if (header.fortran)
        set_fortran(&header.view);
    elements = (map.size - data) / header.size;
    TRY(memory_new(elements, sizeof *made, &made));
    weight_to_float(&header.view, made);
    *values = made;
    *rank = header.view.rank;
    memcpy(shape, header.view.shape, sizeof header.view.shape);
out:
    free(swapped);
    file_map_close(&map);
    return status;
}

/* ---- writing -------------------------------------------------------------------------------- */

static enum clat_status print_header(struct text *header, int rank, const size_t *shape)
{
    enum clat_status status;
    TRY(text_print(header, "{'descr': '<f4', 'fortran_order': False, 'shape': ("));
    for (int axis = 0; axis < rank; axis++)
        TRY(text_print(header, "%zu,%s", shape[axis], axis + 1 < rank ? " " : ""));
    if (rank > 1)
        header->data[--header->size] = '\0'; /* only (n,) keeps its comma */
    TRY(text_print(header, "), }"));
    while ((10 + header->size + 1) % 64)
        TRY(text_add(header, " ", 1));
    TRY(text_add(header, "\n", 1));
out:
    return status;
}

static enum clat_status write_values(struct file_out *out, const float *values, size_t count)
{
    enum clat_status status = CLAT_OK;
    unsigned char block[4096];
    for (size_t done = 0; status == CLAT_OK && done < count;) {
        size_t some = count - done < sizeof block / 4 ? count - done : sizeof block / 4;
        for (size_t i = 0; i < some; i++) {
            uint32_t bits;
            memcpy(&bits, &values[done + i], 4);
            for (int byte = 0; byte < 4; byte++)
                block[4 * i + (size_t)byte] = (unsigned char)(bits >> (8 * byte));
        }
        status = file_out_write(out, block, 4 * some);
        done += some;
    }
    return status;
}

enum clat_status npy_write(const char *path, const float *values, int rank, const size_t *shape)
{
    struct file_out out = {0};
    struct text header = {0};
    struct weight view = {.rank = rank};
    size_t elements;
    enum clat_status status;
    if (rank < 0 || rank > WEIGHT_RANK)
        return status_set(CLAT_ERROR_INTERNAL, "an array of %d axes", rank);
    memcpy(view.shape, shape, (size_t)rank * sizeof *shape);
    if (!weight_set_row_major(&view, &elements))
        return status_set(CLAT_ERROR_INTERNAL, "an array that is too large");
    TRY(print_header(&header, rank, shape));
    unsigned char frame[10] = "\x93NUMPY\x01";
    frame[8] = (unsigned char)header.size;
    frame[9] = (unsigned char)(header.size >> 8);
    TRY(file_out_open(path, &out));
    TRY(file_out_write(&out, frame, sizeof frame));
    TRY(file_out_write(&out, header.data, header.size));
    TRY(write_values(&out, values, elements));
    TRY(file_out_commit(&out));
out:
    file_out_abort(&out);
    text_free(&header);
    return status;
}
