/* model.c - an opened model folder. SPDX-License-Identifier: MIT */
#include "pipeline/model.h"
#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The classes that clatent runs: of the pipeline, and of each component in it. */
#define PIPELINE "LDMTextToImagePipeline"
static const char *const classes[COMPONENTS] = {
    [COMPONENT_TEXT_ENCODER] = "LDMBertModel",
    [COMPONENT_UNET] = "UNet2DConditionModel",
    [COMPONENT_AUTOENCODER] = "AutoencoderKL",
};

const char *model_component_folder(const struct model *model, enum component component)
{
    switch (component) {
    case COMPONENT_TEXT_ENCODER:
        return model->index.text_encoder_folder;
    case COMPONENT_AUTOENCODER:
        return model->index.autoencoder_folder;
    default:
        return "unet";
    }
}

const char *model_component_class(const struct model *model, enum component component)
{
    switch (component) {
    case COMPONENT_TEXT_ENCODER:
        return model->index.text_encoder;
    case COMPONENT_AUTOENCODER:
        return model->index.autoencoder;
    default:
        return model->index.unet;
    }
}

static enum clat_status check_classes(const struct model *model)
{
    if (strcmp(model->index.pipeline, PIPELINE) != 0)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': its pipeline '%s' is not supported; clatent runs " PIPELINE
            " (text to image with an LDMBert text encoder)",
            model->folder, model->index.pipeline);
    for (int i = 0; i < COMPONENTS; i++) {
        const char *class = model_component_class(model, (enum component)i);
        if (strcmp(class, classes[i]) != 0)
            return status_set(CLAT_ERROR_INPUT,
                "'%s': model_index.json: component '%s': expected class '%s', found '%s'",
                model->folder, model_component_folder(model, (enum component)i), classes[i], class);
    }
    return CLAT_OK;
}

/* The widths at which the components meet. */
static enum clat_status check_widths(const struct model *model)
{
    int text = model->text_encoder.d_model, context = model->unet.cross_attention_dim;
    int latent = model->autoencoder.latent_channels;
    if (text != context)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': the text encoder is %d wide (d_model), but the UNet's cross_attention_dim is %d",
            model->folder, text, context);
    if (model->unet.in_channels != latent || model->unet.out_channels != latent)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': the autoencoder has %d latent channels, but the UNet takes %d and gives %d",
            model->folder, latent, model->unet.in_channels, model->unet.out_channels);
    if (model->autoencoder.out_channels != 3)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': the autoencoder: expected 3 out_channels (red, green, blue), found %d",
            model->folder, model->autoencoder.out_channels);
    return CLAT_OK;
}

/* "folder/component/name" */
static enum clat_status component_file(
    const struct model *model, const char *component, const char *name, char **path)
{
    enum clat_status status;
    char *folder = NULL;
    TRY(file_join(model->folder, component, &folder));
    TRY(file_join(folder, name, path));
out:
    free(folder);
    return status;
}

static enum clat_status read_unet(struct model *model)
{
    enum clat_status status;
    char *path = NULL;
    TRY(component_file(model, "unet", "config.json", &path));
    TRY(config_read_unet(path, &model->unet));
out:
    free(path);
    return status;
}

static enum clat_status read_autoencoder(struct model *model)
{
    enum clat_status status;
    char *path = NULL;
    TRY(component_file(model, model->index.autoencoder_folder, "config.json", &path));
    TRY(config_read_autoencoder(path, &model->autoencoder));
    model->latent_scale = 1 << (model->autoencoder.levels - 1);
out:
    free(path);
    return status;
}

static enum clat_status read_text_encoder(struct model *model)
{
    enum clat_status status;
    char *path = NULL, *tokenizer = NULL;
    TRY(component_file(model, model->index.text_encoder_folder, "config.json", &path));
    TRY(config_read_ldmbert(path, &model->text_encoder));
    TRY(file_join(model->folder, "tokenizer", &tokenizer));
    TRY(config_read_tokenizer(tokenizer, &model->tokenizer));
out:
    free(path);
    free(tokenizer);
    return status;
}

static enum clat_status read_scheduler(struct model *model)
{
    enum clat_status status;
    char *path = NULL;
    TRY(component_file(model, "scheduler", "scheduler_config.json", &path));
    TRY(config_read_scheduler(path, &model->scheduler));
out:
    free(path);
    return status;
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
    TRY(config_read_model_index(folder, &model->index));
    TRY(check_classes(model));
    TRY(read_unet(model));
    TRY(read_autoencoder(model));
    TRY(read_text_encoder(model));
    TRY(read_scheduler(model));
    TRY(check_widths(model));
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
    free(model);
}

int model_default_size(const struct model *model)
{
    int latent = model->unet.sample_size ? model->unet.sample_size : 32;
    return latent * model->latent_scale;
}

enum clat_status model_weights(
    const struct model *model, enum component component, struct weights **weights)
{
    enum clat_status status;
    char *folder = NULL;
    const char *stem = component == COMPONENT_TEXT_ENCODER ? "model" : "diffusion_pytorch_model";
    *weights = NULL;
    TRY(file_join(model->folder, model_component_folder(model, component), &folder));
    TRY(weights_open_component(folder, stem, model->variant, weights));
out:
    free(folder);
    return status;
}
