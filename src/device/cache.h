/* cache.h - built kernel programs on disk. SPDX-License-Identifier: MIT
 *
 * One file per program under $XDG_CACHE_HOME/clatent/kernels (or ~/.cache/...). Whoever can write
 * there runs code in our process, so the folder and each entry must belong to this user and be
 * writable by nobody else; otherwise, and without a home, there is no cache. A cache never fails:
 * what cannot be read is a miss, what cannot be written is not kept. */
#ifndef CLATENT_DEVICE_CACHE_H
#define CLATENT_DEVICE_CACHE_H

#include "base/text.h"

/* The value stored under exactly this key, freed by the caller; false if there is none. An entry
 * that is damaged, or belongs to another key, is removed. */
bool cache_load(const struct text *key, unsigned char **value, size_t *size);
/* True if there is an entry under this key's name, good or not. */
bool cache_has(const struct text *key);
/* CLATENT_CACHE is not "off". */
bool cache_is_on(void);
void cache_store(const struct text *key, const unsigned char *value, size_t size);
/* Removes the entry of a key: its value was of no use. */
void cache_remove(const struct text *key);

#endif
