/* json.c - JSON documents from strangers, read strictly. SPDX-License-Identifier: MIT
 *
 * Before the parser runs, one pass over the bytes counts brackets outside of strings, so that the
 * parser's recursion is bounded by our limit and not by the file. */
#include "formats/json.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct json {
    json_t *root;
    char *file;
};

/* ---- parsing -------------------------------------------------------------------------------- */

/* The byte after the string that begins at `at`. */
static size_t skip_string(const char *bytes, size_t size, size_t at)
{
    for (at++; at < size && bytes[at] != '"'; at++)
        if (bytes[at] == '\\')
            at++;
    return at < size ? at + 1 : size;
}

static enum clat_status scan(
    const char *bytes, size_t size, const char *file, const struct json_rules *rules)
{
    size_t depth = 0;
    for (size_t at = 0; at < size;) {
        char c = bytes[at];
        if (c == '"') {
            at = skip_string(bytes, size, at);
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
        else if (rules->plain_integers && !strchr("0123456789:, \t\r\n", c))
            return status_set(CLAT_ERROR_INPUT,
                "'%s': byte %zu of the JSON: numbers must be plain non-negative integers, found "
                "'%c'",
                file, at, c);
        if (depth > rules->depth)
            return status_set(CLAT_ERROR_INPUT,
                "'%s': byte %zu of the JSON: nested more than %zu levels deep", file, at,
                rules->depth);
        at++;
    }
    return CLAT_OK;
}

enum clat_status json_parse(const char *bytes, size_t size, const char *file,
    const struct json_rules *rules, struct json **document)
{
    json_error_t error;
    struct json *made = NULL;
    enum clat_status status = CLAT_OK;
    TRY(scan(bytes, size, file, rules));
    TRY(memory_new(1, sizeof *made, &made));
    TRY(memory_string(file, &made->file));
    made->root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!made->root)
        FAIL(json_error_code(&error) == json_error_out_of_memory ? CLAT_ERROR_MEMORY
                                                                 : CLAT_ERROR_INPUT,
            "'%s': not JSON, line %d, column %d: %s", file, error.line, error.column, error.text);
    if (!json_is_object(made->root))
        FAIL(CLAT_ERROR_INPUT, "'%s': expected one JSON object, found %s", file,
            json_kind_name(made->root));
    *document = made;
    made = NULL;
out:
    json_close(made);
    return status;
}

/* Python writes an infinity as a bare word, which is no JSON: "Infinity" becomes the string "inf",
 * with blanks up to the same length. diffusers' lambda_min_clipped is such a value. */
static void quote_infinities(char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        size_t sign = text[at] == '-', left = size - at - sign;
        if (text[at] == '"') {
            at = skip_string(text, size, at);
        } else if (left >= 8 && memcmp(text + at + sign, "Infinity", 8) == 0) {
            memcpy(text + at, sign ? "\"-inf\"   " : "\"inf\"   ", 8 + sign);
            at += 8 + sign;
        } else {
            at++;
        }
    }
}

enum clat_status json_open(const char *path, size_t limit, struct json **document)
{
    char *text = NULL;
    size_t size;
    const struct json_rules rules = {.depth = 32};
    enum clat_status status;
    TRY(file_read_text(path, limit, &text, &size));
    quote_infinities(text, size);
    TRY(json_parse(text, size, path, &rules, document));
out:
    free(text);
    return status;
}

void json_close(struct json *document)
{
    if (!document)
        return;
    json_decref(document->root);
    free(document->file);
    free(document);
}

/* ---- values --------------------------------------------------------------------------------- */

const struct json_t *json_root(const struct json *document)
{
    return document->root;
}

const char *json_file(const struct json *document)
{
    return document->file;
}

enum json_kind json_kind(const struct json_t *value)
{
    if (!value)
        return KIND_ABSENT;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return KIND_OBJECT;
    case JSON_ARRAY:
        return KIND_ARRAY;
    case JSON_STRING:
        return KIND_STRING;
    case JSON_INTEGER:
        return KIND_INTEGER;
    case JSON_REAL:
        return KIND_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return KIND_BOOLEAN;
    case JSON_NULL:
        break;
    }
    return KIND_NULL;
}

const char *json_kind_name(const struct json_t *value)
{
    static const char *const names[] = {"nothing", "null", "true or false", "an integer",
        "a number with a fraction", "a string", "an array", "an object"};
    return names[json_kind(value)];
}

const struct json_t *json_member(const struct json_t *object, const char *key)
{
    return json_object_get(object, key);
}

size_t json_count(const struct json_t *value)
{
    return json_kind(value) == KIND_OBJECT ? json_object_size(value) : json_array_size(value);
}

const struct json_t *json_item(const struct json_t *array, size_t index)
{
    return json_array_get(array, index);
}

