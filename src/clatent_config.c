/* clatent_config.c - a context's configuration, and where its models lie. SPDX-License-Identifier:
 * MIT */
#include "base/arena.h"
#include "base/file.h"
#include "base/home.h"
#include "base/memory.h"
#include "clatent_internal.h"
#include "job/hub.h"

#include <stdlib.h>
#include <string.h>

/* A misspelt variable would do nothing, silently. */
static void warn_of_strangers(struct clat_context *context)
{
    size_t place = 0;
    char nearest[80];
    for (const char *entry; (entry = preferences_stranger(&place, nearest));)
        context_log(context, "warning: %.*s in the environment is unknown, did you mean %s?",
            (int)strcspn(entry, "="), entry, nearest);
}

enum clat_status clat_configure(struct clat_context *context)
{
    preferences_free(&context->preferences);
    enum clat_status status = preferences_read(&context->preferences);
    if (status == CLAT_OK)
        warn_of_strangers(context);
    else
        job_values_free(&context->preferences.values);
    return status;
}

/* ---- what it says --------------------------------------------------------------------------- */

static enum clat_status add_keys(
    const struct job_values *values, struct arena *arena, struct clat_config *config)
{
    enum clat_status status = CLAT_OK;
    struct clat_config_key *keys;
    struct text text = {0};
    TRY(arena_take(arena, job_key_count, sizeof *keys, &keys));
    config->keys = keys;
    for (size_t i = 0; i < job_key_count; i++) {
        const struct job_value *value = &values->value[i];
        struct clat_config_key *key = &keys[config->key_count];
        if (!job_keys[i].configured)
            continue;
        *key = (struct clat_config_key){job_keys[i].name, NULL, NULL, job_keys[i].standard, NULL};
        config->key_count++;
        text_free(&text);
        TRY(preferences_variable(&job_keys[i], &text));
        TRY(arena_string(arena, text.data, &key->variable));
        if (!value->where)
            continue;
        text_free(&text);
        TRY(text_add(&text, "", 0));
        TRY(job_values_text(values, (int)i, &text));
        TRY(arena_string(arena, text.data, &key->value));
        TRY(arena_string(arena, value->where, &key->origin));
    }
out:
    text_free(&text);
    return status;
}

static enum clat_status add_files(
    const struct preferences *preferences, struct arena *arena, struct clat_config *config)
{
    enum clat_status status;
    struct clat_config_file *files;
    TRY(arena_take(arena, preferences->count, sizeof *files, &files));
    config->files = files;
    for (size_t i = 0; i < preferences->count; i++) {
        TRY(arena_string(arena, preferences->files[i].path, &files[i].path));
        files[i].found = preferences->files[i].found;
        config->file_count++;
    }
out:
    return status;
}

enum clat_status clat_config(struct clat_context *context, const struct clat_config **result)
{
    enum clat_status status;
    struct arena *arena;
    struct clat_config *config = NULL;
    *result = NULL;
    TRY(arena_new(sizeof *config, &arena, &config));
    TRY(add_keys(&context->preferences.values, arena, config));
    TRY(add_files(&context->preferences, arena, config));
    *result = config;
    config = NULL;
out:
    arena_free(config);
    return status;
}

/* ---- models --------------------------------------------------------------------------------- */

/* FOLDER/NAME if that is there. */
static enum clat_status try_folder(const char *folder, const char *name, char **found)
{
    enum clat_status status = file_join(folder, name, found);
    if (status == CLAT_OK && !file_exists(*found)) {
        free(*found);
        *found = NULL;
    }
    return status;
}

/* Folders that are always searched, after those of model_path. */
static enum clat_status try_own_folders(
    const struct clat_context *context, const char *name, char **found)
{
    enum clat_status status;
    struct text user = {0};
    char *own = NULL;
    TRY(home_path("XDG_DATA_HOME", ".local/share", "clatent/models", &user));
    if (user.data)
        TRY(try_folder(user.data, name, found));
    TRY(file_join(context->data_folder, "models", &own));
    if (!*found)
        TRY(try_folder(own, name, found));
out:
    free(own);
    text_free(&user);
    return status;
}

static enum clat_status search(const struct clat_context *context, const struct job_values *values,
    const char *name, char **found)
{
    enum clat_status status = CLAT_OK;
    const struct job_value *path = &values->value[job_key_find("model_path")];
    for (size_t i = 0; i < path->count && !*found; i++)
        TRY(try_folder(path->items[i], name, found));
    if (!*found)
        TRY(try_own_folders(context, name, found));
out:
    return status;
}

/* "a, b": where a name was looked for. */
static enum clat_status not_found(
    const struct clat_context *context, const struct job_values *values, const char *name)
{
    struct text text = {0};
    const struct job_value *path = &values->value[job_key_find("model_path")];
    enum clat_status status = text_add(&text, "", 0);
    for (size_t i = 0; i < path->count && status == CLAT_OK; i++)
        status = text_print(&text, "%s, ", path->items[i]);
    if (status == CLAT_OK)
        status = home_path("XDG_DATA_HOME", ".local/share", "clatent/models, ", &text);
    if (status == CLAT_OK)
        status = status_set(CLAT_ERROR_INPUT,
            "there is no model '%s': not in this folder, and not in %s%s/models (--model-path, or "
            "model_path in a configuration file, names more folders; where models come from: "
            "docs/models.md)",
            name, text.data, context->data_folder);
    text_free(&text);
    return status;
}

enum clat_status context_find_model(
    struct clat_context *context, const struct job_values *values, const char *model, char **folder)
{
    enum clat_status status;
    *folder = NULL;
    if (!model) {
        if (!context->told_of_demo)
            context_log(
                context, "no model named: taking the demo model (--model FOLDER names another)");
        context->told_of_demo = true;
        return file_join(context->data_folder, "models/demo", folder);
    }
    if (hub_is_address(model))
        return hub_find(model, folder);
    if (strchr(model, '/') || file_exists(model))
        return memory_string(model, folder);
    TRY(search(context, values, model, folder));
    if (!*folder)
        TRY(not_found(context, values, model));
    context_log(context, "model: %s", *folder);
out:
    return status;
}
