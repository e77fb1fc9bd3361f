/* arena.h - a result made of many pieces, given back as one. SPDX-License-Identifier: MIT
 *
 * The root is what the caller of the library sees; lists and texts that it points to are taken from
 * the same arena and go with it. */
#ifndef CLATENT_BASE_ARENA_H
#define CLATENT_BASE_ARENA_H

#include "base/status.h"
#include <stddef.h>

struct arena;

/* A new arena, and its zeroed root of `size` bytes into *root (a pointer to a pointer). */
enum clat_status arena_new(size_t size, struct arena **arena, void *root);
/* `count` zeroed elements of `size` bytes into *out (a pointer to a pointer). */
enum clat_status arena_take(struct arena *arena, size_t count, size_t size, void *out);
/* A copy of a text; NULL stays NULL. */
enum clat_status arena_string(struct arena *arena, const char *text, const char **out);
/* Frees everything, given the root; NULL is allowed. */
void arena_free(const void *root);

#endif
