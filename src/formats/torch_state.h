/* torch_state.h - from the cells of a pickle to tensors; inside of the torch reader.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_FORMATS_TORCH_STATE_H
#define CLATENT_FORMATS_TORCH_STATE_H

#include "formats/cell.h"
#include "formats/weight.h"
#include "formats/zip.h"

/* Where the bytes of a storage are. */
struct torch_storage {
    const struct cell *key; /* a string */
    enum dtype dtype;
    size_t elements;
    const unsigned char *data;
    struct weight_check *check;
};

struct torch_reading {
    const struct file_map *map;
    struct weight_list *list;
    const struct zip *zip;                /* NULL for the older container */
    const struct torch_storage *storages; /* of the older container, sorted by key */
    size_t storage_count;
};

/* CLAT_ERROR_INPUT with the file's name before the words. */
enum clat_status torch_bad(const struct torch_reading *reading, const char *what);

/* A storage as the persistent id describes it: all but its data. */
enum clat_status torch_read_id(
    const struct torch_reading *reading, const struct cell *cell, struct torch_storage *storage);
bool torch_is_key(const struct cell *key);      /* a string of digits */
int torch_by_key(const void *a, const void *b); /* orders struct torch_storage */

/* Adds every tensor of the state dict to reading->list, sorted. */
enum clat_status torch_read_state(const struct torch_reading *reading, const struct cell *root);

#endif
