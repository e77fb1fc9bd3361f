/* torch.c - reading torch's own files. SPDX-License-Identifier: MIT
 *
 * Since 1.6 a file is a zip archive: FOLDER/data.pkl holds the object, FOLDER/data/KEY the bytes of
 * each storage. Before, it was a chain of pickles (magic, protocol, machine, object, keys) followed
 * by the storages in the order of the keys, each with its count of elements in front.
 *
 * In the object a tensor is a call of torch._utils._rebuild_tensor_v2(storage, offset, size,
 * stride, ...), a storage the persistent id ("storage", class, key, location, elements). They
 * become views of the file; every other call is carried along unread, but may not stand where a
 * tensor is expected. Source: torch/serialization.py, torch/_utils.py. */
#include "formats/torch.h"
#include "formats/pickle.h"
#include "formats/zip.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PICKLE_LIMIT ((size_t)64 << 20)

/* Where the bytes of a storage are. */
struct storage {
    const struct cell *key; /* a string */
    enum dtype dtype;
    size_t elements;
    const unsigned char *data;
    struct weight_check *check;
};

struct reading {
    const struct file_map *map;
    struct weight_list *list;
    const struct zip *zip;          /* NULL for the older container */
    const struct storage *storages; /* of the older container, sorted by key */
    size_t storage_count;
};

static enum clat_status bad(const struct reading *reading, const char *what)
{
    return status_set(CLAT_ERROR_INPUT, "'%s': %s", reading->map->path, what);
}

/* ---- storages ---- */

static bool find_dtype(const struct cell *name, enum dtype *dtype)
{
    static const struct {
        const char *name;
        enum dtype dtype;
    } classes[] = {{"FloatStorage", DTYPE_F32}, {"HalfStorage", DTYPE_F16},
        {"BFloat16Storage", DTYPE_BF16}, {"DoubleStorage", DTYPE_F64}, {"LongStorage", DTYPE_I64},
        {"IntStorage", DTYPE_I32}, {"ShortStorage", DTYPE_I16}, {"CharStorage", DTYPE_I8},
        {"ByteStorage", DTYPE_U8}, {"BoolStorage", DTYPE_BOOL}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (cell_is_name(name, "torch", classes[i].name) ||
            cell_is_name(name, "torch.cuda", classes[i].name)) {
            *dtype = classes[i].dtype;
            return true;
        }
    return false;
}

static bool is_decimal(const struct cell *key)
{
    for (size_t i = 0; key->kind == CELL_STRING && i < key->text_size; i++)
        if (key->text[i] < '0' || key->text[i] > '9')
            return false;
    return key->kind == CELL_STRING && key->text_size > 0 && key->text_size <= 32;
}

/* ("storage", class, key, location, elements[, view]); the view of old files must be None. */
static enum clat_status read_id(
    const struct reading *reading, const struct cell *cell, struct storage *storage)
{
    char found[256];
    if (cell->kind != CELL_PERSISTENT)
        return bad(reading, "a tensor without a storage");
    const struct cell *id = cell->items[0];
    if (id->kind != CELL_TUPLE || (id->count != 5 && id->count != 6) ||
        !cell_is_text(id->items[0], "storage"))
        return bad(
            reading, "a storage must be given as (\"storage\", class, key, location, elements)");
    if (!find_dtype(id->items[1], &storage->dtype)) {
        cell_describe(id->items[1], found, sizeof found);
        return status_set(CLAT_ERROR_INPUT, "'%s': a storage class of torch is expected, found %s",
            reading->map->path, found);
    }
    if (!is_decimal(id->items[2]) || id->items[4]->kind != CELL_INTEGER ||
        id->items[4]->integer < 0)
        return bad(reading, "key and element count of a storage must be digits and a number");
    if (id->count == 6 && id->items[5]->kind != CELL_NONE)
        return bad(reading, "storages that are views of others are not supported");
    storage->key = id->items[2];
    storage->elements = (size_t)id->items[4]->integer;
    return CLAT_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct cell *first = ((const struct storage *)a)->key,
                      *second = ((const struct storage *)b)->key;
    size_t least = first->text_size < second->text_size ? first->text_size : second->text_size;
    int order = memcmp(first->text, second->text, least);
    return order ? order
                 : (first->text_size > second->text_size) - (first->text_size < second->text_size);
}

static enum clat_status find_member(const struct reading *reading, struct storage *storage)
{
    char name[64];
    size_t bytes;
    snprintf(name, sizeof name, "data/%.*s", (int)storage->key->text_size, storage->key->text);
    const struct zip_member *member = zip_find(reading->zip, name);
    if (!member)
        return status_set(
            CLAT_ERROR_INPUT, "'%s': the archive has no member %s", reading->map->path, name);
    if (!size_mul(storage->elements, dtype_size(storage->dtype), &bytes) || bytes != member->size)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': member %s: expected %zu elements of %s, found %zu bytes", reading->map->path,
            name, storage->elements, dtype_name(storage->dtype), member->size);
    storage->data = member->data;
    storage->check = &reading->list->checks[member - reading->zip->members];
    return CLAT_OK;
}

