/* clatent_list.c - what is there: OpenCL devices, scheduler plugins. SPDX-License-Identifier: MIT
 */
#include "base/arena.h"
#include "clatent_internal.h"
#include "device/device.h"
#include "plugins/names.h"
#include "sampling/sampler.h"

#include <stdlib.h>

/* ---- devices -------------------------------------------------------------------------------- */

static enum clat_status copy_facts(
    struct arena *arena, const struct device_entry *from, struct clat_device *to)
{
    enum clat_status status = CLAT_OK;
    struct clat_device_fact *list;
    TRY(arena_take(arena, (size_t)from->score_fact_count, sizeof *list, &list));
    to->facts = list;
    for (int i = 0; i < from->score_fact_count; i++, to->fact_count++) {
        TRY(arena_string(arena, from->score_facts[i].text, &list[i].text));
        list[i].points = from->score_facts[i].points;
    }
out:
    return status;
}

static enum clat_status copy_device(
    struct arena *arena, const struct device_entry *from, struct clat_device *to)
{
    enum clat_status status = CLAT_OK;
    const struct device_facts *facts = &from->facts;
    *to = (struct clat_device){.index = from->index,
        .usable = from->usable,
        .is_cpu = facts->on_host,
        .compute_units = facts->compute_units,
        .global_memory = facts->global_memory,
        .largest_buffer = facts->largest_buffer,
        .local_memory = facts->local_memory,
        .chosen = from->chosen,
        .score = from->score};
    TRY(arena_string(arena, facts->name, &to->name));
    TRY(arena_string(arena, facts->vendor, &to->vendor));
    TRY(arena_string(arena, facts->platform, &to->platform));
    TRY(arena_string(arena, facts->driver, &to->driver));
    TRY(arena_string(arena, facts->version, &to->version));
    TRY(arena_string(arena, from->reason, &to->reason));
    TRY(arena_string(arena, facts->pci, &to->pci));
    TRY(copy_facts(arena, from, to));
out:
    return status;
}

enum clat_status clat_devices(struct clat_context *context, const struct clat_devices **result)
{
    enum clat_status status = CLAT_OK;
    struct device_entry *entries = NULL;
    size_t count = 0;
    struct arena *arena = NULL;
    struct clat_devices *made = NULL;
    struct clat_device *list;
    (void)context;
    *result = NULL;
    TRY(device_list(&entries, &count));
    TRY(arena_new(sizeof *made, &arena, &made));
    TRY(arena_take(arena, count, sizeof *list, &list));
    made->devices = list;
    for (; made->count < count; made->count++)
        TRY(copy_device(arena, &entries[made->count], &list[made->count]));
    *result = made;
    made = NULL;
out:
    arena_free(made);
    free(entries);
    return status;
}

/* ---- schedulers ----------------------------------------------------------------------------- */

/* "0 to 1", or "linear | scaled_linear"; "" if anything goes. */
static enum clat_status describe_range(const struct clat_option *option, struct text *out)
{
    enum clat_status status = text_add(out, "", 0);
    if (option->type == CLAT_CHOICE)
        for (size_t i = 0; option->choices[i] && status == CLAT_OK; i++)
            status = text_print(out, "%s%s", i ? " | " : "", option->choices[i]);
    else if (option->lowest != option->highest && status == CLAT_OK)
        status = text_print(out, "%g to %g", option->lowest, option->highest);
    return status;
}

static enum clat_status copy_choices(
    struct arena *arena, const struct clat_option *from, struct clat_scheduler_option *to)
{
    enum clat_status status = CLAT_OK;
    const char **list;
    size_t count = 0;
    while (from->type == CLAT_CHOICE && from->choices[count])
        count++;
    TRY(arena_take(arena, count, sizeof *list, &list));
    to->choices = list;
    for (; to->choice_count < count; to->choice_count++)
        TRY(arena_string(arena, from->choices[to->choice_count], &list[to->choice_count]));
out:
    return status;
}

static enum clat_status copy_option(
    struct arena *arena, const struct clat_option *from, struct clat_scheduler_option *to)
{
    static const char *const types[] = {[CLAT_BOOL] = "true or false",
        [CLAT_INT] = "whole number",
        [CLAT_REAL] = "number",
        [CLAT_CHOICE] = "choice",
        [CLAT_REALS] = "list of numbers"};
    enum clat_status status = CLAT_OK;
    struct text range = {0};
    TRY(describe_range(from, &range));
    TRY(arena_string(arena, from->name, &to->name));
    TRY(arena_string(arena, types[from->type], &to->type));
    TRY(arena_string(arena, from->initial, &to->standard));
    TRY(arena_string(arena, range.data, &to->range));
    TRY(arena_string(arena, from->help ? from->help : "", &to->help));
    to->lowest = from->lowest;
    to->highest = from->highest;
    TRY(copy_choices(arena, from, to));
out:
    text_free(&range);
    return status;
}

