/* tensors.c - what a network would do with the tensors of a hostile file.
 * SPDX-License-Identifier: MIT */
#include "tensors.h"
#include "checkpoint/part.h"
#include "formats/zip.h"

#include <stdlib.h>

#define MOST ((size_t)1 << 16) /* elements of a tensor that is read */

static bool count(const struct weight *weight, size_t *elements)
{
    *elements = 1;
    for (int axis = 0; axis < weight->rank; axis++) {
        if (weight->shape[axis] > MOST)
            return false;
        *elements *= weight->shape[axis];
        if (*elements > MOST)
            return false;
    }
    return true;
}

static void use(const struct weight *weight)
{
    struct weight whole = *weight;
    unsigned char *bytes = NULL;
    size_t elements;
    if (!dtype_is_float(weight->dtype) || !count(weight, &elements))
        return;
    if (weight->check)
        (void)zip_checksum(weight->check->data, weight->check->size);
    if (weight->piece_count) {
        bytes = malloc(weight->bytes + 1);
        if (!bytes || !weight_join(weight, bytes)) {
            free(bytes);
            return;
        }
        whole.data = bytes;
        whole.piece_count = 0;
    }
    float *values = malloc((elements + 1) * sizeof *values);
    if (values)
        weight_to_float(&whole, values);
    free(values);
    free(bytes);
}

/* The last byte of the file picks the dialect, so that every input has one meaning. */
void tensors_use(const struct file_map *map, struct weight_list *list)
{
    static const struct unet_config unet = {.levels = 2, .attention_heads = {1, 2}};
    static const struct weight_view views[] = {
        {.facts = {.dialect = DIALECT_DIFFUSERS}},
        {.facts = {.dialect = DIALECT_PADDLE}},
        {.facts = {.dialect = DIALECT_COMPVIS_UNET, .layers = 1}, .unet = &unet, .ema = true},
        {.facts = {.dialect = DIALECT_COMPVIS_FIRST_STAGE, .levels = 2}},
        {.facts = {.dialect = DIALECT_COMPVIS_CONDITION}},
    };
    size_t which = map->size ? map->data[map->size - 1] % (sizeof views / sizeof *views) : 0;
    (void)view_apply(&views[which], map->path, list);
    for (size_t i = 0; i < list->count; i++)
        use(&list->items[i]);
    weight_list_free(list);
}
