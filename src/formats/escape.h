/* escape.h - texts from strangers, made fit for JSON, terminals and file names.
 * SPDX-License-Identifier: MIT
 *
 * Unfit are control characters, direction marks (U+202A-E, U+2066-9, U+200E-F, U+061C), zero-width
 * space and byte order mark, line and paragraph separators, and bytes that are not UTF-8. */
#ifndef CLATENT_FORMATS_ESCAPE_H
#define CLATENT_FORMATS_ESCAPE_H

#include "base/text.h"
#include <stdbool.h>

/* "text" with its quotes; unfit characters as \uXXXX, wrong bytes as U+FFFD. */
enum clat_status escape_json(struct text *out, const char *text);
/* Unfit characters as \u{X}, wrong bytes as \xNN; newlines stay with `lines`. */
enum clat_status escape_terminal(struct text *out, const char *text, bool lines);
/* At most `characters` characters and 200 bytes; '/', unfit ones and a dot at the start as '_'. */
enum clat_status escape_file_name(struct text *out, const char *text, size_t characters);

#endif
