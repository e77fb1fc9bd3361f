/* task.c - what each task takes, and in which order it is done. SPDX-License-Identifier: MIT */
#include "base/memory.h"
#include "pipeline/condition.h"

#include <stdlib.h>
#include <string.h>

static const struct task_row tasks[TASKS] = {
    [TASK_TEXT_TO_IMAGE] = {.key = "prompt",
        .with = {"image"},
        .steps = 50,
        .encodes = true,
        .condition = text_condition},
    [TASK_SUPER_RESOLUTION] = {.key = "image",
        .steps = 100,
        .settle = enlarge_settle,
        .condition = enlarge_condition},
    [TASK_UNCONDITIONAL] = {.with = {"image"}, .steps = 50, .encodes = true},
    [TASK_CLASS_CONDITIONAL] = {.key = "class",
        .with = {"class_labels", "image"},
        .steps = 50,
        .encodes = true,
        .settle = class_settle,
        .condition = class_condition},
    [TASK_INPAINTING] = {.key = "image",
        .with = {"mask"},
        .steps = 50,
        .encodes = true,
        .settle = inpaint_settle,
        .condition = inpaint_condition,
        .finish = inpaint_finish},
    [TASK_SEMANTIC_SYNTHESIS] = {.key = "label_map",
        .steps = 50,
        .settle = labels_settle,
        .condition = labels_condition},
    [TASK_LAYOUT_TO_IMAGE] = {.key = "layout",
        .with = {"class_labels", "image"},
        .steps = 50,
        .encodes = true,
        .settle = layout_settle,
        .condition = layout_condition},
};

enum clat_status task_find(const struct model *model, const struct task_row **row)
{
    *row = &tasks[model->task];
    if ((*row)->steps)
        return CLAT_OK;
    return status_set(CLAT_ERROR_INPUT, "'%s' is a model for %s, which generate does not run",
        model->folder, task_name(model->task));
}

/* What a job gives under the keys that belong to tasks. */
struct given {
    const char *key;
    struct texts texts;
};
#define GIVEN 7
static void list_given(const struct job *job, struct given given[GIVEN])
{
    struct given list[GIVEN] = {{"prompt", job->prompts}, {"class", job->classes},
        {"image", job->images}, {"mask", job->masks}, {"label_map", job->label_maps},
        {"layout", {(char **)&job->layout, job->layout != NULL}},
        {"class_labels", {(char **)&job->class_labels, job->class_labels != NULL}}};
    memcpy(given, list, sizeof list);
}

const char *task_item(const struct model *model, const struct job *job, int item)
{
    struct given given[GIVEN];
    const char *key = tasks[model->task].key;
    list_given(job, given);
    for (size_t i = 0; key && i < GIVEN; i++)
        if (strcmp(given[i].key, key) == 0 && given[i].texts.count)
            return given[i].texts.items[(size_t)item % given[i].texts.count];
    return "";
}

static bool takes(const struct task_row *row, const char *key)
{
    if (row->key && strcmp(row->key, key) == 0)
        return true;
    for (size_t i = 0; i < 2; i++)
        if (row->with[i] && strcmp(row->with[i], key) == 0)
            return true;
    return false;
}

/* Refuses what the task does not take; the items are what is given under its own key. */
static enum clat_status check_keys(struct run *run)
{
    struct given given[GIVEN];
    const char *task = task_name(run->model->task);
    run->items = run->task->key ? 0 : 1;
    list_given(run->job, given);
    for (size_t i = 0; i < GIVEN; i++) {
        if (given[i].texts.count && !takes(run->task, given[i].key))
            return status_set(CLAT_ERROR_USAGE, "%s: the model is for %s, which takes %s",
                given[i].key, task, run->task->key ? run->task->key : "no input");
        if (run->task->key && strcmp(run->task->key, given[i].key) == 0)
            run->items = (int)given[i].texts.count;
    }
    if (run->items)
        return CLAT_OK;
    return status_set(CLAT_ERROR_USAGE,
        "no %s was given (--%s, or %s: in a job file), which a model for %s needs%s",
        run->task->key, run->task->key, run->task->key, task,
        run->job->images.count
            ? "; what enlarges a picture is a model for super_resolution (--model)"
            : "");
}

