/* info.c - how an image was made. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/json.h"
#include "program/program.h"

#include <stdio.h>
#include <string.h>

static void print_json(const char *path, const struct clat_image_info *info)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_string(&json, "schema", "clatent/info/1");
    json_string(&json, "path", path);
    json_uint(&json, "width", (uint64_t)info->width);
    json_uint(&json, "height", (uint64_t)info->height);
    json_string(&json, "program", info->program);
    json_string(&json, "version", info->version);
    json_begin(&json, "job", '{');
    for (size_t i = 0; i < info->job_count; i++)
        json_string(&json, info->job[i].key, info->job[i].value);
    json_end(&json);
    json_begin(&json, "losses", '[');
    for (size_t i = 0; i < info->loss_count; i++)
        json_string(&json, NULL, info->losses[i]);
    json_end(&json);
    json_begin(&json, "texts", '[');
    for (size_t i = 0; i < info->text_count; i++) {
        json_begin(&json, NULL, '{');
        json_string(&json, "keyword", info->texts[i].key);
        json_string(&json, "text", info->texts[i].value);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
}

static void print_pairs(const struct clat_setting *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        print_shown(pairs[i].key);
        printf(": ");
        const char *text = clat_printable(pairs[i].value, 1);
        printf("%s\n", text ? text : "");
        clat_free(text);
    }
}

static void print_text(const struct clat_image_info *info)
{
    printf("%d x %d pixels\n", info->width, info->height);
    if (info->version) {
        printf("made by clatent ");
        print_shown(info->version);
        printf("\n");
        print_pairs(info->job, info->job_count);
    } else if (info->program) {
        printf("made by %s; as a job of clatent:\n", info->program);
        print_pairs(info->job, info->job_count);
    } else if (info->text_count) {
        print_pairs(info->texts, info->text_count);
    } else {
        printf("says nothing about how it was made\n");
    }
    for (size_t i = 0; i < info->loss_count; i++) {
        printf(i ? "  " : "not in that job:\n  ");
        print_shown(info->losses[i]);
        putchar('\n');
    }
}

/* One word for a POSIX shell: in single quotes unless every character is harmless. */
static void print_word(const char *word)
{
    static const char safe[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%";
    if (*word && strspn(word, safe) == strlen(word)) {
        printf("%s", word);
        return;
    }
    putchar('\'');
    for (; *word; word++)
        if (*word == '\'')
            printf("'\\''");
        else
            putchar(*word);
    putchar('\'');
}

static bool is_recorded(const struct clat_image_info *info, const char *key)
{
    for (size_t i = 0; i < info->job_count; i++)
        if (strcmp(info->job[i].key, key) == 0)
            return true;
    return false;
}

/* Does the user's configuration say something that the image does not? The command must make it
 * again all the same. A configuration that is wrong stops it anyway. */
static bool is_configured(struct clat_context *context, const struct clat_image_info *info)
{
    const struct clat_config *config = NULL;
    bool configured = false;
    if (context_configure(context) == CLAT_OK)
        report(clat_config(context, &config));
    for (size_t i = 0; config && i < config->key_count; i++)
        configured |= config->keys[i].value && !is_recorded(info, config->keys[i].key);
    clat_free(config);
    return configured;
}

/* The command on standard output, and what it does not say on standard error. */
static enum clat_status print_arguments(
    struct clat_context *context, const char *path, const struct clat_image_info *info)
{
    for (size_t i = 0; i < info->loss_count; i++) {
        const char *loss = shown(info->losses[i]);
        complain(CLAT_OK, "not in the command: %s", loss);
        clat_free(loss);
    }
    if (!info->program)
        return complain(CLAT_ERROR_INPUT,
            "'%s' was made without metadata, or by a program that is not known", path);
    printf(is_configured(context, info) ? "clatent --no-config" : "clatent");
    for (size_t i = 0; i < info->argument_count; i++) {
        putchar(' ');
        print_word(info->arguments[i]);
    }
    putchar('\n');
    return CLAT_OK;
}

enum clat_status info_run(int count, char **arguments)
{
    bool json = false, as_args = false;
    const char *path = NULL;
    struct flag flags[] = {{"json", &json}, {"as-args", &as_args}, {NULL, NULL}};
    struct clat_options options = {0};
    struct clat_context *context = NULL;
    const struct clat_image_info *info = NULL;
    enum clat_status status = arguments_read(count, arguments, flags, "image", &path);
    if (status == CLAT_OK && !path)
        status = complain(CLAT_ERROR_USAGE, "info needs an image: clatent info IMAGE.png");
    if (status == CLAT_OK && json && as_args)
        status = complain(CLAT_ERROR_USAGE, "--json and --as-args exclude each other");
    if (status == CLAT_OK)
        status = context_open(&options, &context);
    if (status == CLAT_OK)
        status = report(clat_image_info(context, path, &info));
    if (status == CLAT_OK && as_args)
        status = print_arguments(context, path, info);
    else if (status == CLAT_OK && json)
        print_json(path, info);
    else if (status == CLAT_OK)
        print_text(info);
    clat_free(info);
    clat_close(context);
    return status;
}
