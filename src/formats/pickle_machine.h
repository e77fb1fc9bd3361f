/* pickle_machine.h - the stack that a pickle's opcodes work on. SPDX-License-Identifier: MIT
 *
 * Everything is bounded; all faults are CLAT_ERROR_INPUT with file, part and byte, or
 * CLAT_ERROR_MEMORY. Nothing below the last mark can be taken. */
#ifndef CLATENT_FORMATS_PICKLE_MACHINE_H
#define CLATENT_FORMATS_PICKLE_MACHINE_H

#include "formats/pickle.h"

#define PICKLE_MARKS 64 /* most open at one time */

struct machine {
    const unsigned char *bytes; /* the pickle */
    size_t size, at;
    const char *file, *part; /* for messages */
    enum pickle_writer writer;
    struct pickle *pickle; /* holds the cells */
    struct cell **stack;
    size_t count, capacity;
    size_t marks[PICKLE_MARKS]; /* stack heights */
    size_t mark_count;
    struct cell **memo;
    size_t memo_capacity, memo_next; /* where MEMOIZE writes */
    size_t cells;                    /* made so far */
};

enum clat_status machine_bad(const struct machine *machine, const char *what);

/* The next bytes of the pickle; a little-endian number of `size` of them. */
enum clat_status machine_take_bytes(
    struct machine *machine, size_t size, const unsigned char **bytes);
enum clat_status machine_take_number(struct machine *machine, int size, uint64_t *value);

enum clat_status machine_new_cell(struct machine *machine, enum cell_kind kind, struct cell **cell);
enum clat_status machine_push(struct machine *machine, struct cell *cell);
enum clat_status machine_push_new(struct machine *machine, enum cell_kind kind, struct cell **cell);
enum clat_status machine_push_integer(struct machine *machine, enum cell_kind kind, int64_t value);

/* Values above the last mark. */
size_t machine_height(const struct machine *machine);
enum clat_status machine_pop(struct machine *machine, struct cell **cell);
enum clat_status machine_top(struct machine *machine, struct cell **cell);
/* The last `count` values as one cell in their place. */
enum clat_status machine_gather(struct machine *machine, enum cell_kind kind, size_t count);
/* Takes the last mark away; *count is the values that stood above it. */
enum clat_status machine_pop_mark(struct machine *machine, size_t *count);

#endif
