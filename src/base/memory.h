/* memory.h - checked sizes and host memory. SPDX-License-Identifier: MIT
 *
 * Sizes that come from a file or a user are multiplied and added only through these functions:
 * they report a wrap instead of giving a small number. */
#ifndef CLATENT_BASE_MEMORY_H
#define CLATENT_BASE_MEMORY_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a * b (or a + b). False, and *out untouched, if the result does not fit. */
bool size_mul(size_t a, size_t b, size_t *out);
bool size_add(size_t a, size_t b, size_t *out);

/* Zeroed memory for count elements of `size` bytes into *out (a pointer to a pointer), or
 * CLAT_ERROR_MEMORY with the number of bytes in the sentence. count = 0 gives one element, so
 * that *out is never NULL. Freed with free(). */
enum clat_status memory_new(size_t count, size_t size, void *out);

/* Grows *array (element `size` bytes) so that at least `count` + 1 elements fit; capacity doubles.
 * New elements are not cleared. */
enum clat_status memory_grow(void *array, size_t *capacity, size_t count, size_t size);

/* A copy of a string, CLAT_ERROR_MEMORY if there is no memory. */
enum clat_status memory_string(const char *text, char **out);

#endif
