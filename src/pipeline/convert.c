/* convert.c - any model as a folder of diffusers. SPDX-License-Identifier: MIT
 *
 * Each component is first loaded on a dry device, which checks that it is whole and marks the
 * tensors that it reads; those are written, one at a time. A text encoder's to_logits is written
 * as well: nothing computes with it, but the class has it. */
#include "pipeline/convert.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/safetensors.h"
#include "networks/loader.h"
#include "pipeline/config_text.h"

#include <stdlib.h>
#include <string.h>

struct converting {
    const struct model *model;
    enum dtype dtype;
    const struct convert_events *events;
    struct folder_out out;
};

/* ---- small files ---------------------------------------------------------------------------- */

static enum clat_status write_file(
    const char *folder, const char *name, const void *data, size_t size)
{
    struct file_out out = {0};
    char *path = NULL;
    enum clat_status status;
    TRY(file_join(folder, name, &path));
    TRY(file_out_open(path, &out));
    TRY(file_out_write(&out, data, size));
    TRY(file_out_commit(&out));
out:
    file_out_abort(&out);
    free(path);
    return status;
}

/* Nothing happens if there is no such file. */
static enum clat_status copy_file(const char *from, const char *to, const char *name)
{
    struct file_map map = {0};
    char *path = NULL;
    enum clat_status status;
    TRY(file_join(from, name, &path));
    if (file_exists(path)) {
        TRY(file_map_open(path, &map));
        TRY(write_file(to, name, map.data, map.size));
    }
out:
    file_map_close(&map);
    free(path);
    return status;
}

static enum clat_status write_tokenizer(const struct converting *converting)
{
    static const char *const names[] = {"vocab.txt", "tokenizer_config.json",
        "special_tokens_map.json", "tokenizer.json", "added_tokens.json"};
    char *folder = NULL;
    enum clat_status status = CLAT_OK;
    if (!converting->model->tokenizer_folder)
        return CLAT_OK;
    TRY(folder_out_make(&converting->out, "tokenizer", &folder));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        TRY(copy_file(converting->model->tokenizer_folder, folder, names[i]));
out:
    free(folder);
    return status;
}

static enum clat_status write_scheduler(const struct converting *converting)
{
    struct text text = {0};
    char *folder = NULL;
    enum clat_status status;
    TRY(config_text_scheduler(converting->model, &text));
    TRY(folder_out_make(&converting->out, "scheduler", &folder));
    TRY(write_file(folder, "scheduler_config.json", text.data, text.size));
out:
    text_free(&text);
    free(folder);
    return status;
}

static enum clat_status write_index(const struct converting *converting)
{
    const struct model *model = converting->model;
    struct text text = {0};
    enum clat_status status;
    TRY(config_text_index(model, model->tokenizer_folder != NULL, &text));
    TRY(write_file(converting->out.temporary, "model_index.json", text.data, text.size));
out:
    text_free(&text);
    return status;
}

/* ---- weights -------------------------------------------------------------------------------- */

static bool is_wanted(const struct weight *weight)
{
    return dtype_is_float(weight->dtype) &&
           (weight->used || strncmp(weight->name, "to_logits.", 10) == 0);
}

