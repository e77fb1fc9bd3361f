/* inspect.c - one component, looked into. SPDX-License-Identifier: MIT */
#include "base/memory.h"
#include "base/text.h"
#include "networks/autoencoder.h"
#include "networks/embedder.h"
#include "networks/ldmbert.h"
#include "networks/unet.h"
#include "pipeline/model.h"

#include <stdlib.h>
#include <string.h>

static enum clat_status add_fault(void *user, const char *sentence)
{
    struct component_info *info = user;
    enum clat_status status;
    size_t capacity = info->fault_count; /* grown one by one: faults are few */
    TRY(memory_grow(&info->faults, &capacity, info->fault_count, sizeof *info->faults));
    TRY(memory_string(sentence, &info->faults[info->fault_count]));
    info->fault_count++;
    info->missing += strstr(sentence, "has no tensor") != NULL;
out:
    return status;
}

static enum clat_status load_both_halves(
    struct loader *loader, const struct autoencoder_config *config)
{
    enum clat_status status;
    struct autoencoder decoder = {0}, encoder = {0};
    TRY(decoder_load(loader, config, &decoder));
    TRY(encoder_load(loader, config, &encoder));
out:
    autoencoder_free(loader->device, &decoder);
    autoencoder_free(loader->device, &encoder);
    return status;
}

static enum clat_status load_condition(const struct model *model, struct loader *loader)
{
    struct ldmbert bert = {0};
    if (model->task == TASK_CLASS_CONDITIONAL)
        return class_embedder_check(loader, &model->class_embedder);
    if (model->task == TASK_SEMANTIC_SYNTHESIS)
        return spatial_rescaler_check(loader, &model->rescaler);
    enum clat_status status = ldmbert_load(loader, &model->text_encoder, &bert);
    ldmbert_free(loader->device, &bert);
    return status;
}

enum clat_status model_load_dry(
    const struct model *model, enum component component, struct loader *loader)
{
    struct unet unet = {0};
    if (component == COMPONENT_CONDITION)
        return load_condition(model, loader);
    if (component == COMPONENT_AUTOENCODER)
        return load_both_halves(loader, &model->autoencoder);
    enum clat_status status = unet_load(loader, &model->unet, &unet);
    unet_free(loader->device, &unet);
    return status;
}

static size_t weight_elements(const struct weight *weight)
{
    size_t elements = 1;
    for (int axis = 0; axis < weight->rank; axis++)
        elements *= weight->shape[axis]; /* checked by the reader */
    return elements;
}

/* "F32, I64": each type once, in the order met. */
static enum clat_status list_dtypes(const struct weights *weights, char **out)
{
    enum clat_status status = CLAT_OK;
    bool seen[DTYPE_OTHER + 1] = {false};
    struct text text = {0};
    for (size_t i = 0; i < weights_count(weights); i++) {
        enum dtype dtype = weights_at(weights, i)->dtype;
        if (!seen[dtype])
            TRY(text_print(&text, "%s%s", text.size ? ", " : "", dtype_name(dtype)));
        seen[dtype] = true;
    }
    TRY(memory_string(text.data ? text.data : "", out));
out:
    text_free(&text);
    return status;
}

static enum clat_status list_tensors(const struct weights *weights, struct component_info *info)
{
    enum clat_status status;
    info->tensors = weights_count(weights);
    info->bytes = weights_bytes(weights);
    TRY(memory_new(info->tensors, sizeof *info->unused, &info->unused));
    for (size_t i = 0, unused = 0; i < info->tensors; i++) {
        const struct weight *weight = weights_at(weights, i);
        info->parameters += weight_elements(weight);
        info->used += weight->used;
        if (!weight->used)
            TRY(memory_string(weight->name, &info->unused[unused++]));
    }
out:
    return status;
}

/* An autoencoder alone lies in no folder of its own. */
static const char *folder_name(const struct model *model, enum component component)
{
    const char *name = model_component_folder(model, component);
    return *name ? name : "autoencoder";
}

enum clat_status model_inspect(
    const struct model *model, enum component component, struct component_info *info)
{
    enum clat_status status;
    struct loader loader = {.fault = add_fault, .user = info};
    *info = (struct component_info){.folder = folder_name(model, component),
        .class_name = model_component_class(model, component)};
    TRY(device_open_dry(NULL, &loader.device));
    TRY(model_weights(model, component, &loader.weights));
    TRY(model_load_dry(model, component, &loader));
    TRY(memory_string(weights_format(loader.weights), &info->format));
    TRY(memory_string(weights_path(loader.weights), &info->path));
    TRY(list_dtypes(loader.weights, &info->dtypes));
    TRY(list_tensors(loader.weights, info));
out:
    weights_close(loader.weights);
    device_close(loader.device);
    return status;
}

void component_info_free(struct component_info *info)
{
    for (size_t i = 0; info->unused && i < info->tensors; i++)
        free(info->unused[i]);
    for (size_t i = 0; i < info->fault_count; i++)
        free(info->faults[i]);
    free(info->unused);
    free(info->faults);
    free(info->format);
    free(info->path);
    free(info->dtypes);
    *info = (struct component_info){0};
}
