/* clatent_inspect.c - what lies in a model folder, and what it needs. SPDX-License-Identifier: MIT
 */
#include "base/arena.h"
#include "base/memory.h"
#include "clatent_internal.h"
#include "pipeline/condition.h"
#include "sampling/sampler.h"

#include <stdlib.h>
#include <string.h>

struct maker {
    struct arena *arena;
    struct clat_model *result;
};

static enum clat_status copy_names(
    struct maker *maker, char **names, size_t count, const char *const **out)
{
    enum clat_status status = CLAT_OK;
    const char **list;
    TRY(arena_take(maker->arena, count, sizeof *list, &list));
    *out = list;
    for (size_t i = 0; i < count; i++)
        TRY(arena_string(maker->arena, names[i], &list[i]));
out:
    return status;
}

static enum clat_status copy_component(
    struct maker *maker, const struct component_info *from, struct clat_component *to)
{
    enum clat_status status = CLAT_OK;
    to->tensors = from->tensors;
    to->parameters = from->parameters;
    to->bytes = from->bytes;
    to->used = from->used;
    to->missing = from->missing;
    to->unused_count = from->tensors - from->used;
    to->fault_count = from->fault_count;
    TRY(arena_string(maker->arena, from->folder, &to->folder));
    TRY(arena_string(maker->arena, from->class_name, &to->class_name));
    TRY(arena_string(maker->arena, from->format, &to->format));
    TRY(arena_string(maker->arena, from->path, &to->path));
    TRY(arena_string(maker->arena, from->dtypes, &to->dtypes));
    TRY(copy_names(maker, from->unused, to->unused_count, &to->unused));
    TRY(copy_names(maker, from->faults, from->fault_count, &to->faults));
out:
    return status;
}

static enum clat_status add_components(struct maker *maker, const struct model *model)
{
    enum clat_status status = CLAT_OK;
    struct clat_component *list;
    TRY(arena_take(maker->arena, COMPONENTS, sizeof *list, &list));
    maker->result->components = list;
    for (int i = 0; i < COMPONENTS; i++) {
        struct component_info info = {0};
        if (!model_has(model, (enum component)i))
            continue;
        TRY(model_inspect(model, (enum component)i, &info));
        status = copy_component(maker, &info, &list[maker->result->component_count]);
        component_info_free(&info);
        if (status != CLAT_OK)
            goto out;
        maker->result->component_count++;
    }
out:
    return status;
}

static enum clat_status add_leftovers(struct maker *maker, const struct model *model)
{
    enum clat_status status = CLAT_OK;
    struct leftover found[LEFTOVERS];
    struct clat_leftover *list;
    TRY(model_leftovers(model, found));
    TRY(arena_take(maker->arena, LEFTOVERS, sizeof *list, &list));
    maker->result->leftovers = list;
    for (int i = 0; i < LEFTOVERS; i++)
        if (found[i].tensors)
            list[maker->result->leftover_count++] = (struct clat_leftover){
                found[i].what, found[i].why, found[i].tensors, found[i].bytes};
out:
    return status;
}

static enum clat_status add_scheduler(struct maker *maker, const struct settings *settings)
{
    enum clat_status status = CLAT_OK;
    struct clat_setting *list;
    TRY(arena_take(maker->arena, settings->count, sizeof *list, &list));
    maker->result->scheduler = list;
    for (size_t i = 0; i < settings->count; i++) {
        TRY(arena_string(maker->arena, settings->items[i].key, &list[i].key));
        TRY(arena_string(maker->arena, settings->items[i].value, &list[i].value));
        maker->result->scheduler_count++;
    }
out:
    return status;
}

static enum clat_status add_options(struct maker *maker, const struct scheduler *scheduler)
{
    enum clat_status status = CLAT_OK;
    struct settings effective = {0};
    struct clat_model_option *list;
    TRY(scheduler_effective(scheduler, &effective));
    TRY(arena_take(maker->arena, effective.count, sizeof *list, &list));
    maker->result->options = list;
    for (size_t i = 0; i < effective.count; i++) {
        const struct setting *setting = &effective.items[i];
        bool is_default = strcmp(setting->where, SCHEDULER_DEFAULT) == 0;
        TRY(arena_string(maker->arena, setting->key, &list[i].key));
        TRY(arena_string(maker->arena, setting->value, &list[i].value));
        TRY(arena_string(maker->arena, is_default ? NULL : setting->where, &list[i].from));
        maker->result->option_count++;
    }
out:
    settings_free(&effective);
    return status;
}

static enum clat_status add_ignored(
    struct maker *maker, const struct scheduler *scheduler, const struct settings *model)
{
    enum clat_status status = CLAT_OK;
    const char **list;
    TRY(arena_take(maker->arena, model->count, sizeof *list, &list));
    maker->result->ignored = list;
    for (size_t i = 0; i < model->count; i++) {
        const char *key = model->items[i].key;
        if (key[0] != '_' && !scheduler_hears(scheduler, model, key))
            TRY(arena_string(maker->arena, key, &list[maker->result->ignored_count++]));
    }
out:
    return status;
}

