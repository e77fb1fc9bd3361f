/* field.h - keys of a configuration that need more than a type and a range.
 * SPDX-License-Identifier: MIT
 *
 * All faults are CLAT_ERROR_INPUT with file and key. */
#ifndef CLATENT_CHECKPOINT_FIELD_H
#define CLATENT_CHECKPOINT_FIELD_H

#include "checkpoint/config.h"
#include "formats/json.h"

#define CONFIG_BYTES ((size_t)1 << 20) /* longest file */

/* For features that the networks here do not have: the key is absent, null, or has this value. */
enum clat_status field_expect_string(
    const struct json *document, const char *key, const char *only);
enum clat_status field_expect_null(const struct json *document, const char *key);
enum clat_status field_expect_bool(const struct json *document, const char *key, bool only);
enum clat_status field_expect_number(const struct json *document, const char *key, double only);
/* For keys whose null means something else than the default: absent, or not null. */
enum clat_status field_refuse_null(const struct json *document, const char *key);

/* A list of 1..CONFIG_LEVELS integers from 1 to `highest`; *count is 0 and the list untouched if
 * the key is absent or null. */
enum clat_status field_ints(
    const struct json *document, const char *key, int highest, int list[CONFIG_LEVELS], int *count);
/* A list of `levels` block types, each one of a table that ends with name NULL; kinds[i] becomes
 * its kind. Absent leaves the default, which must have as many levels. */
struct field_type {
    const char *name;
    int kind;
};
enum clat_status field_blocks(const struct json *document, const char *key, int levels,
    int default_levels, const struct field_type *types, int kinds[CONFIG_LEVELS]);

/* block_out_channels and how many there are. */
enum clat_status field_levels(
    const struct json *document, int channels[CONFIG_LEVELS], int *levels);
/* norm_num_groups: group norm needs whole groups at every width. */
enum clat_status field_groups(
    const struct json *document, const int *channels, int levels, int *groups);

/* The sentences for a list of another kind, and of another length. */
enum clat_status field_bad_list(
    const struct json *document, const char *key, const char *expected, const struct json_t *found);
enum clat_status field_wrong_count(
    const struct json *document, const char *key, int levels, size_t found);

/* A string into an array of `size` bytes. */
enum clat_status field_copy(
    const struct json *document, const char *key, const char *value, char *field, size_t size);

#endif
