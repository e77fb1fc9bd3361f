/* cell.c - the values that a pickle is made of. SPDX-License-Identifier: MIT */
#include "formats/cell.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cell_block {
    struct cell_block *next;
};
enum { ALIGNMENT = 16, BLOCK = 65536 }; /* bytes */

enum clat_status cell_take(struct cell_store *store, size_t size, void *out)
{
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > store->left) {
        size_t room = size > BLOCK ? size : BLOCK;
        struct cell_block *block;
        enum clat_status status = memory_new(room + ALIGNMENT, 1, &block);
        if (status != CLAT_OK)
            return status;
        block->next = store->blocks;
        store->blocks = block;
        store->at = (unsigned char *)block + ALIGNMENT;
        store->left = room;
    }
    memcpy(out, &store->at, sizeof store->at);
    store->at += size;
    store->left -= size;
    return CLAT_OK;
}

void cell_store_free(struct cell_store *store)
{
    for (struct cell_block *block = store->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    memset(store, 0, sizeof *store);
}

/* The list that became too small stays unused in the store. */
enum clat_status cell_extend(
    struct cell_store *store, struct cell *cell, struct cell *const *items, size_t count)
{
    size_t needed = cell->count + count;
    if (needed > cell->capacity) {
        size_t wanted = needed > 2 * cell->capacity ? needed : 2 * cell->capacity;
        struct cell **room;
        enum clat_status status = cell_take(store, wanted * sizeof *room, &room);
        if (status != CLAT_OK)
            return status;
        if (cell->count)
            memcpy(room, cell->items, cell->count * sizeof *room);
        cell->items = room;
        cell->capacity = wanted;
    }
    if (count)
        memcpy(cell->items + cell->count, items, count * sizeof *items);
    cell->count = needed;
    return CLAT_OK;
}

bool cell_is_text(const struct cell *cell, const char *text)
{
    return cell->kind == CELL_STRING && cell->text_size == strlen(text) &&
           memcmp(cell->text, text, cell->text_size) == 0;
}

bool cell_is_name(const struct cell *cell, const char *module, const char *name)
{
    size_t first = strlen(module), second = strlen(name);
    return cell->kind == CELL_NAME && cell->text_size == first + 1 + second &&
           memcmp(cell->text, module, first) == 0 && cell->text[first] == '\n' &&
           memcmp(cell->text + first + 1, name, second) == 0;
}

const struct cell *cell_find(const struct cell *dict, const char *key)
{
    for (size_t i = 0; dict->kind == CELL_DICT && i + 1 < dict->count; i += 2)
        if (cell_is_text(dict->items[i], key))
            return dict->items[i + 1];
    return NULL;
}

void cell_describe(const struct cell *cell, char *text, size_t size)
{
    static const char *const names[] = {"None", "a boolean", "an integer", "a number", "a string",
        "bytes", "a tuple", "a list", "a dictionary", "the name", "a call of", "a storage"};
    const char *what = names[cell->kind];
    for (int depth = 0; cell->kind == CELL_CALL && depth < 8; depth++)
        cell = cell->items[0];
    if (cell->kind != CELL_NAME) {
        snprintf(text, size, "%s", what);
        return;
    }
    int at = snprintf(text, size, "%s %.*s", what, (int)cell->text_size, cell->text);
    for (int i = 0; i < at && (size_t)i < size; i++)
        if (text[i] == '\n')
            text[i] = '.';
}
