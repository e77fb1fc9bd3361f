/* config.c - what configuration files and variables say. SPDX-License-Identifier: MIT */
#include "program/json.h"
#include "program/arguments.h"
#include "program/program.h"

#include <stdio.h>
#include <string.h>

static const char *user_file(const struct clat_config *config)
{
    return config->file_count ? config->files[config->file_count - 1].path : "";
}

static void print_json(const struct clat_config *config)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_string(&json, "schema", "clatent/config/1");
    json_begin(&json, "files", '[');
    for (size_t i = 0; i < config->file_count; i++) {
        json_begin(&json, NULL, '{');
        json_string(&json, "path", config->files[i].path);
        json_bool(&json, "found", config->files[i].found);
        json_end(&json);
    }
    json_end(&json);
    json_begin(&json, "keys", '[');
    for (size_t i = 0; i < config->key_count; i++) {
        const struct clat_config_key *key = &config->keys[i];
        json_begin(&json, NULL, '{');
        json_string(&json, "key", key->key);
        json_string(&json, "value", key->value);
        json_string(&json, "origin", key->origin);
        json_string(&json, "default", key->standard);
        json_string(&json, "variable", key->variable);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
}

/* "key: value", the value in its column; with its origin behind it. */
static void print_keys(const struct clat_config *config, bool origins)
{
    for (size_t i = 0; i < config->key_count; i++) {
        const struct clat_config_key *key = &config->keys[i];
        const char *value = shown(key->value ? key->value : key->standard);
        const char *origin = shown(key->origin ? key->origin : "default");
        int gap = (int)(26 - strlen(key->key));
        if (origins)
            printf("%s:%*s%-24s  %s\n", key->key, gap > 0 ? gap : 1, "", value, origin);
        else
            printf("%s:%*s%s\n", key->key, gap > 0 ? gap : 1, "", value);
        clat_free(value);
        clat_free(origin);
    }
}

static void print_files(const struct clat_config *config)
{
    printf("\nfiles, each over those before; then variables such as CLATENT_DEVICE, job files, "
           "options:\n");
    for (size_t i = 0; i < config->file_count; i++) {
        printf("  ");
        print_shown(config->files[i].path);
        printf("%s\n", config->files[i].found ? "" : "  (not there)");
    }
}

enum clat_status config_run(int count, char **arguments)
{
    bool json = false, origins = false, path = false;
    const struct flag flags[] = {
        {"json", &json}, {"show-origin", &origins}, {"path", &path}, {NULL, NULL}};
    struct clat_options options = {0};
    struct clat_context *context = NULL;
    const struct clat_config *config = NULL;
    enum clat_status status = arguments_read(count, arguments, flags, NULL, NULL);
    if (status == CLAT_OK && json + origins + path > 1)
        status = complain(CLAT_ERROR_USAGE, "--show-origin, --path and --json exclude each other");
    if (status == CLAT_OK)
        status =
            path ? context_open(&options, &context) : context_open_configured(&options, &context);
    if (status == CLAT_OK && path)
        clat_configure(context); /* a file that is wrong still has a name */
    if (status == CLAT_OK)
        status = report(clat_config(context, &config));
    if (status == CLAT_OK && path)
        printf("%s\n", user_file(config));
    else if (status == CLAT_OK && json)
        print_json(config);
    else if (status == CLAT_OK)
        print_keys(config, origins);
    if (status == CLAT_OK && origins)
        print_files(config);
    clat_free(config);
    clat_close(context);
    return status;
}
