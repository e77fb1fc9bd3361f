/* options.c - settings as text into the struct a plugin describes. SPDX-License-Identifier: MIT */
#include "sampling/options.h"
#include "base/memory.h"
#include "base/text.h"
#include "sampling/option_value.h"
#include "sampling/sampler.h"

#include <stdlib.h>
#include <string.h>

static const struct clat_option *find_option(const struct clat_plugin *plugin, const char *name)
{
    for (const struct clat_option *option = plugin->options; option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

/* The value in one spelling: "true", "[1, 2.5]". */
static enum clat_status print_value(
    const struct clat_option *option, const char *text, const void *fields, struct text *out)
{
    enum clat_status status = text_add(out, "", 0);
    if (option->type == CLAT_BOOL)
        return text_print(
            out, "%s", *(const int *)((const char *)fields + option->offset) ? "true" : "false");
    if (option->type != CLAT_REALS)
        return text_print(out, "%s", text);
    for (; *text && status == CLAT_OK; text++)
        if (!strchr(" \t\r\n", *text))
            status = text_add(out, *text == ',' ? ", " : text, *text == ',' ? 2 : 1);
    return status;
}

static enum clat_status set_option(struct option_values *values, const struct clat_option *option,
    const char *text, const char *where, enum clat_status code)
{
    struct text value = {0};
    enum clat_status status = option_read(option, text, values->fields, code);
    if (status == code)
        return status_prefix(code, "%s", where);
    TRY(status);
    TRY(print_value(option, text, values->fields, &value));
    TRY(settings_set(&values->texts, option->name, value.data, where));
out:
    text_free(&value);
    return status;
}

static enum clat_status set_defaults(struct option_values *values)
{
    enum clat_status status = CLAT_OK;
    for (const struct clat_option *option = values->plugin->options; option->name; option++)
        TRY(set_option(values, option, option->initial, SCHEDULER_DEFAULT, CLAT_ERROR_NO_DEVICE));
out:
    return status;
}

/* ---- the model's ---------------------------------------------------------------------------- */

/* "_use_default_values" lists what was a default of the class that was saved, and does not travel
 * to another. */
static bool is_default_of_other(const struct settings *model, const char *key)
{
    const struct setting *list = settings_find(model, "_use_default_values");
    size_t size = strlen(key);
    const char *at = list ? list->value : "";
    while ((at = strstr(at, key)) && !(at > list->value && at[-1] == '"' && at[size] == '"'))
        at++;
    return at != NULL;
}

bool options_hear(const struct clat_plugin *plugin, const struct settings *model, const char *key)
{
    return find_option(plugin, key) && !is_default_of_other(model, key);
}

/* What a value of another class is called here; null stands for false, as in Python. */
static const char *translate(
    const struct clat_plugin *plugin, const struct clat_option *option, const char *text)
{
    const struct clat_foreign *foreign = plugin->foreign;
    for (; foreign && foreign->option; foreign++)
        if (strcmp(foreign->option, option->name) == 0 && strcmp(foreign->theirs, text) == 0)
            return foreign->ours;
    return option->type == CLAT_BOOL && strcmp(text, "null") == 0 ? "false" : text;
}

/* What the name or the user says instead is not looked at: it may be what does not fit. */
static enum clat_status set_model(struct option_values *values, const struct settings *model,
    const struct settings *presets, const struct settings *user)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < model->count; i++) {
        const struct setting *setting = &model->items[i];
        bool is_replaced = (presets && settings_find(presets, setting->key)) ||
                           (user && settings_find(user, setting->key));
        if (is_replaced || !options_hear(values->plugin, model, setting->key))
            continue;
        const struct clat_option *option = find_option(values->plugin, setting->key);
        const char *text = translate(values->plugin, option, setting->value);
        TRY(set_option(values, option, text, setting->where, CLAT_ERROR_INPUT));
    }
out:
    return status;
}

/* ---- the name's and the user's -------------------------------------------------------------- */

static enum clat_status unknown_key(
    const struct clat_plugin *plugin, const struct setting *setting, enum clat_status code)
{
    const char *names[257] = {NULL};
    for (size_t i = 0; plugin->options[i].name && i < 256; i++)
        names[i] = plugin->options[i].name;
    const char *nearest = text_nearest(setting->key, names);
    return status_set(code,
        nearest ? "%s: scheduler '%s' has no option '%.60s' (did you mean '%s'?)"
                : "%s: scheduler '%s' has no option '%.60s' (clatent schedulers %s lists them)",
        setting->where, plugin->name, setting->key, nearest ? nearest : plugin->name);
}

/* Pipelines of diffusers pass eta to whichever scheduler takes it; 0 says nothing to the others. */
static bool says_nothing(const struct setting *setting)
{
    double value;
    return strcmp(setting->key, "eta") == 0 && text_to_double(setting->value, &value) && value == 0;
}

static enum clat_status set_strictly(
    struct option_values *values, const struct settings *settings, enum clat_status code)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *setting = &settings->items[i];
        const struct clat_option *option = find_option(values->plugin, setting->key);
        if (!option && says_nothing(setting))
            continue;
        if (!option)
            return unknown_key(values->plugin, setting, code);
        TRY(set_option(values, option, setting->value, setting->where, code));
    }
out:
    return status;
}

/* ---- all of them ---------------------------------------------------------------------------- */

enum clat_status options_fill(struct option_values *values, const struct clat_plugin *plugin,
    const struct settings *model, const struct settings *presets, const struct settings *user)
{
    enum clat_status status;
    values->plugin = plugin;
    TRY(memory_new(plugin->options_size, 1, &values->fields));
    TRY(set_defaults(values));
    if (model)
        TRY(set_model(values, model, presets, user));
    if (presets)
        TRY(set_strictly(values, presets, CLAT_ERROR_NO_DEVICE));
    if (user)
        TRY(set_strictly(values, user, CLAT_ERROR_USAGE));
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
            option_clear(option, values->fields);
    free(values->fields);
    settings_free(&values->texts);
    memset(values, 0, sizeof *values);
}
