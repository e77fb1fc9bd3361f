/* inspect.c - what a model holds. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/json.h"
#include "program/program.h"

#include <inttypes.h>
#include <stdio.h>

#define MIB (1024.0 * 1024.0)

static void print_json_names(
    struct json *json, const char *key, const char *const *names, size_t count)
{
    json_begin(json, key, '[');
    for (size_t i = 0; i < count; i++)
        json_string(json, NULL, names[i]);
    json_end(json);
}

static void print_json_settings(
    struct json *json, const char *key, const struct clat_setting *settings, size_t count)
{
    json_begin(json, key, '{');
    for (size_t i = 0; i < count; i++)
        json_string(json, settings[i].key, settings[i].value);
    json_end(json);
}

static void print_json_component(struct json *json, const struct clat_component *component)
{
    json_begin(json, NULL, '{');
    json_string(json, "folder", component->folder);
    json_string(json, "class", component->class_name);
    json_string(json, "format", component->format);
    json_string(json, "path", component->path);
    json_string(json, "dtypes", component->dtypes);
    json_uint(json, "tensors", component->tensors);
    json_uint(json, "parameters", component->parameters);
    json_uint(json, "bytes", component->bytes);
    json_uint(json, "used", component->used);
    json_uint(json, "missing", component->missing);
    print_json_names(json, "unused", component->unused, component->unused_count);
    print_json_names(json, "faults", component->faults, component->fault_count);
    json_end(json);
}

static void print_json_leftover(struct json *json, const struct clat_leftover *leftover)
{
    json_begin(json, NULL, '{');
    json_string(json, "what", leftover->what);
    json_string(json, "why", leftover->why);
    json_uint(json, "tensors", leftover->tensors);
    json_uint(json, "bytes", leftover->bytes);
    json_end(json);
}

static void print_json_scheduler(struct json *json, const struct clat_model *model)
{
    json_string(json, "scheduler_name", model->scheduler_name);
    json_string(json, "scheduler_reason", model->scheduler_reason);
    json_begin(json, "scheduler_options", '{');
    for (size_t i = 0; i < model->option_count; i++)
        json_string(json, model->options[i].key, model->options[i].value);
    json_end(json);
    print_json_names(json, "scheduler_ignored", model->ignored, model->ignored_count);
}

static void print_json(const struct clat_model *model)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_string(&json, "schema", "clatent/inspect/1");
    json_string(&json, "folder", model->folder);
    json_string(&json, "family", model->family);
    json_string(&json, "task", model->task);
    json_string(&json, "source", model->source);
    json_uint(&json, "height", (uint64_t)model->height);
    json_uint(&json, "width", (uint64_t)model->width);
    json_begin(&json, "components", '[');
    for (size_t i = 0; i < model->component_count; i++)
        print_json_component(&json, &model->components[i]);
    json_end(&json);
    json_begin(&json, "leftovers", '[');
    for (size_t i = 0; i < model->leftover_count; i++)
        print_json_leftover(&json, &model->leftovers[i]);
    json_end(&json);
    print_json_settings(&json, "scheduler", model->scheduler, model->scheduler_count);
    print_json_scheduler(&json, model);
    print_json_settings(&json, "recommended", model->recommended, model->recommended_count);
    json_begin(&json, "memory", '{');
    json_uint(&json, "weight_bytes", model->weight_bytes);
    json_uint(&json, "activation_bytes", model->activation_bytes);
    json_uint(&json, "peak_bytes", model->peak_bytes);
    json_uint(&json, "weight_bytes_f16", model->weight_bytes_f16);
    json_uint(&json, "peak_bytes_f16", model->peak_bytes_f16);
    json_end(&json);
    json_end(&json);
}

static void print_component(const struct clat_component *component)
{
    printf("\n%s: ", component->folder);
    print_shown(component->class_name);
    printf("\n  file        ");
    print_shown(component->path);
    printf(" (%s)\n", component->format);
    printf("  tensors     %" PRIu64 ", %" PRIu64 " parameters, %s, %.1f MiB\n", component->tensors,
        component->parameters, component->dtypes, (double)component->bytes / MIB);
    printf("  used        %" PRIu64 ", missing %" PRIu64 ", not used %zu\n", component->used,
        component->missing, component->unused_count);
    for (size_t i = 0; i < component->fault_count; i++) {
        printf("  fault       ");
        print_shown(component->faults[i]);
        printf("\n");
    }
    for (size_t i = 0; i < component->unused_count; i++) {
        printf("  not used    ");
        print_shown(component->unused[i]);
        printf("\n");
    }
}

static void print_settings(const char *title, const struct clat_setting *settings, size_t count)
{
    if (count)
        printf("\n%s\n", title);
    for (size_t i = 0; i < count; i++) {
        printf("  ");
        print_shown(settings[i].key);
        printf(": ");
        print_shown(settings[i].value);
        printf("\n");
    }
}

static void print_ignored(const struct clat_model *model)
{
    for (size_t i = 0; i < model->ignored_count; i++) {
        printf("%s", i ? ", " : "  not used by it: ");
        print_shown(model->ignored[i]);
    }
    printf("%s", model->ignored_count ? "\n" : "");
}

/* The scheduler with all its options; what it would be told, if it is not here. */
static void print_scheduler(const struct clat_model *model)
{
    if (model->scheduler_reason) {
        print_settings("scheduler", model->scheduler, model->scheduler_count);
        printf("  cannot be used: ");
        print_shown(model->scheduler_reason);
        printf("\n");
    }
    if (!model->scheduler_name)
        return;
    printf("\nscheduler   %s\n", model->scheduler_name);
    for (size_t i = 0; i < model->option_count; i++) {
        printf("  %s: ", model->options[i].key);
        print_shown(model->options[i].value);
        printf("%s\n", model->options[i].from ? "" : " (default)");
    }
    print_ignored(model);
}

