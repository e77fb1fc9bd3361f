/* descriptor.c - is a plugin's descriptor what the contract says? SPDX-License-Identifier: MIT
 *
 * The host writes options where the table says and shows the texts on a terminal; a table that lies
 * would make it write elsewhere. So every row is checked once, when the plugin is opened. */
#include "plugins/descriptor.h"
#include "base/text.h"
#include "plugins/names.h"

#include <ctype.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789_"

static bool is_printable(const char *text)
{
    if (!text || !*text || !text_is_utf8(text, strlen(text)))
        return false;
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return false;
    return true;
}

/* ---- the option table ----------------------------------------------------------------------- */

static size_t field_size(enum clat_option_type type)
{
    switch (type) {
    case CLAT_BOOL:
    case CLAT_INT:
    case CLAT_CHOICE:
        return sizeof(int);
    case CLAT_REAL:
        return sizeof(double);
    case CLAT_REALS:
        return sizeof(struct clat_reals);
    }
    return 0;
}

static size_t field_alignment(enum clat_option_type type)
{
    return type == CLAT_REAL    ? alignof(double)
           : type == CLAT_REALS ? alignof(struct clat_reals)
                                : alignof(int);
}

static enum clat_status check_texts(const char *path, const struct clat_option *option, size_t row)
{
    if (!is_printable(option->name) || option->name[strspn(option->name, NAME_LETTERS)])
        return status_set(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': option %zu must have a name of small letters, digits and '_'", path, row);
    if (!is_printable(option->help) || !is_printable(option->initial))
        return status_set(CLAT_ERROR_NO_DEVICE, "plugin '%s': option '%s' lacks default or help",
            path, option->name);
    if (option->type == CLAT_CHOICE && (!option->choices || !option->choices[0]))
        return status_set(
            CLAT_ERROR_NO_DEVICE, "plugin '%s': option '%s' has no choices", path, option->name);
    for (size_t i = 0; option->type == CLAT_CHOICE && option->choices[i]; i++)
        if (!is_printable(option->choices[i]))
            return status_set(CLAT_ERROR_NO_DEVICE,
                "plugin '%s': option '%s': choice %zu is not a word", path, option->name, i + 1);
    return CLAT_OK;
}

static enum clat_status check_place(
    const char *path, const struct clat_plugin *plugin, const struct clat_option *option)
{
    size_t size = field_size(option->type);
    if (!size)
        return status_set(CLAT_ERROR_NO_DEVICE, "plugin '%s': option '%s' has the unknown type %d",
            path, option->name, (int)option->type);
    if (size > plugin->options_size || option->offset > plugin->options_size - size)
        return status_set(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': option '%s' lies outside of the options (offset %zu, size %zu of %zu)",
            path, option->name, option->offset, size, plugin->options_size);
    if (option->offset % field_alignment(option->type))
        return status_set(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': option '%s' is not aligned (offset %zu)", path, option->name,
            option->offset);
    return CLAT_OK;
}

/* Neither name nor place of an earlier row. */
static enum clat_status check_alone(
    const char *path, const struct clat_option *options, const struct clat_option *option)
{
    size_t end = option->offset + field_size(option->type);
    for (const struct clat_option *other = options; other < option; other++) {
        size_t other_end = other->offset + field_size(other->type);
        if (strcmp(other->name, option->name) == 0)
            return status_set(
                CLAT_ERROR_NO_DEVICE, "plugin '%s': option '%s' stands twice", path, option->name);
        if (option->offset < other_end && other->offset < end)
            return status_set(CLAT_ERROR_NO_DEVICE,
                "plugin '%s': options '%s' and '%s' lie in the same place", path, other->name,
                option->name);
    }
    return CLAT_OK;
}

static enum clat_status check_options(const char *path, const struct clat_plugin *plugin)
{
    enum clat_status status = CLAT_OK;
    if (!plugin->options)
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': no option table", path);
    for (size_t i = 0; plugin->options[i].name; i++) {
        if (i >= PLUGIN_OPTIONS_LIMIT)
            FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': more than %d options", path,
                PLUGIN_OPTIONS_LIMIT);
        TRY(check_texts(path, &plugin->options[i], i + 1));
        TRY(check_place(path, plugin, &plugin->options[i]));
        TRY(check_alone(path, plugin->options, &plugin->options[i]));
    }
out:
    return status;
}

/* ---- further names, and words of other classes ----------------------------------------------- */

static bool has_option(const struct clat_plugin *plugin, const char *name)
{
    const struct clat_option *option = plugin->options;
    while (option->name && strcmp(option->name, name) != 0)
        option++;
    return option->name != NULL;
}

