/* section.h - keys of a mapping in a YAML file, checked. SPDX-License-Identifier: MIT
 *
 * As field.h does for JSON: *out holds the default, which an absent or null key leaves; a wrong
 * type or a value out of range is CLAT_ERROR_INPUT and names file, line and key. */
#ifndef CLATENT_CHECKPOINT_SECTION_H
#define CLATENT_CHECKPOINT_SECTION_H

#include "checkpoint/config.h"
#include "formats/yaml.h"

struct section {
    const char *file;
    const char *name;             /* of the mapping: "ddconfig" */
    const struct yaml_node *node; /* a mapping; NULL: absent, as if it were empty */
};

/* The mapping under a key; absent is CLAT_ERROR_INPUT if `needed`. */
enum clat_status section_open(
    const struct section *parent, const char *key, bool needed, struct section *section);
/* NULL if the key is absent or null. */
const struct yaml_node *section_find(const struct section *section, const char *key);

enum clat_status section_int(
    const struct section *section, const char *key, int lowest, int highest, int *out);
enum clat_status section_real(
    const struct section *section, const char *key, double lowest, double highest, double *out);
enum clat_status section_float(
    const struct section *section, const char *key, double lowest, double highest, float *out);
/* true and false, in any of YAML's spellings. */
enum clat_status section_bool(const struct section *section, const char *key, bool *out);
/* The string lives as long as the tree. */
enum clat_status section_string(const struct section *section, const char *key, const char **out);
/* At most `room` integers; *count is 0 if the key is absent. */
enum clat_status section_ints(const struct section *section, const char *key, int lowest,
    int highest, int *list, int room, int *count);

/* For features that the networks here do not have: absent, null, or this value. */
enum clat_status section_expect_bool(const struct section *section, const char *key, bool only);
enum clat_status section_expect_int(const struct section *section, const char *key, int only);
enum clat_status section_expect_null(const struct section *section, const char *key);
/* Refuses keys that are not in the list, which ends with NULL: nobody knows what they change. */
enum clat_status section_check_keys(const struct section *section, const char *const *known);

/* The sentence for a value that is not what is expected. */
enum clat_status section_bad(const struct section *section, const char *key, const char *expected);

#endif
