/* section.c - keys of a mapping in a YAML file, checked. SPDX-License-Identifier: MIT */
#include "checkpoint/section.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const struct yaml_node *member(const struct section *section, const char *key)
{
    for (size_t i = 0; section->node && i < section->node->count; i++)
        if (strcmp(section->node->children[i].key, key) == 0)
            return &section->node->children[i];
    return NULL;
}

const struct yaml_node *section_find(const struct section *section, const char *key)
{
    const struct yaml_node *node = member(section, key);
    return node && !yaml_is_null(node) ? node : NULL;
}

enum clat_status section_bad(const struct section *section, const char *key, const char *expected)
{
    const struct yaml_node *node = member(section, key);
    const char *found = !node ? "nothing" : node->text ? node->text : yaml_kind_name(node);
    int line = node ? node->line : section->node ? section->node->line : 1;
    return status_set(CLAT_ERROR_INPUT, "%s:%d: key '%s' of %s: expected %s, found %s",
        section->file, line, key, section->name, expected, found);
}

enum clat_status section_open(
    const struct section *parent, const char *key, bool needed, struct section *section)
{
    *section = (struct section){parent->file, key, section_find(parent, key)};
    if (section->node ? section->node->kind != NODE_MAPPING : needed)
        return section_bad(parent, key, "a mapping");
    return CLAT_OK;
}

static bool to_int(const struct yaml_node *node, int lowest, int highest, int *out)
{
    long long number;
    if (node->kind != NODE_SCALAR || !text_to_int(node->text, lowest, highest, &number))
        return false;
    *out = (int)number;
    return true;
}

static enum clat_status bad_int(
    const struct section *section, const char *key, const char *what, int lowest, int highest)
{
    char expected[64];
    snprintf(expected, sizeof expected, "%s from %d to %d", what, lowest, highest);
    return section_bad(section, key, expected);
}

enum clat_status section_int(
    const struct section *section, const char *key, int lowest, int highest, int *out)
{
    const struct yaml_node *node = section_find(section, key);
    if (node && !to_int(node, lowest, highest, out))
        return bad_int(section, key, "an integer", lowest, highest);
    return CLAT_OK;
}

enum clat_status section_real(
    const struct section *section, const char *key, double lowest, double highest, double *out)
{
    const struct yaml_node *node = section_find(section, key);
    double number;
    char expected[64];
    if (!node)
        return CLAT_OK;
    snprintf(expected, sizeof expected, "a number from %g to %g", lowest, highest);
    if (node->kind != NODE_SCALAR || !text_to_double(node->text, &number) ||
        !(number >= lowest && number <= highest))
        return section_bad(section, key, expected);
    *out = number;
    return CLAT_OK;
}

enum clat_status section_float(
    const struct section *section, const char *key, double lowest, double highest, float *out)
{
    double number = (double)*out;
    enum clat_status status = section_real(section, key, lowest, highest, &number);
    *out = (float)number;
    return status;
}

enum clat_status section_bool(const struct section *section, const char *key, bool *out)
{
    static const char *const words[][2] = {
        {"false", "true"}, {"False", "True"}, {"FALSE", "TRUE"}, {"no", "yes"}, {"off", "on"}};
    const struct yaml_node *node = section_find(section, key);
    if (!node)
        return CLAT_OK;
    for (size_t i = 0; node->text && i < sizeof words / sizeof *words; i++)
        for (int value = 0; value < 2; value++)
            if (strcmp(node->text, words[i][value]) == 0) {
                *out = value;
                return CLAT_OK;
            }
    return section_bad(section, key, "true or false");
}

enum clat_status section_string(const struct section *section, const char *key, const char **out)
{
    const struct yaml_node *node = section_find(section, key);
    if (node && node->kind != NODE_SCALAR)
        return section_bad(section, key, "a string");
    if (node)
        *out = node->text;
    return CLAT_OK;
}

enum clat_status section_ints(const struct section *section, const char *key, int lowest,
    int highest, int *list, int room, int *count)
{
    const struct yaml_node *node = section_find(section, key);
    *count = 0;
    if (!node)
        return CLAT_OK;
    if (node->kind != NODE_LIST || node->count > (size_t)room)
        return bad_int(section, key, "a short list of integers", lowest, highest);
    for (; *count < (int)node->count; ++*count)
        if (!to_int(&node->children[*count], lowest, highest, &list[*count]))
            return bad_int(section, key, "a list of integers", lowest, highest);
    return CLAT_OK;
}

enum clat_status section_expect_bool(const struct section *section, const char *key, bool only)
{
    bool found = only;
    enum clat_status status = section_bool(section, key, &found);
    if (status == CLAT_OK && found != only)
        return section_bad(section, key, only ? "true" : "false");
    return status;
}

enum clat_status section_expect_int(const struct section *section, const char *key, int only)
{
    return section_int(section, key, only, only, &only);
}

enum clat_status section_expect_null(const struct section *section, const char *key)
{
    return section_find(section, key) ? section_bad(section, key, "null") : CLAT_OK;
}

static bool is_known(const char *key, const char *const *known)
{
    while (*known && strcmp(key, *known) != 0)
        known++;
    return *known != NULL;
}

enum clat_status section_check_keys(const struct section *section, const char *const *known)
{
    for (size_t i = 0; section->node && i < section->node->count; i++) {
        const struct yaml_node *node = &section->node->children[i];
        const char *nearest = is_known(node->key, known) ? NULL : text_nearest(node->key, known);
        if (!is_known(node->key, known))
            return status_set(CLAT_ERROR_INPUT, "%s:%d: %s has no key '%s'%s%s%s", section->file,
                node->line, section->name, node->key, nearest ? "; did you mean '" : "",
                nearest ? nearest : "", nearest ? "'?" : "");
    }
    return CLAT_OK;
}
