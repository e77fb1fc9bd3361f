/* values.c - texts per key, checked as they arrive. SPDX-License-Identifier: MIT */
#include "job/values.h"
#include "base/memory.h"
#include "job/layout.h"
#include "job/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void job_value_clear(struct job_value *value)
{
    for (size_t i = 0; i < value->count; i++)
        free(value->items[i]);
    free(value->items);
    free(value->where);
    *value = (struct job_value){0};
}

void job_values_free(struct job_values *values)
{
    for (size_t i = 0; i < JOB_KEYS; i++)
        job_value_clear(&values->value[i]);
    settings_free(&values->scheduler_options);
}

enum clat_status job_value_add(
    struct job_values *values, int key, const char *text, const char *where)
{
    enum clat_status status = CLAT_OK;
    struct job_value *value = &values->value[key];
    TRY(memory_grow(&value->items, &value->capacity, value->count, sizeof *value->items));
    if (!value->where)
        TRY(memory_string(where, &value->where));
    TRY(memory_string(text, &value->items[value->count]));
    value->count++;
out:
    return status;
}

static enum clat_status settings_copy(const struct settings *from, struct settings *to)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < from->count && status == CLAT_OK; i++)
        status = settings_set(to, from->items[i].key, from->items[i].value, from->items[i].where);
    return status;
}

enum clat_status job_values_copy(const struct job_values *from, struct job_values *to)
{
    enum clat_status status = settings_copy(&from->scheduler_options, &to->scheduler_options);
    for (int key = 0; key < JOB_KEYS && status == CLAT_OK; key++) {
        const struct job_value *value = &from->value[key];
        if (value->where && !value->count)
            status = memory_string(value->where, &to->value[key].where);
        for (size_t i = 0; i < value->count && status == CLAT_OK; i++)
            status = job_value_add(to, key, value->items[i], value->where);
    }
    return status;
}

/* ---- strict readings ------------------------------------------------------------------------ */

enum clat_status job_read_int(
    const struct job_key *key, const char *text, const char *where, int *out)
{
    long long value;
    bool multiple = key->multiple > 1;
    if (text_to_int(text, key->lowest, key->highest, &value) &&
        (!multiple || value % key->multiple == 0)) {
        *out = (int)value;
        return CLAT_OK;
    }
    if (multiple)
        return status_set(CLAT_ERROR_USAGE,
            "%s: %s must be a multiple of %d from %d to %d, found '%s'", where, key->name,
            key->multiple, key->lowest, key->highest, text);
    return status_set(CLAT_ERROR_USAGE, "%s: %s must be a whole number from %d to %d, found '%s'",
        where, key->name, key->lowest, key->highest, text);
}

enum clat_status job_read_real(
    const struct job_key *key, const char *text, const char *where, double *out)
{
    double value;
    if (!text_to_double(text, &value) || !isfinite(value) || value < key->lowest ||
        value > key->highest)
        return status_set(CLAT_ERROR_USAGE, "%s: %s must be a number from %d to %d, found '%s'",
            where, key->name, key->lowest, key->highest, text);
    *out = value;
    return CLAT_OK;
}

enum clat_status job_read_flag(
    const struct job_key *key, const char *text, const char *where, bool *out)
{
    static const char *const words[] = {"false", "true", "False", "True", "FALSE", "TRUE"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return CLAT_OK;
        }
    return status_set(
        CLAT_ERROR_USAGE, "%s: %s must be true or false, found '%s'", where, key->name, text);
}

enum clat_status job_read_seed(const char *text, const char *where, uint64_t *out, bool *random)
{
    *out = 0;
    *random = strcmp(text, "-1") == 0;
    if (*random || text_to_uint64(text, out))
        return CLAT_OK;
    return status_set(CLAT_ERROR_USAGE,
        "%s: seed must be a whole number from 0 to 18446744073709551615, or -1 for a random one, "
        "found "
        "'%s'",
        where, text);
}

static enum clat_status check_choice(const struct job_key *key, const char *text, const char *where)
{
    enum clat_status status = CLAT_OK;
    struct text list = {0};
    for (size_t i = 0; key->choices[i]; i++) {
        if (strcmp(key->choices[i], text) == 0)
            goto out;
        TRY(text_print(&list, "%s%s", i ? ", " : "", key->choices[i]));
    }
    FAIL(CLAT_ERROR_USAGE, "%s: %s must be one of %s, found '%s'", where, key->name, list.data,
        text);
out:
    text_free(&list);
    return status;
}

static enum clat_status check_prompt(const char *text, const char *where)
{
    size_t size = strlen(text);
    if (!text_is_utf8(text, size))
        return status_set(CLAT_ERROR_INPUT, "%s: the prompt is not UTF-8 text", where);
    if (size > YAML_SCALAR_LIMIT)
        return status_set(CLAT_ERROR_INPUT, "%s: the prompt has %zu bytes; at most %u are allowed",
            where, size, YAML_SCALAR_LIMIT);
    return CLAT_OK;
}

