/* torch_state.c - from the cells of a pickle to tensors. SPDX-License-Identifier: MIT
 *
 * A tensor is a call of torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...), a
 * storage the persistent id ("storage", class, key, location, elements). They become views of the
 * file; every other call is carried along unread, but may not stand where a tensor is expected.
 * Source: torch/_utils.py, torch/serialization.py. */
#include "formats/torch_state.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum clat_status torch_bad(const struct torch_reading *reading, const char *what)
{
    return status_set(CLAT_ERROR_INPUT, "'%s': %s", reading->map->path, what);
}

/* ---- storages ------------------------------------------------------------------------------- */

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

bool torch_is_key(const struct cell *key)
{
    for (size_t i = 0; key->kind == CELL_STRING && i < key->text_size; i++)
        if (key->text[i] < '0' || key->text[i] > '9')
            return false;
    return key->kind == CELL_STRING && key->text_size > 0 && key->text_size <= 32;
}

/* ("storage", class, key, location, elements[, view]); the view of old files must be None. */
enum clat_status torch_read_id(
    const struct torch_reading *reading, const struct cell *cell, struct torch_storage *storage)
{
    char found[256];
    if (cell->kind != CELL_PERSISTENT)
        return torch_bad(reading, "a tensor without a storage");
    const struct cell *id = cell->items[0];
    if (id->kind != CELL_TUPLE || (id->count != 5 && id->count != 6) ||
        !cell_is_text(id->items[0], "storage"))
        return torch_bad(
            reading, "a storage must be given as (\"storage\", class, key, location, elements)");
    if (!find_dtype(id->items[1], &storage->dtype)) {
        cell_describe(id->items[1], found, sizeof found);
        return status_set(CLAT_ERROR_INPUT, "'%s': a storage class of torch is expected, found %s",
            reading->map->path, found);
    }
    if (!torch_is_key(id->items[2]) || id->items[4]->kind != CELL_INTEGER ||
        id->items[4]->integer < 0)
        return torch_bad(reading, "key and element count of a storage must be digits and a number");
    if (id->count == 6 && id->items[5]->kind != CELL_NONE)
        return torch_bad(reading, "storages that are views of others are not supported");
    storage->key = id->items[2];
    storage->elements = (size_t)id->items[4]->integer;
    return CLAT_OK;
}

int torch_by_key(const void *a, const void *b)
{
    const struct cell *first = ((const struct torch_storage *)a)->key,
                      *second = ((const struct torch_storage *)b)->key;
    size_t least = first->text_size < second->text_size ? first->text_size : second->text_size;
    int order = memcmp(first->text, second->text, least);
    return order ? order
                 : (first->text_size > second->text_size) - (first->text_size < second->text_size);
}

static enum clat_status find_member(
    const struct torch_reading *reading, struct torch_storage *storage)
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
    const struct torch_reading *reading, const struct cell *cell, struct torch_storage *storage)
{
    enum clat_status status = torch_read_id(reading, cell, storage);
    if (status != CLAT_OK)
        return status;
    if (reading->zip)
        return find_member(reading, storage);
    const struct torch_storage *known =
        bsearch(storage, reading->storages, reading->storage_count, sizeof *storage, torch_by_key);
    if (!known || known->dtype != storage->dtype || known->elements != storage->elements)
        return torch_bad(
            reading, "a storage that is not in the list of keys, or is there with another type");
    *storage = *known;
    return CLAT_OK;
}

/* ---- tensors -------------------------------------------------------------------------------- */

static enum clat_status bad_tensor(const struct torch_reading *reading, const struct cell *name,
    const char *expected, const struct cell *found)
{
    char what[512];
    cell_describe(found, what, sizeof what);
    return status_set(CLAT_ERROR_INPUT, "'%s': tensor '%.*s': expected %s, found %s",
        reading->map->path, (int)(name->text_size < 256 ? name->text_size : 256), name->text,
        expected, what);
}

static enum clat_status read_sizes(const struct torch_reading *reading, const struct cell *name,
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

static enum clat_status place_tensor(const struct torch_reading *reading, const struct cell *name,
    const struct torch_storage *storage, size_t offset, struct weight *weight)
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
    const struct torch_reading *reading, const struct cell *name, const struct cell *arguments)
{
    struct weight weight = {0};
    struct torch_storage storage = {0};
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
    const struct torch_reading *reading, const struct cell *name, const struct cell *value)
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

enum clat_status torch_read_state(const struct torch_reading *reading, const struct cell *root)
{
    const struct cell *inner = cell_find(root, "state_dict");
    const struct cell *state = inner && inner->kind == CELL_DICT ? inner : root;
    enum clat_status status = CLAT_OK;
    if (state->kind != CELL_DICT)
        return torch_bad(reading, "a dictionary of tensors is expected");
    for (size_t i = 0; status == CLAT_OK && i + 1 < state->count; i += 2) {
        if (state->items[i]->kind != CELL_STRING)
            return torch_bad(reading, "a tensor's name must be a string");
        status = read_value(reading, state->items[i], state->items[i + 1]);
    }
    return status == CLAT_OK ? weight_list_sort(reading->list, reading->map->path) : status;
}