static enum clat_status copy_options(
    struct arena *arena, const struct clat_plugin *from, struct clat_scheduler *to)
{
    enum clat_status status = CLAT_OK;
    struct clat_scheduler_option *list;
    size_t count = 0;
    while (from->options && from->options[count].name)
        count++;
    TRY(arena_take(arena, count, sizeof *list, &list));
    to->options = list;
    for (; to->option_count < count; to->option_count++)
        TRY(copy_option(arena, &from->options[to->option_count], &list[to->option_count]));
out:
    return status;
}

static enum clat_status copy_aliases(
    struct arena *arena, const struct clat_plugin *from, struct clat_scheduler *to)
{
    enum clat_status status = CLAT_OK;
    struct clat_scheduler_alias *list;
    const struct clat_alias *alias;
    size_t count = 0;
    while (from->aliases && from->aliases[count].name)
        count++;
    TRY(arena_take(arena, count, sizeof *list, &list));
    to->aliases = list;
    for (; to->alias_count < count; to->alias_count++) {
        alias = &from->aliases[to->alias_count];
        TRY(arena_string(arena, alias->name, &list[to->alias_count].name));
        TRY(arena_string(
            arena, alias->options ? alias->options : "", &list[to->alias_count].options));
    }
out:
    return status;
}

/* Evaluations of a plan of so many steps with default options; 0 if that cannot be planned. */
static int count_evaluations(const char *name, int steps)
{
    struct scheduler *scheduler = NULL;
    struct plan_request request = {.steps = steps, .strength = 1};
    struct plan_outline outline = {0};
    if (scheduler_open(name, NULL, NULL, &scheduler) != CLAT_OK ||
        scheduler_plan(scheduler, &request, &outline) != CLAT_OK)
        outline.evaluations = 0;
    scheduler_close(scheduler);
    return outline.evaluations;
}

/* Of each further step, past the warm-up that some methods have. */
static double evaluations_of_step(const char *name)
{
    int few = count_evaluations(name, 10), many = count_evaluations(name, 20);
    return few > 0 && many > few ? (many - few) / 10. : 0;
}

static enum clat_status copy_scheduler(
    struct arena *arena, const struct plugin *from, struct clat_scheduler *to)
{
    enum clat_status status = CLAT_OK;
    const struct clat_plugin *plugin = from->scheduler;
    TRY(arena_string(arena, from->path, &to->path));
    TRY(arena_string(arena, from->reason, &to->reason));
    if (!plugin)
        goto out;
    TRY(arena_string(arena, plugin->name, &to->name));
    TRY(arena_string(arena, plugin->class_name, &to->class_name));
    TRY(arena_string(arena, plugin->title ? plugin->title : "", &to->title));
    TRY(arena_string(arena, plugin->source, &to->source));
    TRY(arena_string(arena, plugin->version, &to->version));
    to->network = scheduler_network_name(plugin->network);
    to->order = plugin->order;
    to->stochastic = plugin->stochastic != 0;
    to->evaluations = evaluations_of_step(plugin->name);
    to->space = plugin->space == CLAT_SIGMA ? "sigma" : "variance preserving";
    TRY(copy_aliases(arena, plugin, to));
    TRY(copy_options(arena, plugin, to));
out:
    return status;
}

/* "use_karras_sigmas=true,solver_order=3" */
static enum clat_status copy_presets(
    struct arena *arena, const struct settings *presets, struct clat_schedulers *to)
{
    struct text text = {0};
    enum clat_status status = text_add(&text, "", 0);
    for (size_t i = 0; i < presets->count && status == CLAT_OK; i++)
        status = text_print(
            &text, "%s%s=%s", i ? "," : "", presets->items[i].key, presets->items[i].value);
    if (status == CLAT_OK)
        status = arena_string(arena, text.data, &to->presets);
    text_free(&text);
    return status;
}

enum clat_status clat_schedulers(
    struct clat_context *context, const char *name, const struct clat_schedulers **result)
{
    enum clat_status status = CLAT_OK;
    const struct plugin *plugins;
    const struct clat_plugin *wanted = NULL;
    struct settings presets = {0};
    size_t count;
    struct arena *arena = NULL;
    struct clat_schedulers *made = NULL;
    struct clat_scheduler *list;
    (void)context;
    *result = NULL;
    if (name)
        TRY(names_find(name, &wanted, &presets));
    TRY(plugins_list(&plugins, &count));
    TRY(arena_new(sizeof *made, &arena, &made));
    TRY(arena_take(arena, count, sizeof *list, &list));
    made->schedulers = list;
    for (size_t i = 0; i < count; i++)
        if (!wanted || plugins[i].scheduler == wanted)
            TRY(copy_scheduler(arena, &plugins[i], &list[made->count++]));
    TRY(copy_presets(arena, &presets, made));
    *result = made;
    made = NULL;
out:
    settings_free(&presets);
    arena_free(made);
    return status;
}