static enum clat_status read_storage(
    const struct reading *reading, const struct cell *cell, struct storage *storage)
{
    enum clat_status status = read_id(reading, cell, storage);
    if (status != CLAT_OK)
        return status;
    if (reading->zip)
        return find_member(reading, storage);
    const struct storage *known =
        bsearch(storage, reading->storages, reading->storage_count, sizeof *storage, by_key);
    if (!known || known->dtype != storage->dtype || known->elements != storage->elements)
        return bad(
            reading, "a storage that is not in the list of keys, or is there with another type");
    *storage = *known;
    return CLAT_OK;
}

/* ---- tensors ---- */

static enum clat_status bad_tensor(const struct reading *reading, const struct cell *name,
    const char *expected, const struct cell *found)
{
    char what[512];
    cell_describe(found, what, sizeof what);
    return status_set(CLAT_ERROR_INPUT, "'%s': tensor '%.*s': expected %s, found %s",
        reading->map->path, (int)(name->text_size < 256 ? name->text_size : 256), name->text,
        expected, what);
}

static enum clat_status read_sizes(const struct reading *reading, const struct cell *name,
    const struct cell *tuple, const char *expected, size_t *sizes)
{
    if (tuple->kind != CELL_TUPLE || tuple->count > WEIGHT_RANK)
        return bad_tensor(reading, name, expected, tuple);
    for (size_t axis = 0; axis < tuple->count; axis++) {
        if (tuple->items[axis]->kind != CELL_INTEGER || tuple->items[axis]->integer < 0)
            return bad_tensor(reading, name, expected, tuple->items[axis]);
        sizes[axis] = (size_t)tuple->items[axis]->integer;
    }
    return CLAT_OK;
}

/* *reach: elements from the first to past the last one that the strides lead to. */
static bool find_reach(const struct weight *weight, size_t elements, size_t *reach)
{
    size_t last = 0, step;
    for (int axis = 0; axis < weight->rank && elements; axis++)
        if (!size_mul(weight->shape[axis] - 1, weight->stride[axis], &step) ||
            !size_add(last, step, &last))
            return false;
    return size_add(last, elements ? 1 : 0, reach);
}

static enum clat_status place_tensor(const struct reading *reading, const struct cell *name,
    const struct storage *storage, size_t offset, struct weight *weight)
{
    size_t stride[WEIGHT_RANK], elements, reach, size = dtype_size(storage->dtype);
    memcpy(stride, weight->stride, sizeof stride);
    if (!weight_set_row_major(weight, &elements))
        return status_set(CLAT_ERROR_INPUT,
            "'%s': tensor '%.*s': expected sizes up to 2^31 and a product that fits 63 bits",
            reading->map->path, (int)name->text_size, name->text);
    memcpy(weight->stride, stride, sizeof stride);
    if (!find_reach(weight, elements, &reach) || offset > storage->elements ||
        reach > storage->elements - offset)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': tensor '%.*s': offset, size and stride lead out of its storage of %zu elements",
            reading->map->path, (int)name->text_size, name->text, storage->elements);
    weight->dtype = storage->dtype;
    weight->data = storage->data + offset * size;
    weight->bytes = reach * size;
    weight->check = storage->check;
    return weight_list_add(reading->list, reading->map->path, name->text, name->text_size, weight);
}

/* The arguments of _rebuild_tensor_v2 or the older _rebuild_tensor, which has only the first four.
 */
static enum clat_status rebuild(
    const struct reading *reading, const struct cell *name, const struct cell *arguments)
{
    struct weight weight = {0};
    struct storage storage = {0};
    enum clat_status status;
    if (arguments->count < 4 || arguments->count > 7)
        return bad_tensor(reading, name, "4 to 7 arguments", arguments);
    const struct cell *offset = arguments->items[1];
    if (offset->kind != CELL_INTEGER || offset->integer < 0)
        return bad_tensor(reading, name, "a storage offset", offset);
    const struct cell *size = arguments->items[2], *stride = arguments->items[3];
    TRY(read_sizes(reading, name, size, "a tuple of at most 8 sizes", weight.shape));
    TRY(read_sizes(reading, name, stride, "a tuple of at most 8 strides", weight.stride));
    if (size->count != stride->count)
        return bad_tensor(reading, name, "as many strides as sizes", stride);
    weight.rank = (int)size->count;
    TRY(read_storage(reading, arguments->items[0], &storage));
    TRY(place_tensor(reading, name, &storage, (size_t)offset->integer, &weight));
out:
    return status;
}

