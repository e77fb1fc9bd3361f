/* model.c - an opened model. SPDX-License-Identifier: MIT */
#include "pipeline/model.h"
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

/* diffusers' pipelines: the classes of their components, condition first; NULL: it has none. */
static const struct pipeline_class {
    const char *name;
    enum task task;
    const char *components[COMPONENTS];
} pipelines[] = {
    {"LDMTextToImagePipeline", TASK_TEXT_TO_IMAGE,
        {"LDMBertModel", "UNet2DConditionModel", "AutoencoderKL"}},
    {"LDMSuperResolutionPipeline", TASK_SUPER_RESOLUTION, {NULL, "UNet2DModel", "VQModel"}},
    {"LDMPipeline", TASK_UNCONDITIONAL, {NULL, "UNet2DModel", "VQModel"}},
};

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
        return "unet";
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

static const struct pipeline_class *find_pipeline(const char *name)
{
    for (size_t i = 0; i < sizeof pipelines / sizeof *pipelines; i++)
        if (strcmp(name, pipelines[i].name) == 0)
            return &pipelines[i];
    return NULL;
}

/* The autoencoder may be of either kind. */
static bool is_class(const struct pipeline_class *pipeline, int component, const char *class)
{
    return strcmp(class, pipeline->components[component]) == 0 ||
           (component == COMPONENT_AUTOENCODER && strcmp(class, "AutoencoderKL") == 0) ||
           (component == COMPONENT_AUTOENCODER && strcmp(class, "VQModel") == 0);
}

static enum clat_status check_classes(struct model *model)
{
    const struct pipeline_class *pipeline = find_pipeline(model->index.pipeline);
    if (!pipeline)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': its pipeline '%s' is not supported; clatent runs LDMTextToImagePipeline, "
            "LDMSuperResolutionPipeline and LDMPipeline",
            model->folder, model->index.pipeline);
    model->task = pipeline->task;
    for (int i = 0; i < COMPONENTS; i++) {
        const char *class = model_component_class(model, (enum component)i);
        if (pipeline->components[i] && !is_class(pipeline, i, class))
            return status_set(CLAT_ERROR_INPUT,
                "'%s': model_index.json: component '%s': expected class '%s', found '%s'",
                model->folder, model_component_folder(model, (enum component)i),
                pipeline->components[i], class);
    }
    return CLAT_OK;
}

enum clat_status model_check_task(const struct model *model)
{
    if (model->task != TASK_TEXT_TO_IMAGE)
        return status_set(CLAT_ERROR_INPUT, "'%s' is a model for %s, which generate does not run",
            model->folder, task_name(model->task));
    return CLAT_OK;
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

/* The widths at which the components meet. */
static enum clat_status check_widths(const struct model *model)
{
    int text = model->text_encoder.d_model, context = model->unet.cross_attention_dim;
    int latent = model->autoencoder.latent_channels, beside = condition_channels(model);
    if (model->task == TASK_TEXT_TO_IMAGE && text != context)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': the text encoder is %d wide (d_model), but the UNet's cross_attention_dim is %d",
            model->folder, text, context);
    if (beside && model->unet.in_channels != latent + beside)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': the autoencoder has %d latent channels and the condition %d, but the UNet takes "
            "%d",
            model->folder, latent, beside, model->unet.in_channels);
    if (model->unet.in_channels != latent + beside || model->unet.out_channels != latent)
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
    const char *class = model->autoencoder.kind == AUTOENCODER_KL ? "AutoencoderKL" : "VQModel";
    if (strcmp(class, model->index.autoencoder) != 0)
        FAIL(CLAT_ERROR_INPUT, "'%s': expected class %s as in model_index.json, found %s", path,
            model->index.autoencoder, class);
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
    if (model->task == TASK_TEXT_TO_IMAGE)
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
    const char *stem = component == COMPONENT_CONDITION ? "model" : "diffusion_pytorch_model";
    *weights = NULL;
    TRY(file_join(model->folder, model_component_folder(model, component), &folder));
    TRY(weights_open_component(folder, stem, model->variant, weights));
out:
    free(folder);
    return status;
}
