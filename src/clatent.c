/* clatent.c - the public face: contexts, jobs, words. SPDX-License-Identifier: MIT
 *
 * The verbs have files of their own: clatent_generate.c, clatent_inspect.c, clatent_list.c
 * (devices, schedulers), clatent_info.c, clatent_bench.c. */
#include "config.h"

#include "clatent.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/memory.h"
#include "clatent_internal.h"
#include "formats/escape.h"
#include "job/hub.h"
#include "plugins/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *clat_version(void)
{
    return PACKAGE_VERSION;
}

const char *clat_error(void)
{
    return status_text();
}

/* ---- context -------------------------------------------------------------------------------- */

/* Copies what the caller knows of the struct; an older caller's is shorter. */
static enum clat_status copy_options(
    const struct clat_options *options, struct clat_context *context)
{
    enum clat_status status = CLAT_OK;
    size_t known =
        offsetof(struct clat_options, scheduler_folder) + sizeof options->scheduler_folder;
    if (!options)
        return CLAT_OK;
    if (options->struct_size < known)
        return status_set(CLAT_ERROR_USAGE,
            "clat_options.struct_size is %zu; set it to sizeof(struct clat_options)",
            options->struct_size);
    size_t size = options->struct_size;
    memcpy(&context->options, options, size < sizeof *options ? size : sizeof *options);
    if (options->data_folder)
        TRY(memory_string(options->data_folder, &context->data_folder));
    if (options->scheduler_folder)
        TRY(memory_string(options->scheduler_folder, &context->scheduler_folder));
out:
    return status;
}

enum clat_status clat_open(const struct clat_options *options, struct clat_context **context)
{
    enum clat_status status = CLAT_OK;
    *context = NULL;
    TRY(memory_new(1, sizeof **context, context));
    TRY(copy_options(options, *context));
    if ((*context)->scheduler_folder)
        TRY(plugins_add_directory((*context)->scheduler_folder));
    if (!(*context)->data_folder)
        TRY(memory_string(CLATENT_DATA, &(*context)->data_folder));
out:
    if (status != CLAT_OK) {
        clat_close(*context);
        *context = NULL;
    }
    return status;
}

void clat_close(struct clat_context *context)
{
    if (!context)
        return;
    free(context->data_folder);
    free(context->scheduler_folder);
    preferences_free(&context->preferences);
    free(context);
}

void clat_free(const void *result)
{
    arena_free(result);
}

void clat_abandon_files(void)
{
    file_out_abandon_all();
}

void context_log(struct clat_context *context, const char *format, ...)
{
    char message[1024];
    va_list arguments;
    if (!context->options.log)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    context->options.log(context->options.user, message);
}

bool context_is_cancelled(void *user)
{
    const struct clat_context *context = user;
    const struct clat_options *options = &context->options;
    return options->cancelled && options->cancelled(options->user);
}

enum clat_status context_resolve(struct clat_context *context, const struct job_values *given,
    struct job_values *values, char **folder)
{
    enum clat_status status = CLAT_OK;
    const struct job_value *model = &given->value[job_key_find("model")];
    char *recommendations = NULL;
    *folder = NULL;
    const char *name = model->count ? model->items[0] : NULL;
    TRY(job_values_copy(given, values));
    TRY(context_find_model(context, given, name, folder));
    if (name && !strchr(name, '/') && !hub_is_address(name) && strcmp(name, *folder) != 0)
        TRY(job_values_set(values, "model", *folder, model->where, false));
    TRY(file_join(*folder, "clatent.yaml", &recommendations));
    TRY(job_values_recommend(values, recommendations));
out:
    free(recommendations);
    return status;
}

/* ---- jobs
 * ------------------------------------------------------------------------------------------------
 */

enum clat_status clat_job_new(struct clat_context *context, struct clat_job **job)
{
    enum clat_status status;
    *job = NULL;
    TRY(memory_new(1, sizeof **job, job));
    (*job)->context = context;
    TRY(job_values_copy(&context->preferences.values, &(*job)->list.top));
out:
    if (status != CLAT_OK) {
        clat_job_free(*job);
        *job = NULL;
    }
    return status;
}

void clat_job_free(struct clat_job *job)
{
    if (!job)
        return;
    job_list_free(&job->list);
    text_free(&job->got);
    free(job);
}

enum clat_status clat_job_read(struct clat_job *job, const char *path)
{
    return job_list_read(&job->list, path);
}

enum clat_status clat_job_set(
    struct clat_job *job, const char *key, const char *value, const char *where)
{
    return job_list_set(&job->list, key, value, where, false);
}

enum clat_status clat_job_add(
    struct clat_job *job, const char *key, const char *value, const char *where)
{
    return job_list_set(&job->list, key, value, where, true);
}

enum clat_status clat_job_default(
    struct clat_job *job, const char *key, const char *value, const char *where)
{
    return job_list_fill(&job->list, key, value, where);
}

const char *clat_job_get(struct clat_job *job, const char *name)
{
    int key = job_key_find(name);
    text_free(&job->got);
    if (key < 0 || !job->list.top.value[key].where)
        return NULL;
    return job_values_text(&job->list.top, key, &job->got) == CLAT_OK ? job->got.data : NULL;
}

enum clat_status clat_keys(const struct clat_keys **keys)
{
    enum clat_status status = CLAT_OK;
    struct arena *arena = NULL;
    struct clat_keys *made = NULL;
    struct clat_key *list;
    TRY(arena_new(sizeof *made, &arena, &made));
    TRY(arena_take(arena, job_key_count, sizeof *list, &list));
    made->keys = list;
    for (size_t i = 0; i < job_key_count; i++) {
        const struct job_key *key = &job_keys[i];
        if (key->kind != KEY_LATER)
            list[made->count++] = (struct clat_key){key->name, key->alias, key->letter,
                key->argument, key->help, key->kind == KEY_TEXTS || key->kind == KEY_SWEEP};
    }
out:
    *keys = status == CLAT_OK ? made : NULL;
    return status;
}

/* ---- words
 * -----------------------------------------------------------------------------------------------
 */

const char *clat_nearest(const char *word, const char *const *names)
{
    return text_nearest(word, names);
}

/* The text as a result that clat_free() takes; frees it. NULL after a failure. */
static const char *to_result(enum clat_status status, struct text *text)
{
    struct arena *arena;
    char *result = NULL;
    if (status == CLAT_OK)
        status = arena_new(text->size + 1, &arena, &result);
    if (status == CLAT_OK)
        memcpy(result, text->data, text->size + 1);
    text_free(text);
    return status == CLAT_OK ? result : NULL;
}

const char *clat_json_string(const char *string)
{
    struct text text = {0};
    enum clat_status status = escape_json(&text, string);
    return to_result(status, &text);
}

const char *clat_printable(const char *string, int lines)
{
    struct text text = {0};
    enum clat_status status = escape_terminal(&text, string, lines != 0);
    return to_result(status, &text);
}
