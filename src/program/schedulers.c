/* schedulers.c - samplers and their options. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/json.h"
#include "program/program.h"

#include <stdio.h>

static void print_json_option(struct json *json, const struct clat_scheduler_option *option)
{
    json_begin(json, NULL, '{');
    json_string(json, "name", option->name);
    json_string(json, "type", option->type);
    json_string(json, "default", option->standard);
    json_string(json, "range", option->range);
    json_string(json, "help", option->help);
    json_end(json);
}

static void print_json(const struct clat_schedulers *list)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_string(&json, "schema", "clatent/schedulers/1");
    json_begin(&json, "schedulers", '[');
    for (size_t i = 0; i < list->count; i++) {
        const struct clat_scheduler *scheduler = &list->schedulers[i];
        json_begin(&json, NULL, '{');
        json_string(&json, "name", scheduler->name);
        json_string(&json, "class", scheduler->class_name);
        json_string(&json, "title", scheduler->title);
        json_string(&json, "source", scheduler->source);
        json_string(&json, "version", scheduler->version);
        json_string(&json, "path", scheduler->path);
        json_string(&json, "reason", scheduler->reason);
        json_begin(&json, "options", '[');
        for (size_t j = 0; j < scheduler->option_count; j++)
            print_json_option(&json, &scheduler->options[j]);
        json_end(&json);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
}

static void print_options(const struct clat_scheduler *scheduler)
{
    for (size_t i = 0; i < scheduler->option_count; i++) {
        const struct clat_scheduler_option *option = &scheduler->options[i];
        printf("  %s: %s, default %s", option->name, option->type, option->standard);
        if (option->range[0])
            printf(", %s", option->range);
        printf("\n      ");
        print_shown(option->help);
        printf("\n");
    }
}

static void print_scheduler(const struct clat_scheduler *scheduler, bool with_options)
{
    if (!scheduler->name) {
        print_shown(scheduler->path);
        printf(": not used: ");
        print_shown(scheduler->reason);
        printf("\n");
        return;
    }
    printf("%-16s ", scheduler->name);
    print_shown(scheduler->title);
    printf("\n");
    if (!with_options)
        return;
    printf("  from ");
    print_shown(scheduler->source ? scheduler->source : "?");
    printf("\n  file ");
    print_shown(scheduler->path);
    printf("\n");
    print_options(scheduler);
}

enum clat_status schedulers_run(int count, char **arguments)
{
    bool json = false;
    const char *name = NULL;
    struct flag flags[] = {{"json", &json}, {NULL, NULL}};
    struct clat_options options = {0};
    struct clat_context *context = NULL;
    const struct clat_schedulers *list = NULL;
    enum clat_status status = arguments_read(count, arguments, flags, "name", &name);
    if (status == CLAT_OK)
        status = context_open(&options, &context);
    if (status == CLAT_OK)
        status = report(clat_schedulers(context, name, &list));
    if (status == CLAT_OK && json)
        print_json(list);
    else if (status == CLAT_OK)
        for (size_t i = 0; i < list->count; i++)
            print_scheduler(&list->schedulers[i], name != NULL);
    clat_free(list);
    clat_close(context);
    return status;
}