/* The images that a run starts from, in the middle; their size is the result's. */
static enum clat_status settle_start(struct run *run)
{
    enum clat_status status;
    struct pictures *images = &run->inputs.images;
    int unit = run->model->latent_scale;
    if (run->job->strength >= 1)
        FAIL(CLAT_ERROR_USAGE,
            "image: at strength 1 nothing of it would be left; give a strength below 1 "
            "(what enlarges a picture is a model for super_resolution: --model)");
    if (run->job->latents)
        FAIL(CLAT_ERROR_USAGE, "image: there are latents to start from, too; give one of them");
    TRY(pictures_read(
        "image", &run->job->images, &(struct picture_rules){PNG_RGB, PICTURE_SIGNED, 0}, images));
    if (images->height % unit || images->width % unit)
        FAIL(CLAT_ERROR_INPUT,
            "image: '%s': expected sides that are multiples of %d, found %d x %d",
            run->job->images.items[0], unit, images->width, images->height);
    if (!run->task->key)
        run->items = images->count;
    if (images->count != 1 && images->count != run->items)
        FAIL(CLAT_ERROR_USAGE, "image: expected one, or one for each %s (%d), found %d",
            run->task->key ? run->task->key : "result", run->items, images->count);
    run->height = images->height;
    run->width = images->width;
out:
    return status;
}

enum clat_status task_settle(struct run *run)
{
    enum clat_status status;
    TRY(task_find(run->model, &run->task));
    TRY(check_keys(run));
    run->guided = guidance_is_on(run->job->guidance_scale);
    if (run->guided && !model_can_guide(run->model))
        FAIL(CLAT_ERROR_USAGE,
            "guidance_scale: expected 1, since a model for %s%s has nothing to be guided away from",
            task_name(run->model->task),
            run->model->task == TASK_CLASS_CONDITIONAL ? " without an unconditional class" : "");
    if (run->task->settle)
        TRY(run->task->settle(run));
    if (run->job->images.count && !run->inputs.images.count)
        TRY(settle_start(run));
out:
    return status;
}

bool model_has_text_encoder(const struct model *model)
{
    return model->task == TASK_TEXT_TO_IMAGE || model->task == TASK_LAYOUT_TO_IMAGE;
}

int model_context_tokens(const struct model *model)
{
    int positions = model->text_encoder.max_position_embeddings;
    switch (model->task) {
    case TASK_TEXT_TO_IMAGE:
        return positions < PROMPT_TOKENS ? positions : PROMPT_TOKENS;
    case TASK_LAYOUT_TO_IMAGE:
        return LAYOUT_TOKENS;
    case TASK_CLASS_CONDITIONAL:
    case TASK_RETRIEVAL: /* the text's embedding; neighbours would add theirs */
        return 1;
    default:
        return 0;
    }
}

/* ImageNet has 1000 classes; a model with one more was trained with dropped labels (cin256-v2). */
bool model_can_guide(const struct model *model)
{
    return model->task == TASK_TEXT_TO_IMAGE ||
           (model->task == TASK_CLASS_CONDITIONAL && model->class_embedder.classes == 1001);
}

enum clat_status task_condition(struct run *run)
{
    enum clat_status status = CLAT_OK;
    size_t plane = (size_t)run->h * (size_t)run->w;
    run->tokens = model_context_tokens(run->model);
    run->context_width = run->model->unet.cross_attention_dim;
    run->extra = run->model->unet.in_channels - run->channels;
    run->rows = run->items + (run->guided ? 1 : 0);
    size_t positions = (size_t)run->rows * (size_t)run->tokens;
    if (run->tokens) {
        TRY(memory_new(positions, sizeof *run->ids, &run->ids));
        TRY(memory_new(
            positions, (size_t)run->context_width * sizeof *run->context, &run->context));
    }
    if (run->extra)
        TRY(memory_new(
            (size_t)run->items * (size_t)run->extra * plane, sizeof *run->beside, &run->beside));
    if (run->task->condition)
        TRY(run->task->condition(run));
    if (run->beside)
        TRY(run_trace(run, "condition", 4,
            (size_t[]){(size_t)run->items, (size_t)run->extra, (size_t)run->h, (size_t)run->w},
            run->beside, NULL));
out:
    return status;
}
