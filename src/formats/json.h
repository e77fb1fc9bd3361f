/* json.h - JSON documents from strangers, read strictly. SPDX-License-Identifier: MIT
 *
 * jansson parses; this room adds what it leaves open: a limit of depth checked before anything
 * recurses, duplicate keys refused, sentences that name file and key. */
#ifndef CLATENT_FORMATS_JSON_H
#define CLATENT_FORMATS_JSON_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

struct json;   /* a parsed document */
struct json_t; /* one value in it, owned by the document */

enum json_kind {
    KIND_ABSENT,
    KIND_NULL,
    KIND_BOOLEAN,
    KIND_INTEGER,
    KIND_REAL,
    KIND_STRING,
    KIND_ARRAY,
    KIND_OBJECT
};

struct json_rules {
    size_t depth;        /* most brackets open at once */
    bool plain_integers; /* numbers are only non-negative integers, and no true, false, null */
};

/* The document must be one object. `file` is for messages. All faults are CLAT_ERROR_INPUT. */
enum clat_status json_parse(const char *bytes, size_t size, const char *file,
    const struct json_rules *rules, struct json **document);
/* A file of at most `limit` bytes, depth 32. Bare Infinity and -Infinity, which Python writes, are
 * read as the strings "inf" and "-inf". */
enum clat_status json_open(const char *path, size_t limit, struct json **document);
void json_close(struct json *document); /* NULL is allowed */

const struct json_t *json_root(const struct json *document);
const char *json_file(const struct json *document);

enum json_kind json_kind(const struct json_t *value);   /* KIND_ABSENT for NULL */
const char *json_kind_name(const struct json_t *value); /* "an array" ... */
const struct json_t *json_member(const struct json_t *object, const char *key); /* or NULL */
size_t json_count(const struct json_t *value); /* of an array or object, else 0 */
const struct json_t *json_item(const struct json_t *array, size_t index);
/* Walks an object in the order of the file: *place starts as NULL; false at the end. */
bool json_next(
    const struct json_t *object, void **place, const char **key, const struct json_t **value);

/* NULL or false if the value is of another kind. */
const char *json_as_string(const struct json_t *value);
bool json_as_integer(const struct json_t *value, long long *out);
bool json_as_number(const struct json_t *value, double *out); /* integer or real */
bool json_as_boolean(const struct json_t *value, bool *out);

/* Scalars and flat arrays as text: strings bare at the top and quoted inside an array, numbers with
 * as few digits as give the same double back. Freed by the caller. */
enum clat_status json_text(const struct json_t *value, char **text);

/* Members of the document's object. *out holds the default: a key that is absent or null leaves it.
 * A wrong kind or a value out of range fails with file, key, expected and found. */
enum clat_status json_get_int(
    const struct json *document, const char *key, int lowest, int highest, int *out);
enum clat_status json_get_float(
    const struct json *document, const char *key, double lowest, double highest, float *out);
enum clat_status json_get_bool(const struct json *document, const char *key, bool *out);
/* The string lives as long as the document. */
enum clat_status json_get_string(const struct json *document, const char *key, const char **out);

#endif
