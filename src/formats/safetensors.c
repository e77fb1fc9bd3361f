/* safetensors.c - reading the safetensors format. SPDX-License-Identifier: MIT
 *
 *     u64 little-endian N | N bytes of JSON, padded with spaces | data
 *     {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
 * "__metadata__": {}}
 *
 * Offsets count from the start of the data. A file is taken only if its tensors, in the order of
 * their offsets, cover the data exactly: no hole, no overlap, nothing behind. One length per tensor
 * is computed, from dtype and shape, and it must be the length that the offsets give. Source: the
 * format's README. */
#include "formats/safetensors.h"
#include "formats/json.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT 100000000u
#define METADATA_LIMIT (16u << 20)

static const struct {
    const char *name;
    enum dtype dtype;
    unsigned bits;
} kinds[] = {
    {"F32", DTYPE_F32, 32},
    {"F16", DTYPE_F16, 16},
    {"BF16", DTYPE_BF16, 16},
    {"F64", DTYPE_F64, 64},
    {"I64", DTYPE_I64, 64},
    {"I32", DTYPE_I32, 32},
    {"I16", DTYPE_I16, 16},
    {"I8", DTYPE_I8, 8},
    {"U8", DTYPE_U8, 8},
    {"BOOL", DTYPE_BOOL, 8},
    {"U64", DTYPE_OTHER, 64},
    {"U32", DTYPE_OTHER, 32},
    {"U16", DTYPE_OTHER, 16},
    {"C64", DTYPE_OTHER, 64},
    {"F8_E5M2", DTYPE_OTHER, 8},
    {"F8_E4M3", DTYPE_OTHER, 8},
    {"F8_E8M0", DTYPE_OTHER, 8},
    {"F8_E4M3FNUZ", DTYPE_OTHER, 8},
    {"F8_E5M2FNUZ", DTYPE_OTHER, 8},
    {"F6_E2M3", DTYPE_OTHER, 6},
    {"F6_E3M2", DTYPE_OTHER, 6},
    {"F4", DTYPE_OTHER, 4},
};

/* The file and its data part, while tensors are read. */
struct reading {
    const struct file_map *map;
    const unsigned char *data;
    size_t data_size;
    struct weight_list *list;
};

/* ---- one tensor ----------------------------------------------------------------------------- */

static enum clat_status bad_tensor(
    const struct reading *reading, const char *name, const char *expected, const char *found)
{
    return status_set(CLAT_ERROR_INPUT, "'%s': tensor '%s': expected %s, found %s",
        reading->map->path, name, expected, found);
}

static enum clat_status read_dtype(const struct reading *reading, const char *name,
    const struct json_t *value, struct weight *weight, unsigned *bits)
{
    const char *found = json_as_string(value);
    if (!found)
        return bad_tensor(reading, name, "a string as dtype", json_kind_name(value));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, found) == 0) {
            weight->dtype = kinds[i].dtype;
            *bits = kinds[i].bits;
            return CLAT_OK;
        }
    return bad_tensor(reading, name, "a known dtype", found);
}

static enum clat_status read_shape(const struct reading *reading, const char *name,
    const struct json_t *value, struct weight *weight, size_t *elements)
{
    long long extent;
    if (json_kind(value) != KIND_ARRAY)
        return bad_tensor(reading, name, "an array as shape", json_kind_name(value));
    if (json_count(value) > WEIGHT_RANK)
        return bad_tensor(reading, name, "at most 8 axes in shape", "more");
    weight->rank = (int)json_count(value);
    for (int axis = 0; axis < weight->rank; axis++) {
        if (!json_as_integer(json_item(value, (size_t)axis), &extent) || extent < 0)
            return bad_tensor(reading, name, "non-negative integers in shape",
                json_kind_name(json_item(value, (size_t)axis)));
        weight->shape[axis] = (size_t)extent;
    }
    if (!weight_set_row_major(weight, elements))
        return bad_tensor(
            reading, name, "sizes up to 2^31 and a product that fits 63 bits", "a larger shape");
    return CLAT_OK;
}

static enum clat_status read_offsets(
    const struct reading *reading, const char *name, const struct json_t *value, size_t range[2])
{
    long long begin, end;
    if (json_kind(value) != KIND_ARRAY || json_count(value) != 2 ||
        !json_as_integer(json_item(value, 0), &begin) ||
        !json_as_integer(json_item(value, 1), &end))
        return bad_tensor(reading, name, "two integers as data_offsets", "something else");
    if (begin < 0 || end < begin || (unsigned long long)end > reading->data_size)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': tensor '%s': data_offsets [%lld, %lld] are not inside the %zu bytes of data",
            reading->map->path, name, begin, end, reading->data_size);
    range[0] = (size_t)begin;
    range[1] = (size_t)end;
    return CLAT_OK;
}

static enum clat_status check_bytes(const struct reading *reading, const char *name,
    size_t elements, unsigned bits, const size_t range[2])
{
    size_t total;
    if (!size_mul(elements, bits, &total) || total % 8)
        return bad_tensor(
            reading, name, "a whole number of bytes", "a shape that does not give one");
    if (total / 8 != range[1] - range[0])
        return status_set(CLAT_ERROR_INPUT,
            "'%s': tensor '%s': shape and dtype give %zu bytes, data_offsets %zu",
            reading->map->path, name, total / 8, range[1] - range[0]);
    return CLAT_OK;
}

