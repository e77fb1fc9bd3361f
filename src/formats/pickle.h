/* pickle.h - a pickle as plain cells; nothing in it is ever executed. SPDX-License-Identifier: MIT
 */
#ifndef CLATENT_FORMATS_PICKLE_H
#define CLATENT_FORMATS_PICKLE_H

#include "formats/cell.h"

/* Who wrote it: torch writes protocol 2 with 33 opcodes and short strings; Paddle protocols 2 to 4,
 * with the arrays' bytes inside, as bytes or as one long string each. */
enum pickle_writer { PICKLE_TORCH, PICKLE_PADDLE };

struct pickle {
    const struct cell *root;
    size_t used;              /* bytes up to and with STOP */
    struct cell **persistent; /* every CELL_PERSISTENT, in order */
    size_t persistent_count, persistent_capacity;
    struct cell_store store; /* holds all cells */
};

/* Reads one pickle. `file` and `part` ("data.pkl") are for messages. The cells point into `bytes`;
 * a string of more than 65536 bytes was not checked to be UTF-8. All faults are CLAT_ERROR_INPUT or
 * CLAT_ERROR_MEMORY. */
enum clat_status pickle_read(const unsigned char *bytes, size_t size, const char *file,
    const char *part, enum pickle_writer writer, struct pickle *pickle);
void pickle_free(struct pickle *pickle);

#endif
