/* guard.h - memory that notices who goes past it. SPDX-License-Identifier: MIT
 *
 * What a plugin is given ends at a page that nobody may touch, and begins behind one: a single
 * float too far traps, reading or writing. What it may only read is sealed while it runs. The trap
 * is told as a sentence with the name of the memory, then the process ends: this is for a child
 * process that runs a plugin to see what it does. */
#ifndef CLATENT_CONTRACT_GUARD_H
#define CLATENT_CONTRACT_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory, or NULL. `name` ("the sample") is kept as it is. */
void *guard_new(const char *name, size_t size);
/* NULL is allowed. */
void guard_free(void *data);

/* Read-only from here on, and back. */
void guard_seal(void *data);
void guard_unseal(void *data);

/* True unless the bytes between the first page and the memory were changed. */
bool guard_is_intact(const void *data);

/* From here on a trap in guarded memory calls `report` with a sentence (which must use functions
 * only that are safe in signal handlers) and ends the process with `exit_code`. Other traps take
 * their usual course. */
void guard_catch(void (*report)(const char *sentence), int exit_code);

#endif
