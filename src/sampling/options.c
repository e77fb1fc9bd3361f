/* options.c - settings as text into the struct a plugin describes. SPDX-License-Identifier: MIT */
#include "sampling/options.h"
#include "base/memory.h"
#include "base/text.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REALS_LIMIT 100000 /* values in a list */

/* ---- one value ------------------------------------------------------------------------------ */

static bool parse_bool(const char *text, int *field)
{
    *field = strcmp(text, "true") == 0 || strcmp(text, "True") == 0;
    return *field || strcmp(text, "false") == 0 || strcmp(text, "False") == 0;
}

/* Null is a value of those options only that it is the default of. */
static bool is_null(const struct clat_option *option, const char *text)
{
    return strcmp(text, "null") == 0 && strcmp(option->initial, "null") == 0;
}

static bool parse_int(const struct clat_option *option, const char *text, int *field)
{
    bool ranged = option->lowest < option->highest;
    long long value, lowest = ranged ? (long long)option->lowest : INT_MIN;
    *field = INT_MIN;
    if (is_null(option, text))
        return true;
    if (!text_to_int(text, lowest, ranged ? (long long)option->highest : INT_MAX, &value))
        return false;
    *field = (int)value;
    return true;
}

static bool parse_real(const struct clat_option *option, const char *text, double *field)
{
    *field = (double)NAN;
    if (is_null(option, text))
        return true;
    if (!text_to_double(text, field))
        return false;
    return !(option->lowest < option->highest) ||
           (*field >= option->lowest && *field <= option->highest);
}

static bool parse_choice(const struct clat_option *option, const char *text, int *field)
{
    for (int i = 0; option->choices[i]; i++)
        if (strcmp(option->choices[i], text) == 0) {
            *field = i;
            return true;
        }
    return false;
}

/* One element of "[1, 2.5]" from *at, which moves past it and its comma or bracket. */
static bool next_element(const char **at, char *element, size_t size, bool *last)
{
    const char *start = *at + strspn(*at, " \t\r\n");
    size_t length = strcspn(start, ",] \t\r\n");
    const char *end = start + length + strspn(start + length, " \t\r\n");
    if (length == 0 || length >= size || (*end != ',' && *end != ']'))
        return false;
    memcpy(element, start, length);
    element[length] = '\0';
    *last = *end == ']';
    *at = end + 1;
    return true;
}

/* "null", "[]" or "[1, 2.5]". The field owns its values (options_free). */
static enum clat_status parse_reals(
    const struct clat_option *option, const char *text, struct clat_reals *field, bool *valid)
{
    double *values = NULL;
    size_t count = 0, capacity = 0;
    enum clat_status status = CLAT_OK;
    bool last = strcmp(text, "null") == 0 || strcmp(text, "[]") == 0;
    *valid = last || text[0] == '[';
    const char *at = text + 1;
    while (*valid && !last) {
        char element[64];
        TRY(memory_grow(&values, &capacity, count, sizeof *values));
        *valid = count < REALS_LIMIT && next_element(&at, element, sizeof element, &last) &&
                 parse_real(option, element, &values[count++]) && (!last || *at == '\0');
    }
    if (*valid) {
        free((void *)field->values);
        *field = (struct clat_reals){values, count};
        values = NULL;
    }
out:
    free(values);
    return status;
}

static enum clat_status parse(
    const struct clat_option *option, const char *text, void *fields, bool *valid)
{
    void *field = (char *)fields + option->offset;
    switch (option->type) {
    case CLAT_BOOL:
        *valid = parse_bool(text, field);
        break;
    case CLAT_INT:
        *valid = parse_int(option, text, field);
        break;
    case CLAT_REAL:
        *valid = parse_real(option, text, field);
        break;
    case CLAT_CHOICE:
        *valid = parse_choice(option, text, field);
        break;
    case CLAT_REALS:
        return parse_reals(option, text, field, valid);
    }
    return CLAT_OK;
}

/* ---- messages ------------------------------------------------------------------------------- */