enum clat_status job_value_check(int index, const char *text, const char *where)
{
    const struct job_key *key = &job_keys[index];
    int whole;
    double real;
    bool flag;
    uint64_t seed;
    switch (key->kind) {
    case KEY_INT:
        return job_read_int(key, text, where, &whole);
    case KEY_REAL:
        return job_read_real(key, text, where, &real);
    case KEY_FLAG:
        return job_read_flag(key, text, where, &flag);
    case KEY_CHOICE:
        return check_choice(key, text, where);
    case KEY_SEEDS:
        return job_read_seed(text, where, &seed, &flag);
    case KEY_SWEEP:
        return sweep_axis_check(text, where);
    case KEY_LATER:
        return status_set(
            CLAT_ERROR_USAGE, "%s: %s is not supported yet by this version", where, key->name);
    default:
        if (key->field == offsetof(struct job, prompts))
            return check_prompt(text, where);
        if (*text == '\0')
            return status_set(CLAT_ERROR_USAGE, "%s: %s is empty", where, key->name);
        if (!text_is_utf8(text, strlen(text)) && !key->is_path)
            return status_set(CLAT_ERROR_USAGE, "%s: %s is not UTF-8 text", where, key->name);
        return CLAT_OK;
    }
}

/* ---- from the command line ------------------------------------------------------------------ */

/* "[1, 2]" */
static enum clat_status set_list(
    struct job_values *values, int key, const char *text, const char *where)
{
    enum clat_status status = CLAT_OK;
    struct yaml_node root = {0};
    TRY(yaml_parse(where, text, strlen(text), &root));
    for (size_t i = 0; i < root.count; i++) {
        const char *item = root.children[i].text ? root.children[i].text : "[...]";
        TRY(job_value_check(key, item, where));
        TRY(job_value_add(values, key, item, where));
    }
    if (root.count == 0)
        FAIL(CLAT_ERROR_USAGE, "%s: the list is empty", where);
out:
    yaml_free(&root);
    return status;
}

/* "ddim,eta=0.3": a name starts anew; options alone join those that are there. */
static enum clat_status set_scheduler(
    struct job_values *values, int key, const char *text, const char *where)
{
    enum clat_status status = CLAT_OK;
    size_t size = strcspn(text, ",=");
    char *name = strndup(text, size);
    if (!name)
        FAIL(CLAT_ERROR_MEMORY, "no host memory for %s", where);
    if (size && text[size] != '=') {
        settings_free(&values->scheduler_options);
        job_value_clear(&values->value[key]);
        TRY(job_value_add(values, key, name, where));
        text += size;
    }
    if (*text)
        TRY(settings_read(&values->scheduler_options, text + (size && *text == ','), where));
out:
    free(name);
    return status;
}

/* Boxes are kept as JSON, a file's name as it is. */
static enum clat_status set_layout(
    struct job_values *values, int key, const char *text, const char *where)
{
    enum clat_status status = CLAT_OK;
    struct layout layout;
    struct text json = {0};
    if (*text != '[')
        return job_value_add(values, key, text, where);
    TRY(layout_read(text, where, &layout));
    TRY(layout_text(&layout, &json));
    TRY(job_value_add(values, key, json.data, where));
out:
    text_free(&json);
    return status;
}

enum clat_status job_values_set(
    struct job_values *values, const char *name, const char *text, const char *where, bool append)
{
    enum clat_status status = CLAT_OK;
    int key = job_key_find(name);
    if (key < 0)
        return job_key_unknown(name, where);
    enum key_kind kind = job_keys[key].kind;
    bool is_list = job_keys[key].listed && *text == '[';
    if (!is_list)
        TRY(job_value_check(key, text, where));
    if (kind == KEY_SCHEDULER)
        return set_scheduler(values, key, text, where);
    if (!(append && (kind == KEY_TEXTS || kind == KEY_SWEEP)))
        job_value_clear(&values->value[key]);
    if (is_list)
        TRY(set_list(values, key, text, where));
    else if (kind == KEY_LAYOUT)
        TRY(set_layout(values, key, text, where));
    else
        TRY(job_value_add(values, key, text, where));
out:
    return status;
}

/* ---- back to text --------------------------------------------------------------------------- */

enum clat_status job_values_text(const struct job_values *values, int key, struct text *out)
{
    enum clat_status status = CLAT_OK;
    const struct job_value *value = &values->value[key];
    bool list = job_keys[key].listed && value->count > 1;
    if (list)
        TRY(text_add(out, "[", 1));
    for (size_t i = 0; i < value->count; i++)
        TRY(text_print(out, "%s%s", i ? "," : "", value->items[i]));
    if (list)
        TRY(text_add(out, "]", 1));
    if (job_keys[key].kind == KEY_SCHEDULER)
        for (size_t i = 0; i < values->scheduler_options.count; i++) {
            const struct setting *option = &values->scheduler_options.items[i];
            TRY(text_print(
                out, "%s%s=%s", i || value->count ? "," : "", option->key, option->value));
        }
out:
    return status;
}
