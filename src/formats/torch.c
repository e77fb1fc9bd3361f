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
#include "formats/torch_state.h"
#include "formats/zip.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define PICKLE_LIMIT ((size_t)64 << 20)

/* ---- the zip archive ------------------------------------------------------------------------ */

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

static enum clat_status check_order(const struct torch_reading *reading)
{
    const struct zip_member *order = zip_find(reading->zip, "byteorder");
    if (order && (order->size != 6 || memcmp(order->data, "little", 6) != 0))
        return torch_bad(reading, "only little-endian archives are supported");
    return CLAT_OK;
}

static enum clat_status read_object(
    const struct torch_reading *reading, const struct zip_member *object, struct pickle *pickle)
{
    const char *path = reading->map->path;
    uint32_t crc;
    if (object->size > PICKLE_LIMIT)
        return torch_bad(reading, "data.pkl has more than 64 MiB");
    if (object->crc && (crc = zip_checksum(object->data, object->size)) != object->crc)
        return status_set(CLAT_ERROR_INPUT,
            "'%s' is damaged: data.pkl has CRC-32 %08x, expected %08x", path, crc, object->crc);
    enum clat_status status =
        pickle_read(object->data, object->size, path, "data.pkl", PICKLE_TORCH, pickle);
    if (status == CLAT_OK && pickle->used != object->size)
        return torch_bad(reading, "data.pkl goes on after its end");
    return status;
}

enum clat_status torch_read(const struct file_map *map, struct weight_list *list)
{
    struct zip zip = {0};
    struct pickle pickle = {0};
    struct torch_reading reading = {.map = map, .list = list, .zip = &zip};
    enum clat_status status;
    TRY(zip_read(map, &zip));
    const struct zip_member *object = zip_find(&zip, "data.pkl");
    if (!object)
        FAIL(CLAT_ERROR_INPUT, "'%s' is a zip archive, but no torch file: it has no data.pkl",
            map->path);
    TRY(check_order(&reading));
    TRY(make_checks(&zip, list));
    TRY(read_object(&reading, object, &pickle));
    TRY(torch_read_state(&reading, pickle.root));
    list->format = "torch zip";
out:
    pickle_free(&pickle);
    zip_free(&zip);
    return status;
}

/* ---- the older container -------------------------------------------------------------------- */

/* Magic number, protocol 1001. */
static const unsigned char legacy_start[] = {0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20,
    0x6A, 0xA8, 0x50, 0x19, '.', 0x80, 2, 'M', 0xE9, 3, '.'};

bool torch_is_legacy(const struct file_map *map)
{
    return map->size >= 15 && memcmp(map->data, legacy_start, 15) == 0;
}

static enum clat_status next_pickle(
    const struct torch_reading *reading, const char *part, size_t *at, struct pickle *pickle)
{
    const struct file_map *map = reading->map;
    size_t left = map->size - *at;
    enum clat_status status = pickle_read(map->data + *at,
        left < PICKLE_LIMIT ? left : PICKLE_LIMIT, map->path, part, PICKLE_TORCH, pickle);
    if (status == CLAT_OK)
        *at += pickle->used;
    return status;
}

static enum clat_status check_machine(const struct torch_reading *reading, const struct cell *facts)
{
    const struct cell *little = cell_find(facts, "little_endian");
    if (!little || little->kind != CELL_BOOLEAN || !little->integer)
        return torch_bad(reading, "only little-endian files are supported");
    return CLAT_OK;
}

/* Every storage that the object names, once, without its data. */
static enum clat_status list_storages(const struct torch_reading *reading,
    const struct pickle *object, struct torch_storage *storages, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < object->persistent_count; i++) {
        enum clat_status status = torch_read_id(reading, object->persistent[i], &storages[i]);
        if (status != CLAT_OK)
            return status;
    }
    qsort(storages, object->persistent_count, sizeof *storages, torch_by_key);
    for (size_t i = 0; i < object->persistent_count; i++)
        if (*count == 0 || torch_by_key(&storages[*count - 1], &storages[i]) != 0)
            storages[(*count)++] = storages[i];
    return CLAT_OK;
}

/* The data of one storage: 8 bytes of count, then the elements. */
static enum clat_status take_storage(
    const struct torch_reading *reading, struct torch_storage *storage, size_t *at)
{
    const struct file_map *map = reading->map;
    uint64_t elements = 0;
    size_t bytes;
    if (storage->data)
        return torch_bad(reading, "a storage key is listed twice");
    if (map->size - *at < 8)
        return torch_bad(reading, "the file ends before the data of a storage");
    for (int i = 7; i >= 0; i--)
        elements = elements << 8 | map->data[*at + (size_t)i];
    *at += 8;
    if (elements != storage->elements)
        return torch_bad(reading, "a storage has another element count than its tensors say");
    if (!size_mul(storage->elements, dtype_size(storage->dtype), &bytes) || bytes > map->size - *at)
        return torch_bad(reading, "the file ends in the data of a storage");
    storage->data = map->data + *at;
    *at += bytes;
    return CLAT_OK;
}

static enum clat_status take_storages(const struct torch_reading *reading, const struct cell *keys,
    struct torch_storage *storages, size_t count, size_t at)
{
    if (keys->kind != CELL_LIST || keys->count != count)
        return torch_bad(reading, "the list of storage keys does not fit the tensors");
    for (size_t i = 0; i < count; i++) {
        const struct torch_storage wanted = {.key = keys->items[i]};
        struct torch_storage *storage =
            !torch_is_key(wanted.key)
                ? NULL
                : bsearch(&wanted, storages, count, sizeof *storages, torch_by_key);
        if (!storage)
            return torch_bad(reading, "a storage key is listed that no tensor has");
        enum clat_status status = take_storage(reading, storage, &at);
        if (status != CLAT_OK)
            return status;
    }
    return at == reading->map->size ? CLAT_OK
                                    : torch_bad(reading, "the file goes on after the last storage");
}

enum clat_status torch_read_legacy(const struct file_map *map, struct weight_list *list)
{
    struct pickle machine = {0}, object = {0}, keys = {0};
    struct torch_reading reading = {.map = map, .list = list};
    struct torch_storage *storages = NULL;
    size_t at = sizeof legacy_start, count;
    enum clat_status status;
    if (map->size < at || memcmp(map->data, legacy_start, at) != 0)
        return torch_bad(&reading, "the protocol of an older torch file must be 1001");
    TRY(next_pickle(&reading, "third pickle", &at, &machine));
    TRY(check_machine(&reading, machine.root));
    TRY(next_pickle(&reading, "fourth pickle", &at, &object));
    TRY(next_pickle(&reading, "fifth pickle", &at, &keys));
    TRY(memory_new(object.persistent_count, sizeof *storages, &storages));
    TRY(list_storages(&reading, &object, storages, &count));
    TRY(take_storages(&reading, keys.root, storages, count, at));
    reading.storages = storages;
    reading.storage_count = count;
    TRY(torch_read_state(&reading, object.root));
    list->format = "torch legacy";
out:
    free(storages);
    pickle_free(&machine);
    pickle_free(&object);
    pickle_free(&keys);
    return status;
}