/* "a number from 0 to 1", "one of leading, trailing, linspace", ... */
static enum clat_status print_expected(const struct clat_option *option, struct text *text)
{
    static const char *const kinds[] = {[CLAT_BOOL] = "true or false",
        [CLAT_INT] = "a whole number",
        [CLAT_REAL] = "a number",
        [CLAT_CHOICE] = "one of",
        [CLAT_REALS] = "a list of numbers"};
    enum clat_status status;
    TRY(text_print(text, "%s", kinds[option->type]));
    if (option->type == CLAT_CHOICE)
        for (int i = 0; option->choices[i]; i++)
            TRY(text_print(text, "%s %s", i ? "," : "", option->choices[i]));
    else if (option->lowest < option->highest)
        TRY(text_print(text, " from %g to %g", option->lowest, option->highest));
out:
    return status;
}

static enum clat_status wrong_value(
    const struct clat_option *option, const struct setting *setting, enum clat_status code)
{
    struct text expected = {0};
    enum clat_status status = print_expected(option, &expected);
    if (status == CLAT_OK)
        status = status_set(code, "%s: %s is '%s', expected %s", setting->where, option->name,
            setting->value, expected.data);
    text_free(&expected);
    return status;
}

static enum clat_status unknown_key(const struct clat_plugin *plugin, const struct setting *setting)
{
    const char *names[257] = {NULL};
    for (size_t i = 0; plugin->options[i].name && i < 256; i++)
        names[i] = plugin->options[i].name;
    const char *nearest = text_nearest(setting->key, names);
    return status_set(CLAT_ERROR_USAGE,
        nearest ? "%s: scheduler '%s' has no option '%s' (did you mean '%s'?)"
                : "%s: scheduler '%s' has no option '%s' (clatent schedulers %s lists them)",
        setting->where, plugin->name, setting->key, nearest ? nearest : plugin->name);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const struct clat_option *find_option(const struct clat_plugin *plugin, const char *name)
{
    for (const struct clat_option *option = plugin->options; option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

static enum clat_status set_option(struct option_values *values, const struct clat_option *option,
    const struct setting *setting, enum clat_status code)
{
    bool valid = false;
    enum clat_status status;
    TRY(parse(option, setting->value, values->fields, &valid));
    if (!valid)
        return wrong_value(option, setting, code);
    TRY(settings_set(&values->texts, option->name, setting->value, setting->where));
out:
    return status;
}

static enum clat_status set_defaults(struct option_values *values)
{
    enum clat_status status = CLAT_OK;
    for (const struct clat_option *option = values->plugin->options; option->name; option++) {
        struct setting initial = {
            (char *)option->name, (char *)option->initial, (char *)"default of the plugin"};
        TRY(set_option(values, option, &initial, CLAT_ERROR_NO_DEVICE));
    }
out:
    return status;
}

enum clat_status options_fill(struct option_values *values, const struct clat_plugin *plugin,
    const struct settings *model, const struct settings *user)
{
    enum clat_status status;
    const struct clat_option *option;
    values->plugin = plugin;
    TRY(memory_new(plugin->options_size, 1, &values->fields));
    TRY(set_defaults(values));
    for (size_t i = 0; model && i < model->count; i++)
        if ((option = find_option(plugin, model->items[i].key)))
            TRY(set_option(values, option, &model->items[i], CLAT_ERROR_INPUT));
    for (size_t i = 0; user && i < user->count; i++) {
        if (!(option = find_option(plugin, user->items[i].key)))
            return unknown_key(plugin, &user->items[i]);
        TRY(set_option(values, option, &user->items[i], CLAT_ERROR_USAGE));
    }
out:
    return status;
}

enum clat_status options_effective(const struct option_values *values, struct settings *settings)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < values->texts.count; i++) {
        const struct setting *text = &values->texts.items[i];
        TRY(settings_set(settings, text->key, text->value, text->where));
    }
out:
    return status;
}

void options_free(struct option_values *values)
{
    if (values->fields)
        for (const struct clat_option *option = values->plugin->options; option->name; option++)
            if (option->type == CLAT_REALS) {
                struct clat_reals *reals = (void *)((char *)values->fields + option->offset);
                free((void *)reals->values);
            }
    free(values->fields);
    settings_free(&values->texts);
    memset(values, 0, sizeof *values);
}