/* Plain values beside the tensors are passed over, a call that is no tensor is not. */
static enum clat_status read_value(
    const struct reading *reading, const struct cell *name, const struct cell *value)
{
    const struct cell *call = value;
    if (call->kind == CELL_CALL &&
        cell_is_name(call->items[0], "torch._utils", "_rebuild_parameter") &&
        call->items[1]->count >= 1)
        call = call->items[1]->items[0];
    if (call->kind != CELL_CALL && call->kind != CELL_NAME && call->kind != CELL_PERSISTENT)
        return CLAT_OK;
    if (call->kind == CELL_CALL &&
        (cell_is_name(call->items[0], "torch._utils", "_rebuild_tensor_v2") ||
            cell_is_name(call->items[0], "torch._utils", "_rebuild_tensor")))
        return rebuild(reading, name, call->items[1]);
    return bad_tensor(reading, name, "a tensor", call);
}

static enum clat_status read_state(const struct reading *reading, const struct cell *root)
{
    const struct cell *inner = cell_find(root, "state_dict");
    const struct cell *state = inner && inner->kind == CELL_DICT ? inner : root;
    enum clat_status status = CLAT_OK;
    if (state->kind != CELL_DICT)
        return bad(reading, "a dictionary of tensors is expected");
    for (size_t i = 0; status == CLAT_OK && i + 1 < state->count; i += 2) {
        if (state->items[i]->kind != CELL_STRING)
            return bad(reading, "a tensor's name must be a string");
        status = read_value(reading, state->items[i], state->items[i + 1]);
    }
    return status == CLAT_OK ? weight_list_sort(reading->list, reading->map->path) : status;
}

/* ---- the zip archive ---- */

bool torch_is_zip(const struct file_map *map)
{
    return map->size >= 4 && memcmp(map->data, "PK\3\4", 4) == 0;
}

/* torch can be told to leave checksums out; then they are 0. */
static enum clat_status make_checks(const struct zip *zip, struct weight_list *list)
{
    enum clat_status status = memory_new(zip->count, sizeof *list->checks, &list->checks);
    for (size_t i = 0; status == CLAT_OK && i < zip->count; i++)
        list->checks[i] = (struct weight_check){zip->members[i].data, zip->members[i].size,
            zip->members[i].crc, zip->members[i].crc == 0};
    return status;
}

static enum clat_status check_order(const struct reading *reading)
{
    const struct zip_member *order = zip_find(reading->zip, "byteorder");
    if (order && (order->size != 6 || memcmp(order->data, "little", 6) != 0))
        return bad(reading, "only little-endian archives are supported");
    return CLAT_OK;
}

static enum clat_status read_object(
    const struct reading *reading, const struct zip_member *object, struct pickle *pickle)
{
    const char *path = reading->map->path;
    uint32_t crc;
    if (object->size > PICKLE_LIMIT)
        return bad(reading, "data.pkl has more than 64 MiB");
    if (object->crc && (crc = zip_checksum(object->data, object->size)) != object->crc)
        return status_set(CLAT_ERROR_INPUT,
            "'%s' is damaged: data.pkl has CRC-32 %08x, expected %08x", path, crc, object->crc);
    enum clat_status status = pickle_read(object->data, object->size, path, "data.pkl", pickle);
    if (status == CLAT_OK && pickle->used != object->size)
        return bad(reading, "data.pkl goes on after its end");
    return status;
}

enum clat_status torch_read(const struct file_map *map, struct weight_list *list)
{
    struct zip zip = {0};
    struct pickle pickle = {0};
    struct reading reading = {.map = map, .list = list, .zip = &zip};
    enum clat_status status;
    TRY(zip_read(map, &zip));
    const struct zip_member *object = zip_find(&zip, "data.pkl");
    if (!object)
        FAIL(CLAT_ERROR_INPUT, "'%s' is a zip archive, but no torch file: it has no data.pkl",
            map->path);
    TRY(check_order(&reading));
    TRY(make_checks(&zip, list));
    TRY(read_object(&reading, object, &pickle));
    TRY(read_state(&reading, pickle.root));
    list->format = "torch zip";
out:
    pickle_free(&pickle);
    zip_free(&zip);
    return status;
}

/* ---- the older container ---- */

