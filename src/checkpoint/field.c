/* field.c - keys of a configuration that need more than a type and a range.
 * SPDX-License-Identifier: MIT */
#include "checkpoint/field.h"
#include "base/text.h"

#include <string.h>

/* The member must be absent, null or the string `only`. */
enum clat_status field_expect_string(const struct json *document, const char *key, const char *only)
{
    const char *found = only;
    enum clat_status status = json_get_string(document, key, &found);
    if (status == CLAT_OK && strcmp(found, only) != 0)
        return status_set(CLAT_ERROR_INPUT, "'%s': key '%s': expected %s, found %s",
            json_file(document), key, only, found);
    return status;
}

/* Absent or null: for features that the networks here do not have. */
enum clat_status field_expect_null(const struct json *document, const char *key)
{
    const struct json_t *value = json_member(json_root(document), key);
    if (json_kind(value) != KIND_ABSENT && json_kind(value) != KIND_NULL)
        return status_set(CLAT_ERROR_INPUT, "'%s': key '%s': only null is supported, found %s",
            json_file(document), key, json_kind_name(value));
    return CLAT_OK;
}

enum clat_status field_refuse_null(const struct json *document, const char *key)
{
    if (json_kind(json_member(json_root(document), key)) == KIND_NULL)
        return status_set(
            CLAT_ERROR_INPUT, "'%s': key '%s': null is not supported", json_file(document), key);
    return CLAT_OK;
}

enum clat_status field_expect_bool(const struct json *document, const char *key, bool only)
{
    bool found = only;
    enum clat_status status = json_get_bool(document, key, &found);
    if (status == CLAT_OK && found != only)
        return status_set(CLAT_ERROR_INPUT, "'%s': key '%s': only %s is supported",
            json_file(document), key, only ? "true" : "false");
    return status;
}

enum clat_status field_expect_number(const struct json *document, const char *key, double only)
{
    double found = only;
    const struct json_t *value = json_member(json_root(document), key);
    if (json_kind(value) == KIND_ABSENT || json_kind(value) == KIND_NULL)
        return CLAT_OK;
    if (!json_as_number(value, &found) || found != only)
        return status_set(CLAT_ERROR_INPUT, "'%s': key '%s': only %g is supported",
            json_file(document), key, only);
    return CLAT_OK;
}

enum clat_status field_bad_list(
    const struct json *document, const char *key, const char *expected, const struct json_t *found)
{
    return status_set(CLAT_ERROR_INPUT, "'%s': key '%s': expected %s, found %s",
        json_file(document), key, expected, json_kind_name(found));
}

/* A list of 1..CONFIG_LEVELS integers; *count is 0 and the list untouched if the key is absent. */
enum clat_status field_ints(
    const struct json *document, const char *key, int highest, int list[CONFIG_LEVELS], int *count)
{
    const struct json_t *value = json_member(json_root(document), key);
    long long number;
    *count = 0;
    if (json_kind(value) == KIND_ABSENT || json_kind(value) == KIND_NULL)
        return CLAT_OK;
    if (json_kind(value) != KIND_ARRAY || json_count(value) < 1 ||
        json_count(value) > CONFIG_LEVELS)
        return field_bad_list(document, key, "a list of 1 to 8 integers", value);
    for (; *count < (int)json_count(value); ++*count) {
        const struct json_t *item = json_item(value, (size_t)*count);
        if (!json_as_integer(item, &number))
            return field_bad_list(document, key, "integers in the list", item);
        if (number < 1 || number > highest)
            return status_set(CLAT_ERROR_INPUT, "'%s': key '%s': expected 1 to %d, found %lld",
                json_file(document), key, highest, number);
        list[*count] = (int)number;
    }
    return CLAT_OK;
}

enum clat_status field_wrong_count(
    const struct json *document, const char *key, int levels, size_t found)
{
    return status_set(CLAT_ERROR_INPUT,
        "'%s': key '%s': expected %d entries as in block_out_channels, found %zu",
        json_file(document), key, levels, found);
}

static enum clat_status wrong_type(
    const struct json *document, const char *key, const struct field_type *types, const char *found)
{
    enum clat_status status;
    struct text known = {0};
    for (const struct field_type *type = types; type->name; type++)
        TRY(text_print(&known, "%s%s", type == types ? "" : " or ", type->name));
    FAIL(CLAT_ERROR_INPUT, "'%s': key '%s': expected %s, found %s", json_file(document), key,
        known.data, found);
out:
    text_free(&known);
    return status;
}

enum clat_status field_blocks(const struct json *document, const char *key, int levels,
    int default_levels, const struct field_type *types, int kinds[CONFIG_LEVELS])
{
    const struct json_t *value = json_member(json_root(document), key);
    if (json_kind(value) == KIND_ABSENT && levels == default_levels)
        return CLAT_OK;
    if (json_kind(value) != KIND_ARRAY)
        return field_bad_list(document, key, "a list of block types", value);
    if (json_count(value) != (size_t)levels)
        return field_wrong_count(document, key, levels, json_count(value));
    for (int i = 0; i < levels; i++) {
        const struct field_type *type = types;
        const char *name = json_as_string(json_item(value, (size_t)i));
        if (!name)
            return field_bad_list(
                document, key, "strings in the list", json_item(value, (size_t)i));
        while (type->name && strcmp(type->name, name) != 0)
            type++;
        if (!type->name)
            return wrong_type(document, key, types, name);
        kinds[i] = type->kind;
    }
    return CLAT_OK;
}

enum clat_status field_levels(const struct json *document, int channels[CONFIG_LEVELS], int *levels)
{
    int count;
    enum clat_status status =
        field_ints(document, "block_out_channels", CONFIG_CHANNELS, channels, &count);
    if (status == CLAT_OK && count)
        *levels = count;
    return status;
}

enum clat_status field_groups(
    const struct json *document, const int *channels, int levels, int *groups)
{
    enum clat_status status;
    TRY(json_get_int(document, "norm_num_groups", 1, CONFIG_CHANNELS, groups));
    for (int i = 0; i < levels; i++)
        if (channels[i] % *groups)
            FAIL(CLAT_ERROR_INPUT,
                "'%s': block_out_channels: %d is not a multiple of norm_num_groups, %d",
                json_file(document), channels[i], *groups);
out:
    return status;
}

/* A string into a fixed field. */
enum clat_status field_copy(
    const struct json *document, const char *key, const char *value, char *field, size_t size)
{
    if (strlen(value) >= size)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': key '%s': at most %zu bytes are expected, found %zu", json_file(document), key,
            size - 1, strlen(value));
    strcpy(field, value);
    return CLAT_OK;
}