static enum clat_status check_alias(
    const char *path, const struct clat_plugin *plugin, const struct clat_alias *alias)
{
    enum clat_status status;
    struct settings presets = {0};
    char folded[NAME_SIZE];
    if (!is_printable(alias->name) || !name_fold(alias->name, folded))
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': alias %zu is not a name", path,
            (size_t)(alias - plugin->aliases) + 1);
    if (alias->options && !is_printable(alias->options))
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': alias '%s': its options are not one line of text",
            path, alias->name);
    if (alias->options && settings_read(&presets, alias->options, alias->name) != CLAT_OK)
        FAIL(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': alias '%s': its options must be 'option=value,...'", path, alias->name);
    for (size_t i = 0; i < presets.count; i++)
        if (!has_option(plugin, presets.items[i].key))
            FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': alias '%s': there is no option '%s'", path,
                alias->name, presets.items[i].key);
    status = CLAT_OK;
out:
    settings_free(&presets);
    return status;
}

static enum clat_status check_aliases(const char *path, const struct clat_plugin *plugin)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; plugin->aliases && plugin->aliases[i].name; i++) {
        if (i >= PLUGIN_ALIASES_LIMIT)
            FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': more than %d aliases", path,
                PLUGIN_ALIASES_LIMIT);
        TRY(check_alias(path, plugin, &plugin->aliases[i]));
    }
out:
    return status;
}

static enum clat_status check_foreign(const char *path, const struct clat_plugin *plugin)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; plugin->foreign && plugin->foreign[i].option; i++) {
        const struct clat_foreign *row = &plugin->foreign[i];
        if (i >= PLUGIN_FOREIGN_LIMIT)
            FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': more than %d foreign values", path,
                PLUGIN_FOREIGN_LIMIT);
        if (!is_printable(row->option) || !has_option(plugin, row->option) ||
            !is_printable(row->theirs) || !is_printable(row->ours))
            FAIL(CLAT_ERROR_NO_DEVICE,
                "plugin '%s': foreign value %zu is not an option with two values", path, i + 1);
    }
out:
    return status;
}

/* ---- the descriptor ------------------------------------------------------------------------- */

/* magic, abi and size are where every version has them: only they are looked at before they are
 * right. */
static enum clat_status check_head(const char *path, const struct clat_plugin *plugin)
{
    if (plugin->magic != CLAT_SCHEDULER_MAGIC)
        return status_set(CLAT_ERROR_NO_DEVICE, "plugin '%s': magic is %08x, expected %08x", path,
            plugin->magic, CLAT_SCHEDULER_MAGIC);
    if (plugin->abi != CLAT_SCHEDULER_ABI)
        return status_set(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': made for plugin interface %u, this program has %u", path, plugin->abi,
            CLAT_SCHEDULER_ABI);
    if (plugin->size < sizeof *plugin)
        return status_set(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': its descriptor has %zu bytes, expected %zu or more", path, plugin->size,
            sizeof *plugin);
    return CLAT_OK;
}

/* "DIR/NAME.so": is it the scheduler's own name? */
static bool is_stem(const char *path, const char *name)
{
    const char *file = strrchr(path, '/') + 1;
    size_t size = strlen(name);
    return strncmp(file, name, size) == 0 && strcmp(file + size, ".so") == 0;
}

static enum clat_status check_names(const char *path, const struct clat_plugin *plugin)
{
    if (!is_printable(plugin->name) || strlen(plugin->name) > PLUGIN_NAME_LIMIT ||
        !is_stem(path, plugin->name))
        return status_set(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': its name must be that of the file, found '%s'", path,
            is_printable(plugin->name) ? plugin->name : "?");
    if (!is_printable(plugin->title) || !is_printable(plugin->source) ||
        !is_printable(plugin->version) || (plugin->class_name && !is_printable(plugin->class_name)))
        return status_set(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': title, source or version is missing or not one line of text", path);
    return CLAT_OK;
}

enum clat_status descriptor_check(const char *path, const struct clat_plugin *plugin)
{
    enum clat_status status;
    TRY(check_head(path, plugin));
    TRY(check_names(path, plugin));
    if (plugin->space != CLAT_VARIANCE_PRESERVING && plugin->space != CLAT_SIGMA)
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': unknown space %d", path, (int)plugin->space);
    if ((int)plugin->network < CLAT_DIFFUSION_NETWORK || (int)plugin->network > CLAT_FLOW_NETWORK)
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': unknown network %d", path, (int)plugin->network);
    if (!plugin->plan || !plugin->run)
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': plan or run is missing", path);
    TRY(check_options(path, plugin));
    TRY(check_aliases(path, plugin));
    TRY(check_foreign(path, plugin));
out:
    return status;
}
