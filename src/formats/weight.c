/* weight.c - lists of named tensors, and the arithmetic of their shapes. SPDX-License-Identifier:
 * MIT */
#include "formats/weight.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [DTYPE_F32] = {"F32", 4},
    [DTYPE_F16] = {"F16", 2},
    [DTYPE_BF16] = {"BF16", 2},
    [DTYPE_F64] = {"F64", 8},
    [DTYPE_I64] = {"I64", 8},
    [DTYPE_I32] = {"I32", 4},
    [DTYPE_I16] = {"I16", 2},
    [DTYPE_I8] = {"I8", 1},
    [DTYPE_U8] = {"U8", 1},
    [DTYPE_BOOL] = {"BOOL", 1},
    [DTYPE_OTHER] = {"other", 0},
};

size_t dtype_size(enum dtype dtype)
{
    return dtypes[dtype].size;
}

const char *dtype_name(enum dtype dtype)
{
    return dtypes[dtype].name;
}

static bool is_name(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7F)
            return false;
    return text_is_utf8(name, size);
}

enum clat_status weight_list_add(struct weight_list *list, const char *file, const char *name,
    size_t name_size, const struct weight *weight)
{
    struct weight made = *weight;
    if (list->count >= WEIGHT_COUNT)
        return status_set(CLAT_ERROR_INPUT, "'%s' has more than %d tensors", file, WEIGHT_COUNT);
    if (name_size > WEIGHT_NAME)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': a tensor name may have %d bytes, found one of %zu", file, WEIGHT_NAME,
            name_size);
    if (!is_name(name, name_size))
        return status_set(CLAT_ERROR_INPUT,
            "'%s': a tensor name must be UTF-8 without control characters, found '%.*s'", file,
            (int)name_size, name);
    enum clat_status status =
        memory_grow(&list->items, &list->capacity, list->count, sizeof *list->items);
    if (status != CLAT_OK)
        return status;
    made.used = false;
    made.stored = NULL;
    status = memory_new(name_size + 1, 1, &made.name);
    if (status != CLAT_OK)
        return status;
    memcpy(made.name, name, name_size);
    list->items[list->count++] = made;
    return CLAT_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct weight *)a)->name, ((const struct weight *)b)->name);
}

enum clat_status weight_list_sort(struct weight_list *list, const char *file)
{
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, by_name);
    for (size_t i = 1; i < list->count; i++)
        if (by_name(&list->items[i - 1], &list->items[i]) == 0)
            return status_set(
                CLAT_ERROR_INPUT, "'%s': tensor '%s' is there twice", file, list->items[i].name);
    return CLAT_OK;
}

void weight_list_free(struct weight_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(list->items[i].stored);
    }
    free(list->items);
    free(list->checks);
    free(list->pieces);
    memset(list, 0, sizeof *list);
}

bool weight_set_row_major(struct weight *weight, size_t *elements)
{
    size_t product = 1;
    bool empty = false;
    if (weight->rank < 0 || weight->rank > WEIGHT_RANK)
        return false;
    for (int axis = weight->rank - 1; axis >= 0; axis--) {
        size_t extent = weight->shape[axis];
        weight->stride[axis] = product;
        empty = empty || extent == 0;
        if (extent > (size_t)1 << 31 || !size_mul(product, extent ? extent : 1, &product) ||
            product > SIZE_MAX / 2)
            return false;
    }
    *elements = empty ? 0 : product;
    return true;
}

/* The stride of an axis of one element says nothing. */
bool weight_is_row_major(const struct weight *weight)
{
    size_t product = 1;
    if (weight->group)
        return false;
    for (int axis = weight->rank - 1; axis >= 0; axis--) {
        if (weight->shape[axis] != 1 && weight->stride[axis] != product)
            return false;
        product *= weight->shape[axis];
    }
    return true;
}

const char *weight_shape_text(int rank, const size_t *shape, char text[WEIGHT_SHAPE_TEXT])
{
    int at = snprintf(text, WEIGHT_SHAPE_TEXT, "[");
    for (int axis = 0; axis < rank && axis < WEIGHT_RANK; axis++)
        at += snprintf(
            text + at, (size_t)(WEIGHT_SHAPE_TEXT - at), "%s%zu", axis ? ", " : "", shape[axis]);
    snprintf(text + at, (size_t)(WEIGHT_SHAPE_TEXT - at), "]");
    return text;
}
