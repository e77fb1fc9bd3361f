/* clatent_tune.c - parameters of kernels for a model, found by timing. SPDX-License-Identifier: MIT
 */
#include "base/arena.h"
#include "base/memory.h"
#include "clatent_internal.h"
#include "device/device.h"
#include "device/tuning.h"
#include "pipeline/model.h"
#include "pipeline/pipeline.h"
#include "selftest/tune.h"

#include <stdlib.h>

/* Outcomes as they come, kept for the result. */
struct finds {
    struct clat_context *context;
    struct arena *arena;
    void (*told)(void *user, const struct clat_tuned *tuned);
    struct clat_tuned *list;
    struct tuning_row *rows;
    size_t count, room, row_count, row_room;
    enum clat_status status;
};

static enum clat_status copy_outcome(
    struct arena *arena, const struct tune_outcome *from, struct clat_tuned *to)
{
    enum clat_status status;
    struct text shape = {0}, values = {0};
    *to = (struct clat_tuned){.kernel = tuned_kinds[from->row.kind].kernel,
        .seconds = from->row.microseconds * 1e-6,
        .own_seconds = from->row.rule * 1e-6,
        .error = from->error,
        .candidates = from->candidates,
        .failed = from->failed,
        .number = from->number,
        .total = from->total};
    TRY(tuning_print_sides(&shape, &from->row));
    TRY(tuning_print_values(&values, &from->row));
    TRY(arena_string(arena, shape.data, &to->shape));
    TRY(arena_string(arena, values.data, &to->parameters));
    TRY(arena_string(arena, from->fault, &to->fault));
out:
    text_free(&shape);
    text_free(&values);
    return status;
}

static enum clat_status keep(struct finds *finds, const struct tune_outcome *outcome)
{
    enum clat_status status;
    TRY(memory_grow(&finds->list, &finds->room, finds->count, sizeof *finds->list));
    TRY(copy_outcome(finds->arena, outcome, &finds->list[finds->count]));
    finds->count++;
    if (outcome->fault)
        return CLAT_OK;
    TRY(memory_grow(&finds->rows, &finds->row_room, finds->row_count, sizeof *finds->rows));
    finds->rows[finds->row_count++] = outcome->row;
out:
    return status;
}

static void tell(void *user, const struct tune_outcome *outcome)
{
    struct finds *finds = user;
    if (finds->status == CLAT_OK)
        finds->status = keep(finds, outcome);
    if (finds->status != CLAT_OK)
        return;
    if (finds->told)
        finds->told(finds->context->options.user, &finds->list[finds->count - 1]);
    context_tell(finds->context,
        &(struct clat_progress){
            .phase = "tuning", .done = (int)outcome->number, .total = (int)outcome->total});
}

/* What the model's networks ask the table for, found by running them on a dry device: with an
 * encoder, and at the size and batch of one guided image. */
static enum clat_status ask_model(
    const struct opened *opened, const struct tuning_question **questions, size_t *count)
{
    enum clat_status status;
    const struct model *model = opened->model;
    struct tuning *tuning = device_facts(opened->device)->tuning;
    int size = model_default_size(model);
    struct model_memory memory;
    struct memory_request request = {.height = opened->job.height ? opened->job.height : size,
        .width = opened->job.width ? opened->job.width : size,
        .images = 1,
        .timesteps = 1,
        .guided = true,
        .half = device_stores_half(opened->device)};
    tuning_watch(tuning, true);
    TRY(model_memory(model, device_facts(opened->device), &request, &memory));
    TRY(tuning_questions(tuning, questions, count));
out:
    tuning_watch(tuning, false);
    return status;
}

static enum clat_status print_table(const struct finds *finds, const char **table)
{
    enum clat_status status;
    struct text text = {0};
    TRY(text_print(&text, "%s", tuning_head));
    for (size_t i = 0; i < finds->row_count; i++)
        TRY(tuning_print(&text, &finds->rows[i]));
    TRY(arena_string(finds->arena, text.data, table));
out:
    text_free(&text);
    return status;
}

static enum clat_status fill_result(
    const struct finds *finds, const struct device *device, struct clat_tuning *made)
{
    enum clat_status status;
    struct clat_tuned *list;
    char driver[600];
    tuning_driver(device_facts(device), driver, sizeof driver);
    TRY(arena_string(finds->arena, device_facts(device)->name, &made->device));
    TRY(arena_string(finds->arena, driver, &made->driver));
    TRY(arena_take(finds->arena, finds->count, sizeof *list, &list));
    for (size_t i = 0; i < finds->count; i++)
        list[i] = finds->list[i];
    made->shapes = list;
    made->count = finds->count;
    TRY(print_table(finds, &made->table));
out:
    return status;
}

/* Also after a job was stopped: what was found is true. */
static enum clat_status save(
    const struct finds *finds, const struct device *device, struct clat_tuning *made)
{
    enum clat_status status;
    char *path = NULL;
    if (finds->row_count == 0)
        return CLAT_OK;
    TRY(tuning_path(device_facts(device), &path));
    TRY(tuning_save(path, finds->rows, finds->row_count));
    context_log(finds->context, "%zu rows written to %s", finds->row_count, path);
    TRY(arena_string(finds->arena, path, &made->path));
out:
    free(path);
    return status;
}

static enum clat_status tune(struct finds *finds, const struct opened *opened,
    const struct clat_tuning_options *options, struct clat_tuning *made)
{
    enum clat_status status, tuned;
    const struct tuning_question *questions;
    size_t count;
    const struct tune_request request = {
        .seconds = options->seconds, .shapes = options->shapes, .tell = tell, .user = finds};
    TRY(ask_model(opened, &questions, &count));
    tuned = tune_device(opened->device, questions, count, &request);
    if (!options->dry_run && (tuned == CLAT_OK || tuned == CLAT_CANCELLED))
        TRY(save(finds, opened->device, made));
    TRY(tuned);
    TRY(finds->status);
    TRY(fill_result(finds, opened->device, made));
out:
    return status;
}

enum clat_status clat_tune(struct clat_context *context, struct clat_job *given,
    const struct clat_tuning_options *options,
    void (*told)(void *user, const struct clat_tuned *tuned), const struct clat_tuning **result)
{
    enum clat_status status = CLAT_OK;
    struct opened *opened = NULL;
    struct clat_tuning *made = NULL;
    struct finds finds = {.context = context, .told = told};
    *result = NULL;
    if (options->struct_size != sizeof *options)
        FAIL(CLAT_ERROR_USAGE, "clat_tune: struct_size is %zu, expected %zu", options->struct_size,
            sizeof *options);
    TRY(arena_new(sizeof *made, &finds.arena, &made));
    TRY(memory_new(1, sizeof *opened, &opened));
    TRY(opened_resolve_one(context, given, opened));
    TRY(opened_build(opened));
    TRY(opened_device(context, opened));
    TRY(tune(&finds, opened, options, made));
    *result = made;
    made = NULL;
out:
    if (opened)
        opened_close(opened);
    free(opened);
    free(finds.list);
    free(finds.rows);
    arena_free(made);
    return status;
}

enum clat_status clat_tuning_check(struct clat_context *context, const char *path, size_t *rows)
{
    enum clat_status status;
    struct tuning *tuning = NULL;
    (void)context;
    *rows = 0;
    TRY(tuning_new(&tuning));
    TRY(tuning_read(path, tuning));
    *rows = tuning_count(tuning);
out:
    tuning_free(tuning);
    return status;
}
