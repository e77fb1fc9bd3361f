/* pickle.h - a pickle as plain cells; nothing in it is ever executed. SPDX-License-Identifier: MIT
 */
#ifndef CLATENT_FORMATS_PICKLE_H
#define CLATENT_FORMATS_PICKLE_H

#include "formats/cell.h"

struct pickle {
    const struct cell *root;
    size_t used;              /* bytes up to and with STOP */
    struct cell **persistent; /* every CELL_PERSISTENT, in order */
    size_t persistent_count, persistent_capacity;
    struct cell_store store; /* holds all cells */
};

/* Reads one pickle of protocol 2 (3 is tolerated). `file` and `part` ("data.pkl") are for messages.
 * The cells point into `bytes`. All faults are CLAT_ERROR_INPUT or CLAT_ERROR_MEMORY. */
enum clat_status pickle_read(const unsigned char *bytes, size_t size, const char *file,
    const char *part, struct pickle *pickle);
void pickle_free(struct pickle *pickle);

#endif
