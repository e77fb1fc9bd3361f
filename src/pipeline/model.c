/* model.c - an opened model. SPDX-License-Identifier: MIT */
#include "pipeline/model_source.h"
#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static const char *const task_names[TASKS] = {
    [TASK_TEXT_TO_IMAGE] = "text_to_image",
    [TASK_SUPER_RESOLUTION] = "super_resolution",
    [TASK_UNCONDITIONAL] = "unconditional",
    [TASK_CLASS_CONDITIONAL] = "class_conditional",
    [TASK_INPAINTING] = "inpainting",
    [TASK_SEMANTIC_SYNTHESIS] = "semantic_synthesis",
    [TASK_LAYOUT_TO_IMAGE] = "layout_to_image",
    [TASK_RETRIEVAL] = "retrieval_augmented",
    [TASK_AUTOENCODER] = "autoencoder",
};

const char *task_name(enum task task)
{
    return task_names[task];
}

const char *model_source_name(enum model_source source)
{
    static const char *const names[] = {"diffusers", "Paddle", "CompVis"};
    return names[source];
}

bool model_has(const struct model *model, enum component component)
{
    switch (component) {
    case COMPONENT_CONDITION:
        return model->task == TASK_TEXT_TO_IMAGE || model->task == TASK_LAYOUT_TO_IMAGE ||
               model->task == TASK_CLASS_CONDITIONAL || model->task == TASK_SEMANTIC_SYNTHESIS;
    case COMPONENT_UNET:
        return model->task != TASK_AUTOENCODER;
    default:
        return true;
    }
}

const char *model_component_folder(const struct model *model, enum component component)
{
    switch (component) {
    case COMPONENT_CONDITION:
        return model->index.text_encoder_folder;
    case COMPONENT_AUTOENCODER:
        return model->index.autoencoder_folder;
    default:
        return model->source == SOURCE_COMPVIS ? "model.diffusion_model" : "unet";
    }
}

const char *model_component_class(const struct model *model, enum component component)
{
    switch (component) {
    case COMPONENT_CONDITION:
        return model->index.text_encoder;
    case COMPONENT_AUTOENCODER:
        return model->index.autoencoder;
    default:
        return model->index.unet;
    }
}

/* Channels that the UNet takes behind those of the latents. */
static int condition_channels(const struct model *model)
{
    switch (model->task) {
    case TASK_SUPER_RESOLUTION:
        return 3;
    case TASK_INPAINTING:
        return model->autoencoder.latent_channels + 1;
    case TASK_SEMANTIC_SYNTHESIS:
        return model->rescaler.out_channels;
    default:
        return 0;
    }
}

/* The width of what cross-attention is given, and what it is called; 0: it is given nothing. */
static int context_width(const struct model *model, const char **what)
{
    switch (model->task) {
    case TASK_TEXT_TO_IMAGE:
    case TASK_LAYOUT_TO_IMAGE:
        *what = "the text encoder";
        return model->text_encoder.d_model;
    case TASK_CLASS_CONDITIONAL:
        *what = "the class embedder";
        return model->class_embedder.width;
    case TASK_RETRIEVAL:
        return model->unet.cross_attention_dim;
    default:
        *what = "the condition";
        return 0;
    }
}

/* The widths at which the components meet. */
static enum clat_status check_widths(const struct model *model)
{
    const char *what = "";
    int given = context_width(model, &what), context = model->unet.cross_attention_dim;
    int latent = model->autoencoder.latent_channels, beside = condition_channels(model);
    if (given != context)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': %s is %d wide, but the UNet's cross_attention_dim is %d", model->folder, what,
            given, context);
    if (beside && model->unet.in_channels != latent + beside)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': the autoencoder has %d latent channels and the condition %d, but the UNet takes "
            "%d",
            model->folder, latent, beside, model->unet.in_channels);
    if (model->unet.in_channels != latent + beside || model->unet.out_channels != latent)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': the autoencoder has %d latent channels, but the UNet takes %d and gives %d",
            model->folder, latent, model->unet.in_channels, model->unet.out_channels);
    return CLAT_OK;
}

static enum clat_status check_pixels(const struct model *model)
{
    const struct autoencoder_config *config = &model->autoencoder;
    if (config->in_channels != 3 || config->out_channels != 3)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': the autoencoder: expected 3 out_channels (red, green, blue), found %d and %d "
            "in_channels",
            model->folder, config->out_channels, config->in_channels);
    return CLAT_OK;
}

static bool holds(const char *folder, const char *name)
{
    char *path = NULL;
    bool there = file_join(folder, name, &path) == CLAT_OK && file_exists(path);
    free(path);
    return there;
}

static enum clat_status open_files(struct model *model)
{
    const char *folder = model->folder;
    if (!file_exists(folder))
        return status_set(
            CLAT_ERROR_INPUT, "there is no model folder '%s', nor a checkpoint", folder);
    if (holds(folder, "model_index.json"))
        return model_open_diffusers(model);
    if (holds(folder, "config.json"))
        return model_open_autoencoder(model);
    return model_open_compvis(folder, model);
}

enum clat_status model_open(const char *folder, const char *variant, struct model **out)
{
    enum clat_status status;
    struct model *model = NULL;
    *out = NULL;
    TRY(memory_new(1, sizeof *model, &model));
    TRY(memory_string(folder, &model->folder));
    if (variant)
        TRY(memory_string(variant, &model->variant));
    TRY(open_files(model));
    model->latent_scale = 1 << (model->autoencoder.levels - 1);
    if (model->task != TASK_AUTOENCODER)
        TRY(check_widths(model));
    TRY(check_pixels(model));
    *out = model;
    return CLAT_OK;
out:
    model_close(model);
    return status;
}

void model_close(struct model *model)
{
    if (!model)
        return;
    settings_free(&model->scheduler);
    free(model->folder);
    free(model->variant);
    free(model->checkpoint);
    free(model->yaml);
    free(model->tokenizer_folder);
    free(model);
}

int model_default_size(const struct model *model)
{
    int latent = model->unet.sample_size ? model->unet.sample_size : 32;
    if (model->task == TASK_AUTOENCODER)
        return model->autoencoder.sample_size;
    return latent * model->latent_scale;
}

enum clat_status model_weights(
    const struct model *model, enum component component, struct weights **weights)
{
    *weights = NULL;
    return model->source == SOURCE_COMPVIS ? model_weights_compvis(model, component, weights)
                                           : model_weights_diffusers(model, component, weights);
}
