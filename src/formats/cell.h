/* cell.h - the values that a pickle is made of. SPDX-License-Identifier: MIT */
#ifndef CLATENT_FORMATS_CELL_H
#define CLATENT_FORMATS_CELL_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cell_kind {
    CELL_NONE,
    CELL_BOOLEAN,
    CELL_INTEGER,
    CELL_FLOAT,
    CELL_STRING,
    CELL_BYTES,
    CELL_TUPLE,
    CELL_LIST,
    CELL_DICT,       /* also a collections.OrderedDict */
    CELL_NAME,       /* a class or function: "module name", never looked up */
    CELL_CALL,       /* items[0] is the callable, items[1] the arguments: never called; items[2], if
                        there, the state that the object was given */
    CELL_PERSISTENT, /* items[0] is the persistent id */
};

struct cell {
    enum cell_kind kind;
    union {
        int64_t integer; /* also of a boolean */
        double real;
        struct { /* of a string, bytes or a name: inside the pickle's bytes, not terminated */
            const char *text;
            size_t text_size;
        };
        struct { /* of a dict: key, value, key, value... */
            struct cell **items;
            size_t count, capacity;
        };
    };
};

/* Memory of cells and of their lists: taken in pieces, given back all at once. Zero-initialise. */
struct cell_store {
    struct cell_block *blocks;
    unsigned char *at;
    size_t left;
};
/* `size` bytes, not cleared, aligned for anything, into *out (a pointer to a pointer). */
enum clat_status cell_take(struct cell_store *store, size_t size, void *out);
void cell_store_free(struct cell_store *store);

/* Appends items to a tuple, list or dict; its room doubles. */
enum clat_status cell_extend(
    struct cell_store *store, struct cell *cell, struct cell *const *items, size_t count);

bool cell_is_text(const struct cell *cell, const char *text); /* that string */
bool cell_is_name(const struct cell *cell, const char *module, const char *name);
/* The value of a string key, NULL if the cell is no dict or has no such key. */
const struct cell *cell_find(const struct cell *dict, const char *key);
/* "a tuple", or for names and calls the name itself: "os system". */
void cell_describe(const struct cell *cell, char *text, size_t size);

#endif