static enum clat_status check_keys(
    const struct reading *reading, const char *name, const struct json_t *entry)
{
    void *place = NULL;
    const char *key;
    const struct json_t *value;
    if (json_kind(entry) != KIND_OBJECT)
        return bad_tensor(reading, name, "an object", json_kind_name(entry));
    while (json_next(entry, &place, &key, &value))
        if (strcmp(key, "dtype") && strcmp(key, "shape") && strcmp(key, "data_offsets"))
            return bad_tensor(reading, name, "only dtype, shape and data_offsets", key);
    return CLAT_OK;
}

static enum clat_status read_tensor(
    const struct reading *reading, const char *name, const struct json_t *entry)
{
    struct weight weight = {0};
    size_t elements = 0, range[2] = {0};
    unsigned bits = 0;
    enum clat_status status;
    TRY(check_keys(reading, name, entry));
    TRY(read_dtype(reading, name, json_member(entry, "dtype"), &weight, &bits));
    TRY(read_shape(reading, name, json_member(entry, "shape"), &weight, &elements));
    TRY(read_offsets(reading, name, json_member(entry, "data_offsets"), range));
    TRY(check_bytes(reading, name, elements, bits, range));
    weight.data = reading->data + range[0];
    weight.bytes = range[1] - range[0];
    TRY(weight_list_add(reading->list, reading->map->path, name, strlen(name), &weight));
out:
    return status;
}

/* ---- the whole header ----------------------------------------------------------------------- */

static enum clat_status check_metadata(const struct reading *reading, const struct json_t *metadata)
{
    void *place = NULL;
    const char *key;
    const struct json_t *value;
    size_t total = 0;
    if (json_kind(metadata) != KIND_OBJECT)
        return status_set(CLAT_ERROR_INPUT, "'%s': __metadata__: expected an object, found %s",
            reading->map->path, json_kind_name(metadata));
    while (json_next(metadata, &place, &key, &value)) {
        if (json_kind(value) != KIND_STRING)
            return status_set(CLAT_ERROR_INPUT,
                "'%s': __metadata__ '%s': expected a string, found %s", reading->map->path, key,
                json_kind_name(value));
        total += strlen(key) + strlen(json_as_string(value));
    }
    if (total > METADATA_LIMIT)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': __metadata__ has %zu bytes, at most %u are allowed", reading->map->path, total,
            METADATA_LIMIT);
    return CLAT_OK;
}

static enum clat_status read_entries(const struct reading *reading, const struct json_t *root)
{
    void *place = NULL;
    const char *key;
    const struct json_t *value;
    enum clat_status status = CLAT_OK;
    while (status == CLAT_OK && json_next(root, &place, &key, &value))
        status = strcmp(key, "__metadata__") == 0 ? check_metadata(reading, value)
                                                  : read_tensor(reading, key, value);
    return status;
}

static int by_place(const void *a, const void *b)
{
    const struct weight *first = a, *second = b;
    if (first->data != second->data)
        return first->data < second->data ? -1 : 1;
    return (first->bytes > second->bytes) - (first->bytes < second->bytes);
}

/* Tensors side by side from the first byte to the last. */
static enum clat_status check_cover(const struct reading *reading)
{
    const struct weight_list *list = reading->list;
    size_t at = 0;
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, by_place);
    for (size_t i = 0; i < list->count; i++) {
        size_t begin = (size_t)(list->items[i].data - reading->data);
        if (begin != at)
            return status_set(CLAT_ERROR_INPUT,
                "'%s': tensor '%s' begins at data byte %zu, expected %zu where the one before ends",
                reading->map->path, list->items[i].name, begin, at);
        at += list->items[i].bytes;
    }
    if (at != reading->data_size)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': the tensors end at data byte %zu, the file at %zu", reading->map->path, at,
            reading->data_size);
    return CLAT_OK;
}

/* *size is N. Spaces may follow the object, nothing else. */
static enum clat_status check_frame(const struct file_map *map, size_t *size)
{
    uint64_t n = 0;
    if (map->size < 8)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': a safetensors file has at least 8 bytes, found %zu", map->path, map->size);
    for (int i = 7; i >= 0; i--)
        n = n << 8 | map->data[i];
    if (n < 2 || n > HEADER_LIMIT || n > map->size - 8)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': header length %llu is not within 2 to %u and the %zu bytes of the file",
            map->path, (unsigned long long)n, HEADER_LIMIT, map->size);
    size_t end = (size_t)n;
    while (end > 0 && map->data[8 + end - 1] == ' ')
        end--;
    if (map->data[8] != '{' || map->data[8 + end - 1] != '}')
        return status_set(CLAT_ERROR_INPUT,
            "'%s': the header must be one JSON object from its first byte, padded with spaces",
            map->path);
    *size = (size_t)n;
    return CLAT_OK;
}

enum clat_status safetensors_read(const struct file_map *map, struct weight_list *list)
{
    static const struct json_rules rules = {.depth = 4, .plain_integers = true};
    struct json *header = NULL;
    size_t size = 0;
    enum clat_status status;
    TRY(check_frame(map, &size));
    TRY(json_parse((const char *)map->data + 8, size, map->path, &rules, &header));
    struct reading reading = {map, map->data + 8 + size, map->size - 8 - size, list};
    TRY(read_entries(&reading, json_root(header)));
    TRY(check_cover(&reading));
    TRY(weight_list_sort(list, map->path));
    list->format = "safetensors";
out:
    json_close(header);
    return status;
}