/* Attention of a UNet or an autoencoder that was stored as convolutions is linear today. */
static bool is_linear(const char *name)
{
    static const char *const ends[] = {
        ".to_q.weight", ".to_k.weight", ".to_v.weight", ".to_out.0.weight"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (text_ends_with(name, ends[i]))
            return true;
    return false;
}

static enum clat_status list_tensors(
    const struct weights *weights, struct safetensors_tensor **tensors, size_t *count)
{
    enum clat_status status = memory_new(weights_count(weights), sizeof **tensors, tensors);
    *count = 0;
    for (size_t i = 0; status == CLAT_OK && i < weights_count(weights); i++) {
        const struct weight *weight = weights_at(weights, i);
        struct safetensors_tensor *tensor = &(*tensors)[*count];
        if (!is_wanted(weight))
            continue;
        tensor->name = weight->name;
        tensor->rank = is_linear(weight->name) && weight->rank > 2 ? 2 : weight->rank;
        memcpy(tensor->shape, weight->shape, sizeof tensor->shape);
        ++*count;
    }
    return status;
}

static enum clat_status copy_tensors(const struct converting *converting, struct weights *weights,
    const char *component, const struct safetensors_tensor *tensors, size_t count,
    struct safetensors_stream *stream)
{
    const struct convert_events *events = converting->events;
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < count; i++) {
        const struct weight *weight = weights_find(weights, tensors[i].name);
        const float *values;
        if (events->cancelled && events->cancelled(events->user))
            FAIL(CLAT_CANCELLED, "stopped");
        TRY(weights_float(weights, weight->name, weight->rank, weight->shape, &values));
        TRY(safetensors_stream_add(stream, values));
        weights_done(weights);
        if (events->progress)
            events->progress(events->user, component, (int)(i + 1), (int)count);
    }
out:
    return status;
}

static enum clat_status write_weights(const struct converting *converting, struct weights *weights,
    const char *component, const char *path)
{
    struct safetensors_tensor *tensors = NULL;
    struct safetensors_stream *stream = NULL;
    size_t count = 0;
    enum clat_status status;
    TRY(list_tensors(weights, &tensors, &count));
    TRY(safetensors_stream_open(path, tensors, count, converting->dtype, &stream));
    TRY(copy_tensors(converting, weights, component, tensors, count, stream));
    status = safetensors_stream_commit(stream);
    stream = NULL;
out:
    safetensors_stream_abort(stream);
    free(tensors);
    return status;
}

/* Opens a component and marks what it reads; the first fault ends it. */
static enum clat_status open_whole(
    const struct model *model, enum component component, struct weights **weights)
{
    struct loader loader = {0};
    enum clat_status status;
    *weights = NULL;
    TRY(device_open_dry(NULL, &loader.device));
    TRY(model_weights(model, component, &loader.weights));
    TRY(model_load_dry(model, component, &loader));
    *weights = loader.weights;
    loader.weights = NULL;
out:
    weights_close(loader.weights);
    device_close(loader.device);
    return status;
}

static enum clat_status write_component(
    const struct converting *converting, enum component component)
{
    const struct model *model = converting->model;
    const char *name = config_text_folder(model, component);
    bool bert = strcmp(config_text_class(model, component), "LDMBertModel") == 0;
    struct text text = {0};
    struct weights *weights = NULL;
    char *folder = NULL, *path = NULL;
    enum clat_status status;
    TRY(config_text_component(model, component, &text));
    if (*name)
        TRY(folder_out_make(&converting->out, name, &folder));
    else
        TRY(memory_string(converting->out.temporary, &folder));
    TRY(write_file(folder, "config.json", text.data, text.size));
    TRY(open_whole(model, component, &weights));
    TRY(file_join(
        folder, bert ? "model.safetensors" : "diffusion_pytorch_model.safetensors", &path));
    TRY(write_weights(converting, weights, *name ? name : "autoencoder", path));
out:
    weights_close(weights);
    text_free(&text);
    free(folder);
    free(path);
    return status;
}

enum clat_status model_convert(const struct model *model, const char *folder, enum dtype dtype,
    const struct convert_events *events)
{
    struct converting converting = {.model = model, .dtype = dtype, .events = events};
    enum clat_status status;
    TRY(folder_out_open(folder, &converting.out));
    for (int i = 0; i < COMPONENTS; i++)
        if (model_has(model, (enum component)i))
            TRY(write_component(&converting, (enum component)i));
    if (model->task != TASK_AUTOENCODER) {
        TRY(write_tokenizer(&converting));
        TRY(write_scheduler(&converting));
        TRY(write_index(&converting));
    }
    TRY(folder_out_commit(&converting.out));
out:
    folder_out_abort(&converting.out);
    return status;
}
