/* schedulers.c - samplers and their options. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/json.h"
#include "program/program.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 100 /* columns of the table */

static void print_json_option(struct json *json, const struct clat_scheduler_option *option)
{
    json_begin(json, NULL, '{');
    json_string(json, "name", option->name);
    json_string(json, "type", option->type);
    json_string(json, "default", option->standard);
    json_string(json, "range", option->range);
    if (option->lowest < option->highest) {
        json_real(json, "lowest", option->lowest);
        json_real(json, "highest", option->highest);
    }
    if (option->choice_count) {
        json_begin(json, "choices", '[');
        for (size_t i = 0; i < option->choice_count; i++)
            json_string(json, NULL, option->choices[i]);
        json_end(json);
    }
    json_string(json, "help", option->help);
    json_end(json);
}

static void print_json_scheduler(struct json *json, const struct clat_scheduler *scheduler)
{
    json_begin(json, NULL, '{');
    json_string(json, "name", scheduler->name);
    json_string(json, "class", scheduler->class_name);
    json_string(json, "title", scheduler->title);
    json_string(json, "source", scheduler->source);
    json_string(json, "version", scheduler->version);
    json_string(json, "path", scheduler->path);
    json_string(json, "reason", scheduler->reason);
    if (scheduler->name) {
        json_uint(json, "order", (uint64_t)scheduler->order);
        json_real(json, "evaluations_per_step", scheduler->evaluations);
        json_bool(json, "stochastic", scheduler->stochastic);
        json_string(json, "space", scheduler->space);
        json_string(json, "network", scheduler->network);
    }
    json_begin(json, "aliases", '[');
    for (size_t i = 0; i < scheduler->alias_count; i++) {
        json_begin(json, NULL, '{');
        json_string(json, "name", scheduler->aliases[i].name);
        json_string(json, "options", scheduler->aliases[i].options);
        json_end(json);
    }
    json_end(json);
    json_begin(json, "options", '[');
    for (size_t i = 0; i < scheduler->option_count; i++)
        print_json_option(json, &scheduler->options[i]);
    json_end(json);
    json_end(json);
}

static void print_json(const struct clat_schedulers *list)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_string(&json, "schema", "clatent/schedulers/1");
    json_string(&json, "presets", list->presets);
    json_begin(&json, "schedulers", '[');
    for (size_t i = 0; i < list->count; i++)
        print_json_scheduler(&json, &list->schedulers[i]);
    json_end(&json);
    json_end(&json);
}

/* ---- for people -----------------------------------------------------------------------------
 */

static void print_refused(const struct clat_scheduler *scheduler)
{
    print_shown(scheduler->path);
    printf(": not used: ");
    print_shown(scheduler->reason);
    printf("\n");
}

/* k_euler is another spelling of euler, and dpmpp_sde_gpu of dpmpp_sde, for all names. */
static bool is_spelling(const char *alias)
{
    size_t size = strlen(alias);
    return strncmp(alias, "k_", 2) == 0 || (size > 4 && strcmp(alias + size - 4, "_gpu") == 0);
}

/* "also: DPM++ 2M, DPM++ 3M", broken before WIDTH. */
static void print_also(const struct clat_scheduler *scheduler)
{
    int column = 0;
    for (size_t i = 0; i < scheduler->alias_count; i++) {
        const char *alias = scheduler->aliases[i].name;
        int size = (int)strlen(alias) + 2;
        if (is_spelling(alias))
            continue;
        printf("%s", !column ? "    also: " : column + size > WIDTH ? ",\n          " : ", ");
        column = !column || column + size > WIDTH ? 8 + size : column + size;
        print_shown(alias);
    }
    printf("%s", column ? "\n" : "");
}

static void print_row(const struct clat_scheduler *scheduler)
{
    printf("%-23s %5d %11.3g  %-5s  ", scheduler->name, scheduler->order, scheduler->evaluations,
        scheduler->stochastic ? "yes" : "no");
    print_shown(scheduler->title);
    printf(
        "%s\n", strcmp(scheduler->network, "diffusion") ? ", not for networks of diffusion" : "");
    print_also(scheduler);
}

static void print_table(const struct clat_schedulers *list)
{
    if (list->count)
        printf("%-23s order evaluations  noise  what\n", "name");
    for (size_t i = 0; i < list->count; i++)
        if (list->schedulers[i].name)
            print_row(&list->schedulers[i]);
        else
            print_refused(&list->schedulers[i]);
    if (list->count)
        printf(
            "\nevaluations: of the network in each step; noise: draws fresh noise in each step\n"
            "Capitals, blanks, '-', '_' and '.' in names do not matter. A name may end in a "
            "schedule, Karras,\nExponential, Beta, lu, SGM Uniform, Simple or Trailing, where the "
            "scheduler has such an option.\nclatent schedulers NAME tells all options.\n");
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

static void print_line(const char *title, const char *text)
{
    printf("  %-8s ", title);
    print_shown(text ? text : "?");
    printf("\n");
}

static void print_aliases(const struct clat_scheduler *scheduler)
{
    for (size_t i = 0; i < scheduler->alias_count; i++) {
        const struct clat_scheduler_alias *alias = &scheduler->aliases[i];
        printf("  %-8s ", i ? "" : "names");
        print_shown(alias->name);
        printf("%s", alias->options[0] ? ": " : "");
        print_shown(alias->options);
        printf("\n");
    }
}

static void print_scheduler(
    const struct clat_scheduler *scheduler, const char *name, const char *presets)
{
    printf("%s: ", scheduler->name);
    print_shown(scheduler->title);
    printf("\n");
    if (scheduler->class_name)
        print_line("class", scheduler->class_name);
    print_line("source", scheduler->source);
    print_line("file", scheduler->path);
    printf(
        "  kind     order %d; evaluations of the network in each step: %.3g; fresh noise: %s; %s\n",
        scheduler->order, scheduler->evaluations, scheduler->stochastic ? "yes" : "no",
        scheduler->space);
    printf("  %-8s networks of %s\n", "for", scheduler->network);
    print_aliases(scheduler);
    if (presets[0]) {
        print_shown(name);
        printf(" stands for %s,", scheduler->name);
        print_shown(presets);
        printf("\n");
    }
    printf("options\n");
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
    else if (status == CLAT_OK && name)
        print_scheduler(&list->schedulers[0], name, list->presets);
    else if (status == CLAT_OK)
        print_table(list);
    clat_free(list);
    clat_close(context);
    return status;
}
