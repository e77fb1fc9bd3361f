/* pickle.h - a pickle as plain cells; nothing in it is ever executed. SPDX-License-Identifier: MIT */
#ifndef CLATENT_FORMATS_PICKLE_H
#define CLATENT_FORMATS_PICKLE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cell_kind {
    CELL_NONE, CELL_BOOLEAN, CELL_INTEGER, CELL_FLOAT, CELL_STRING,
    CELL_TUPLE, CELL_LIST, CELL_DICT, /* also a collections.OrderedDict */
    CELL_NAME,       /* a class or function: "module name", never looked up */
    CELL_CALL,       /* items[0] is the callable, items[1] the arguments: never called */
    CELL_PERSISTENT, /* items[0] is the persistent id */
};

struct cell {
    enum cell_kind kind;
    union {
        int64_t integer; /* also of a boolean */
        double real;
        struct { /* inside the pickle's bytes, not terminated */
            const char *text;
            size_t text_size;
        };
        struct { /* of a dict: key, value, key, value... */
            struct cell **items;
            size_t count, capacity;
        };
    };
};

struct pickle {
    const struct cell *root;
    size_t used;                /* bytes up to and with STOP */
    struct cell **persistent;   /* every CELL_PERSISTENT, in order */
    size_t persistent_count, persistent_capacity;
    struct arena *arena;        /* holds all cells */
};

/* Reads one pickle of protocol 2 (3 is tolerated). `file` and `part` ("data.pkl") are for messages. The
 * cells point into `bytes`. All faults are CLAT_ERROR_INPUT or CLAT_ERROR_MEMORY. */
enum clat_status pickle_read(const unsigned char *bytes, size_t size, const char *file,
    const char *part, struct pickle *pickle);
void pickle_free(struct pickle *pickle);

bool cell_is_text(const struct cell *cell, const char *text);                 /* that string */
bool cell_is_name(const struct cell *cell, const char *module, const char *name);
/* The value of a string key, NULL if the cell is no dict or has no such key. */
const struct cell *cell_find(const struct cell *dict, const char *key);
/* "a tuple", or for names and calls the name itself: "os system". */
void cell_describe(const struct cell *cell, char *text, size_t size);

#endif