/* Magic number, protocol 1001. */
static const unsigned char legacy_start[] = {0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20,
    0x6A, 0xA8, 0x50, 0x19, '.', 0x80, 2, 'M', 0xE9, 3, '.'};

bool torch_is_legacy(const struct file_map *map)
{
    return map->size >= 15 && memcmp(map->data, legacy_start, 15) == 0;
}

static enum clat_status next_pickle(
    const struct reading *reading, const char *part, size_t *at, struct pickle *pickle)
{
    const struct file_map *map = reading->map;
    size_t left = map->size - *at;
    enum clat_status status = pickle_read(
        map->data + *at, left < PICKLE_LIMIT ? left : PICKLE_LIMIT, map->path, part, pickle);
    if (status == CLAT_OK)
        *at += pickle->used;
    return status;
}

static enum clat_status check_machine(const struct reading *reading, const struct cell *facts)
{
    const struct cell *little = cell_find(facts, "little_endian");
    if (!little || little->kind != CELL_BOOLEAN || !little->integer)
        return bad(reading, "only little-endian files are supported");
    return CLAT_OK;
}

/* Every storage that the object names, once, without its data. */
static enum clat_status list_storages(const struct reading *reading, const struct pickle *object,
    struct storage *storages, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < object->persistent_count; i++) {
        enum clat_status status = read_id(reading, object->persistent[i], &storages[i]);
        if (status != CLAT_OK)
            return status;
    }
    qsort(storages, object->persistent_count, sizeof *storages, by_key);
    for (size_t i = 0; i < object->persistent_count; i++)
        if (*count == 0 || by_key(&storages[*count - 1], &storages[i]) != 0)
            storages[(*count)++] = storages[i];
    return CLAT_OK;
}

/* The data of one storage: 8 bytes of count, then the elements. */
static enum clat_status take_storage(
    const struct reading *reading, struct storage *storage, size_t *at)
{
    const struct file_map *map = reading->map;
    uint64_t elements = 0;
    size_t bytes;
    if (storage->data)
        return bad(reading, "a storage key is listed twice");
    if (map->size - *at < 8)
        return bad(reading, "the file ends before the data of a storage");
    for (int i = 7; i >= 0; i--)
        elements = elements << 8 | map->data[*at + (size_t)i];
    *at += 8;
    if (elements != storage->elements)
        return bad(reading, "a storage has another element count than its tensors say");
    if (!size_mul(storage->elements, dtype_size(storage->dtype), &bytes) || bytes > map->size - *at)
        return bad(reading, "the file ends in the data of a storage");
    storage->data = map->data + *at;
    *at += bytes;
    return CLAT_OK;
}

static enum clat_status take_storages(const struct reading *reading, const struct cell *keys,
    struct storage *storages, size_t count, size_t at)
{
    if (keys->kind != CELL_LIST || keys->count != count)
        return bad(reading, "the list of storage keys does not fit the tensors");
    for (size_t i = 0; i < count; i++) {
        const struct storage wanted = {.key = keys->items[i]};
        struct storage *storage = !is_decimal(wanted.key)
                                      ? NULL
                                      : bsearch(&wanted, storages, count, sizeof *storages, by_key);
        if (!storage)
            return bad(reading, "a storage key is listed that no tensor has");
        enum clat_status status = take_storage(reading, storage, &at);
        if (status != CLAT_OK)
            return status;
    }
    return at == reading->map->size ? CLAT_OK
                                    : bad(reading, "the file goes on after the last storage");
}

enum clat_status torch_read_legacy(const struct file_map *map, struct weight_list *list)
{
    struct pickle machine = {0}, object = {0}, keys = {0};
    struct reading reading = {.map = map, .list = list};
    struct storage *storages = NULL;
    size_t at = sizeof legacy_start, count;
    enum clat_status status;
    if (map->size < at || memcmp(map->data, legacy_start, at) != 0)
        return bad(&reading, "the protocol of an older torch file must be 1001");
    TRY(next_pickle(&reading, "third pickle", &at, &machine));
    TRY(check_machine(&reading, machine.root));
    TRY(next_pickle(&reading, "fourth pickle", &at, &object));
    TRY(next_pickle(&reading, "fifth pickle", &at, &keys));
    TRY(memory_new(object.persistent_count, sizeof *storages, &storages));
    TRY(list_storages(&reading, &object, storages, &count));
    TRY(take_storages(&reading, keys.root, storages, count, at));
    reading.storages = storages;
    reading.storage_count = count;
    TRY(read_state(&reading, object.root));
    list->format = "torch legacy";
out:
    free(storages);
    pickle_free(&machine);
    pickle_free(&object);
    pickle_free(&keys);
    return status;
}
