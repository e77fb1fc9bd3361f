/* model_diffusers.c - a model opened from a folder of diffusers or Paddle.
 * SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "pipeline/model_source.h"

#include <stdlib.h>
#include <string.h>

/* diffusers' pipelines, and the tasks it has none for (as `clatent convert` names them): the
 * classes of their components, condition first; NULL: it has none. */
static const struct pipeline_class {
    const char *name;
    enum task task;
    const char *components[COMPONENTS];
} pipelines[] = {
    {"LDMTextToImagePipeline", TASK_TEXT_TO_IMAGE,
        {"LDMBertModel", "UNet2DConditionModel", "AutoencoderKL"}},
    {"LDMSuperResolutionPipeline", TASK_SUPER_RESOLUTION, {NULL, "UNet2DModel", "VQModel"}},
    {"LDMPipeline", TASK_UNCONDITIONAL, {NULL, "UNet2DModel", "VQModel"}},
    {"class_conditional", TASK_CLASS_CONDITIONAL,
        {"ClassEmbedder", "UNet2DConditionModel", "VQModel"}},
    {"inpainting", TASK_INPAINTING, {NULL, "UNet2DModel", "VQModel"}},
    {"semantic_synthesis", TASK_SEMANTIC_SYNTHESIS, {"SpatialRescaler", "UNet2DModel", "VQModel"}},
    {"layout_to_image", TASK_LAYOUT_TO_IMAGE, {"LDMBertModel", "UNet2DConditionModel", "VQModel"}},
    {"retrieval_augmented", TASK_RETRIEVAL, {NULL, "UNet2DConditionModel", "AutoencoderKL"}},
};

static const struct pipeline_class *find_pipeline(const struct model_index *index)
{
    const char *name = index->task[0] ? index->task : index->pipeline;
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
    const struct pipeline_class *pipeline = find_pipeline(&model->index);
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

/* "folder/component/name" */
static enum clat_status component_file(
    const struct model *model, const char *component, const char *name, char **path)
{
    enum clat_status status;
    char *folder = NULL;
    TRY(file_join(model->folder, component, &folder));
    TRY(file_join(*component ? folder : model->folder, name, path));
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
out:
    free(path);
    return status;
}

static enum clat_status read_bert(struct model *model)
{
    enum clat_status status;
    char *path = NULL;
    TRY(component_file(model, model->index.text_encoder_folder, "config.json", &path));
    if (!file_exists(path)) { /* as Paddle's older copies call it */
        free(path);
        path = NULL;
        TRY(component_file(model, model->index.text_encoder_folder, "model_config.json", &path));
    }
    TRY(config_read_ldmbert(path, &model->text_encoder));
    if (model->task == TASK_TEXT_TO_IMAGE) {
        TRY(file_join(model->folder, "tokenizer", &model->tokenizer_folder));
        TRY(config_read_tokenizer(model->tokenizer_folder, &model->tokenizer));
    }
out:
    free(path);
    return status;
}

static enum clat_status read_condition(struct model *model)
{
    enum clat_status status;
    char *path = NULL;
    if (!model_has(model, COMPONENT_CONDITION))
        return CLAT_OK;
    if (model->task == TASK_TEXT_TO_IMAGE || model->task == TASK_LAYOUT_TO_IMAGE)
        return read_bert(model);
    TRY(component_file(model, model->index.text_encoder_folder, "config.json", &path));
    if (model->task == TASK_CLASS_CONDITIONAL)
        TRY(config_read_class_embedder(path, &model->class_embedder));
    else
        TRY(config_read_rescaler(path, &model->rescaler));
out:
    free(path);
    return status;
}

/* Where model_index.json names another class than scheduler_config.json, a pipeline takes the
 * former and hands it the values of the latter. */
static enum clat_status read_scheduler(struct model *model)
{
    enum clat_status status;
    char *path = NULL;
    TRY(component_file(model, "scheduler", "scheduler_config.json", &path));
    TRY(config_read_scheduler(path, &model->scheduler));
    if (model->index.scheduler[0])
        TRY(settings_set(
            &model->scheduler, "_class_name", model->index.scheduler, "model_index.json"));
out:
    free(path);
    return status;
}

enum clat_status model_open_diffusers(struct model *model)
{
    enum clat_status status;
    TRY(config_read_model_index(model->folder, &model->index));
    model->source = model->index.paddle ? SOURCE_PADDLE : SOURCE_DIFFUSERS;
    TRY(check_classes(model));
    TRY(read_unet(model));
    TRY(read_autoencoder(model));
    TRY(read_condition(model));
    TRY(read_scheduler(model));
out:
    return status;
}

enum clat_status model_open_autoencoder(struct model *model)
{
    enum clat_status status;
    char *path = NULL;
    model->task = TASK_AUTOENCODER;
    TRY(component_file(model, "", "config.json", &path));
    TRY(config_read_autoencoder(path, &model->autoencoder));
    strcpy(model->index.pipeline, "autoencoder");
    strcpy(model->index.autoencoder,
        model->autoencoder.kind == AUTOENCODER_KL ? "AutoencoderKL" : "VQModel");
out:
    free(path);
    return status;
}

enum clat_status model_weights_diffusers(
    const struct model *model, enum component component, struct weights **weights)
{
    enum clat_status status;
    char *folder = NULL;
    bool bert = strcmp(model_component_class(model, component), "LDMBertModel") == 0;
    const char *name = model_component_folder(model, component);
    TRY(file_join(model->folder, name, &folder));
    TRY(weights_open_component(*name ? folder : model->folder,
        bert ? "model" : "diffusion_pytorch_model", model->variant, weights));
out:
    free(folder);
    return status;
}