bool json_next(
    const struct json_t *object, void **place, const char **key, const struct json_t **value)
{
    json_t *open = (json_t *)(uintptr_t)object; /* jansson's iterators are not const */
    *place = *place ? json_object_iter_next(open, *place) : json_object_iter(open);
    if (!*place)
        return false;
    *key = json_object_iter_key(*place);
    *value = json_object_iter_value(*place);
    return true;
}

const char *json_as_string(const struct json_t *value)
{
    return json_kind(value) == KIND_STRING ? json_string_value(value) : NULL;
}

bool json_as_integer(const struct json_t *value, long long *out)
{
    if (json_kind(value) != KIND_INTEGER)
        return false;
    *out = json_integer_value(value);
    return true;
}

bool json_as_number(const struct json_t *value, double *out)
{
    if (json_kind(value) != KIND_INTEGER && json_kind(value) != KIND_REAL)
        return false;
    *out = json_number_value(value);
    return true;
}

bool json_as_boolean(const struct json_t *value, bool *out)
{
    if (json_kind(value) != KIND_BOOLEAN)
        return false;
    *out = json_boolean_value(value);
    return true;
}

/* ---- values as text ------------------------------------------------------------------------- */

static enum clat_status dump(const struct json_t *value, size_t digits, char **text)
{
    *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
    if (!*text)
        return status_set(CLAT_ERROR_MEMORY, "no host memory for a JSON value as text");
    return CLAT_OK;
}

/* 15 digits are always enough to print, 17 to read back; take the first that reads back. */
static enum clat_status dump_real(const struct json_t *value, char **text)
{
    double back, wanted = json_real_value(value);
    for (size_t digits = 15;; digits++) {
        enum clat_status status = dump(value, digits, text);
        if (status != CLAT_OK || digits == 17 || (text_to_double(*text, &back) && back == wanted))
            return status;
        free(*text);
    }
}

static enum clat_status dump_scalar(const struct json_t *value, char **text)
{
    return json_kind(value) == KIND_REAL ? dump_real(value, text) : dump(value, 17, text);
}

static enum clat_status dump_array(const struct json_t *array, char **out)
{
    struct text text = {0};
    char *item = NULL;
    enum clat_status status;
    TRY(text_print(&text, "["));
    for (size_t i = 0; i < json_count(array); i++) {
        TRY(dump_scalar(json_item(array, i), &item));
        TRY(text_print(&text, "%s%s", i ? ", " : "", item));
        free(item);
        item = NULL;
    }
    TRY(text_print(&text, "]"));
    *out = text.data;
    return CLAT_OK;
out:
    free(item);
    text_free(&text);
    return status;
}

enum clat_status json_text(const struct json_t *value, char **text)
{
    switch (json_kind(value)) {
    case KIND_STRING:
        return memory_string(json_string_value(value), text);
    case KIND_ARRAY:
        return dump_array(value, text);
    default:
        return dump_scalar(value, text);
    }
}

/* ---- members with a default ----------------------------------------------------------------- */

static enum clat_status wrong_kind(
    const struct json *document, const char *key, const char *expected, const struct json_t *found)
{
    return status_set(CLAT_ERROR_INPUT, "'%s': key '%s': expected %s, found %s", document->file,
        key, expected, json_kind_name(found));
}

/* NULL if the default stays. */
static const struct json_t *given(const struct json *document, const char *key)
{
    const struct json_t *value = json_member(document->root, key);
    return json_kind(value) == KIND_NULL ? NULL : value;
}

enum clat_status json_get_int(
    const struct json *document, const char *key, int lowest, int highest, int *out)
{
    long long number;
    const struct json_t *value = given(document, key);
    if (!value)
        return CLAT_OK;
    if (!json_as_integer(value, &number))
        return wrong_kind(document, key, "an integer", value);
    if (number < lowest || number > highest)
        return status_set(CLAT_ERROR_INPUT, "'%s': key '%s': expected %d to %d, found %lld",
            document->file, key, lowest, highest, number);
    *out = (int)number;
    return CLAT_OK;
}

enum clat_status json_get_float(
    const struct json *document, const char *key, double lowest, double highest, float *out)
{
    double number;
    const struct json_t *value = given(document, key);
    if (!value)
        return CLAT_OK;
    if (!json_as_number(value, &number))
        return wrong_kind(document, key, "a number", value);
    if (!(number >= lowest && number <= highest))
        return status_set(CLAT_ERROR_INPUT, "'%s': key '%s': expected %g to %g, found %g",
            document->file, key, lowest, highest, number);
    *out = (float)number;
    return CLAT_OK;
}

enum clat_status json_get_bool(const struct json *document, const char *key, bool *out)
{
    const struct json_t *value = given(document, key);
    if (value && !json_as_boolean(value, out))
        return wrong_kind(document, key, "true or false", value);
    return CLAT_OK;
}

enum clat_status json_get_string(const struct json *document, const char *key, const char **out)
{
    const struct json_t *value = given(document, key);
    if (value && json_kind(value) != KIND_STRING)
        return wrong_kind(document, key, "a string", value);
    if (value)
        *out = json_string_value(value);
    return CLAT_OK;
}