/* What a job without a word about its scheduler runs with. None at all is no failure. */
static enum clat_status add_effective(
    struct maker *maker, const struct settings *model, const struct job_values *values)
{
    enum clat_status status = CLAT_OK;
    struct scheduler *scheduler = NULL;
    const struct job_value *recommended = &values->value[job_key_find("scheduler")];
    const char *name = recommended->count ? recommended->items[0] : NULL;
    if (scheduler_open(name, model, &values->scheduler_options, &scheduler) != CLAT_OK)
        return arena_string(maker->arena, clat_error(), &maker->result->scheduler_reason);
    TRY(arena_string(maker->arena, scheduler_name(scheduler), &maker->result->scheduler_name));
    TRY(add_options(maker, scheduler));
    TRY(add_ignored(maker, scheduler, model));
out:
    scheduler_close(scheduler);
    return status;
}

static enum clat_status add_recommended(struct maker *maker, const struct job_values *values)
{
    enum clat_status status = CLAT_OK;
    struct clat_setting *list;
    struct text text = {0};
    TRY(arena_take(maker->arena, job_key_count, sizeof *list, &list));
    maker->result->recommended = list;
    for (size_t i = 0; i < job_key_count; i++) {
        if (!values->value[i].where || !job_keys[i].recommended)
            continue;
        text_free(&text);
        TRY(text_add(&text, "", 0));
        TRY(job_values_text(values, (int)i, &text));
        struct clat_setting *setting = &list[maker->result->recommended_count++];
        setting->key = job_keys[i].name;
        TRY(arena_string(maker->arena, text.data, &setting->value));
    }
out:
    text_free(&text);
    return status;
}

static size_t all_weights(const struct model_memory *memory)
{
    return memory->text_weights + memory->unet_weights + memory->decoder_weights;
}

/* Only of a model that is whole: a dry run through missing tensors has no answer. */
static enum clat_status add_memory(struct maker *maker, const struct model *model)
{
    enum clat_status status = CLAT_OK;
    struct model_memory memory, half;
    struct clat_model *result = maker->result;
    for (size_t i = 0; i < result->component_count; i++)
        if (result->components[i].fault_count)
            return CLAT_OK;
    struct memory_request request = {.height = result->height,
        .width = result->width,
        .images = 1,
        .timesteps = 50,
        .guided = model_can_guide(model),
        .encodes = model->task == TASK_INPAINTING};
    TRY(model_memory(model, NULL, &request, &memory));
    request.half = true;
    TRY(model_memory(model, NULL, &request, &half));
    result->weight_bytes = all_weights(&memory);
    result->weight_bytes_f16 = all_weights(&half);
    result->peak_bytes_f16 = half.peak;
    result->activation_bytes = memory.unet_activations > memory.decoder_activations
                                   ? memory.unet_activations
                                   : memory.decoder_activations;
    result->peak_bytes = memory.peak;
out:
    return status;
}

static enum clat_status describe(
    struct maker *maker, const struct model *model, const struct job_values *values)
{
    enum clat_status status = CLAT_OK;
    TRY(arena_string(maker->arena, model->folder, &maker->result->folder));
    TRY(arena_string(maker->arena, model->index.pipeline, &maker->result->family));
    maker->result->task = task_name(model->task);
    maker->result->source = model_source_name(model->source);
    maker->result->scaling_factor = model->autoencoder.scaling_factor;
    maker->result->height = maker->result->width = model_default_size(model);
    TRY(add_components(maker, model));
    TRY(add_leftovers(maker, model));
    TRY(add_scheduler(maker, &model->scheduler));
    if (model->scheduler.count)
        TRY(add_effective(maker, &model->scheduler, values));
    TRY(add_recommended(maker, values));
    TRY(add_memory(maker, model));
out:
    return status;
}

enum clat_status clat_inspect(
    struct clat_context *context, const char *name, const struct clat_model **result)
{
    enum clat_status status = CLAT_OK;
    struct job_values *given = NULL, *values = NULL;
    struct maker maker = {0};
    struct model *model = NULL;
    char *folder = NULL;
    *result = NULL;
    TRY(memory_new(1, sizeof *given, &given));
    TRY(memory_new(1, sizeof *values, &values));
    TRY(job_values_copy(&context->preferences.values, given));
    if (name)
        TRY(job_values_set(given, "model", name, "model", false));
    TRY(context_resolve(context, given, values, &folder));
    TRY(model_open(folder, NULL, &model));
    TRY(arena_new(sizeof *maker.result, &maker.arena, &maker.result));
    TRY(describe(&maker, model, values));
    *result = maker.result;
    maker.result = NULL;
out:
    arena_free(maker.result);
    model_close(model);
    free(folder);
    if (given)
        job_values_free(given);
    if (values)
        job_values_free(values);
    free(given);
    free(values);
    return status;
}