static void print_text(const struct clat_model *model)
{
    printf("folder      ");
    print_shown(model->folder);
    printf("\nfamily      ");
    print_shown(model->family);
    printf("\ntask        %s\nsource      %s\nlatents     scaled by %g\n", model->task,
        model->source, (double)model->scaling_factor);
    printf("images      %d x %d pixels by default\n", model->width, model->height);
    if (model->peak_bytes) {
        printf("memory      weights %.1f MiB, activations %.1f MiB, at most %.1f MiB at one time\n",
            (double)model->weight_bytes / MIB, (double)model->activation_bytes / MIB,
            (double)model->peak_bytes / MIB);
        printf("  in f16    weights %.1f MiB, at most %.1f MiB at one time\n",
            (double)model->weight_bytes_f16 / MIB, (double)model->peak_bytes_f16 / MIB);
    }
    for (size_t i = 0; i < model->component_count; i++)
        print_component(&model->components[i]);
    if (model->leftover_count)
        printf("\nnot used\n");
    for (size_t i = 0; i < model->leftover_count; i++)
        printf("  %-16s %" PRIu64 " tensors, %.1f MiB: %s\n", model->leftovers[i].what,
            model->leftovers[i].tensors, (double)model->leftovers[i].bytes / MIB,
            model->leftovers[i].why);
    print_scheduler(model);
    print_settings("recommended by the model", model->recommended, model->recommended_count);
}

enum clat_status inspect_run(int count, char **arguments)
{
    bool json = false;
    const char *name = NULL;
    struct flag flags[] = {{"json", &json}, {NULL, NULL}};
    struct clat_options options = {0};
    struct clat_context *context = NULL;
    const struct clat_model *model = NULL;
    enum clat_status status = arguments_read(count, arguments, flags, "model", &name);
    if (status == CLAT_OK)
        status = context_open_configured(&options, &context);
    if (status == CLAT_OK)
        status = report(clat_inspect(context, name, &model));
    if (status == CLAT_OK && json)
        print_json(model);
    else if (status == CLAT_OK)
        print_text(model);
    clat_free(model);
    clat_close(context);
    return status;
}
