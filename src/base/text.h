/* text.h - a growing string, and the nearest known name. SPDX-License-Identifier: MIT */
#ifndef CLATENT_BASE_TEXT_H
#define CLATENT_BASE_TEXT_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise; `data` is NUL-terminated once anything was added. Freed with text_free(). */
struct text {
    char *data;
    size_t size; /* without the NUL */
    size_t capacity;
};
enum clat_status text_add(struct text *text, const char *bytes, size_t size);
enum clat_status text_print(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_free(struct text *text);

/* True if `bytes` is well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool text_is_utf8(const char *bytes, size_t size);

/* True if the text is that ending with something before it: "a.npy", but not ".npy". */
bool text_ends_with(const char *text, const char *ending);

/* The entry of the NULL-terminated list that is nearest to `word` (edit distance of at most a third
 * of its length, at least 2), or NULL. For "did you mean". */
const char *text_nearest(const char *word, const char *const *names);

/* Strict numbers: the whole string, no spaces, in range; false otherwise. Never locale-dependent.
 */
bool text_to_int(const char *text, long long lowest, long long highest, long long *out);
bool text_to_uint64(const char *text, uint64_t *out);
bool text_to_double(const char *text, double *out);

#endif
