/* model_compvis.c - a model opened from a CompVis checkpoint. SPDX-License-Identifier: MIT
 *
 * The yaml says nearly everything. Two things are read from the checkpoint: how many rows the text
 * encoder's vocabulary has, and the latents' scale where training measured it. */
#include "checkpoint/compvis.h"
#include "checkpoint/pair.h"
#include "base/file.h"
#include "base/memory.h"
#include "pipeline/model_source.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_STAGE "first_stage_model"
#define CONDITION "cond_stage_model"

/* What each condition stage is for, and how it must reach the UNet. */
static const struct {
    enum task task;
    enum compvis_wrapper wrapper;
    const char *class_name;
} conditions[] = {
    [COMPVIS_NONE] = {TASK_UNCONDITIONAL, WRAPPER_NONE, ""},
    [COMPVIS_BERT] = {TASK_TEXT_TO_IMAGE, WRAPPER_CROSSATTN, "BERTEmbedder"},
    [COMPVIS_BERT_TOKENS] = {TASK_LAYOUT_TO_IMAGE, WRAPPER_CROSSATTN, "BERTEmbedder"},
    [COMPVIS_CLASS] = {TASK_CLASS_CONDITIONAL, WRAPPER_CROSSATTN, "ClassEmbedder"},
    [COMPVIS_RESCALER] = {TASK_SEMANTIC_SYNTHESIS, WRAPPER_CONCAT, "SpatialRescaler"},
    [COMPVIS_IDENTITY] = {TASK_SUPER_RESOLUTION, WRAPPER_CONCAT, ""},
    [COMPVIS_FIRST_STAGE] = {TASK_INPAINTING, WRAPPER_CONCAT, ""},
};

static enum clat_status find_task(
    const char *yaml, const struct compvis_config *config, struct model *model)
{
    model->task = conditions[config->condition].task;
    if (config->autoencoder_only) {
        model->task = TASK_AUTOENCODER;
    } else if (config->condition == COMPVIS_IDENTITY && config->wrapper == WRAPPER_CROSSATTN) {
        model->task = TASK_RETRIEVAL;
    } else if (config->wrapper != conditions[config->condition].wrapper) {
        return status_set(CLAT_ERROR_INPUT,
            "'%s': cond_stage_config is for %s, which expects conditioning_key %s, found %s", yaml,
            task_name(model->task),
            conditions[config->condition].wrapper == WRAPPER_CONCAT ? "concat" : "crossattn",
            config->wrapper == WRAPPER_CONCAT ? "concat" : "crossattn");
    }
    return CLAT_OK;
}

static void name_components(const struct compvis_config *config, struct model *model)
{
    struct model_index *index = &model->index;
    bool kl = config->autoencoder.kind == AUTOENCODER_KL;
    strcpy(index->pipeline, config->autoencoder_only ? "autoencoder" : "LatentDiffusion");
    strcpy(index->unet, config->autoencoder_only ? "" : "UNetModel");
    strcpy(index->autoencoder, kl ? "AutoencoderKL" : "VQModel");
    strcpy(index->text_encoder, conditions[config->condition].class_name);
    strcpy(index->autoencoder_folder, config->autoencoder_only ? "" : FIRST_STAGE);
    strcpy(index->text_encoder_folder, CONDITION);
}

static enum clat_status set_number(
    struct settings *settings, const char *key, double value, const char *where)
{
    char text[32];
    snprintf(text, sizeof text, "%.15g", value);
    return settings_set(settings, key, text, where);
}

/* The authors' sampler in diffusers' words: its timesteps start at 1 and end at the first beta. */
static enum clat_status set_scheduler(
    const struct compvis_config *config, const char *yaml, struct settings *settings)
{
    static const char *const words[][2] = {{"_class_name", "DDIMScheduler"},
        {"beta_schedule", "scaled_linear"}, {"clip_sample", "false"}, {"set_alpha_to_one", "false"},
        {"steps_offset", "1"}};
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        TRY(settings_set(settings, words[i][0], words[i][1], yaml));
    TRY(set_number(settings, "beta_start", config->linear_start, yaml));
    TRY(set_number(settings, "beta_end", config->linear_end, yaml));
    TRY(set_number(settings, "num_train_timesteps", config->timesteps, yaml));
out:
    return status;
}

/* ---- what the checkpoint itself says -------------------------------------------------------- */

static enum clat_status read_vocabulary(const struct weights *weights, struct ldmbert_config *bert)
{
    const char *name = CONDITION ".transformer.token_emb.weight";
    const struct weight *table = weights_find(weights, name);
    if (!table || table->rank != 2 || table->shape[0] < 1 || table->shape[0] > 1 << 24)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': expected a tensor '%s' of [vocabulary, %d], found %s", weights_path(weights),
            name, bert->d_model, table ? "another shape" : "none");
    bert->vocab_size = (int)table->shape[0];
    return CLAT_OK;
}

static enum clat_status read_scale(struct weights *weights, float *scaling_factor)
{
    const float *value;
    enum clat_status status;
    if (!weights_find(weights, "scale_factor"))
        FAIL(CLAT_ERROR_INPUT,
            "'%s': its yaml says scale_by_std, so that a tensor 'scale_factor' is expected, found "
            "none",
            weights_path(weights));
    TRY(weights_float(weights, "scale_factor", 0, NULL, &value));
    *scaling_factor = *value;
    if (!(*value >= 1e-6f && *value <= 1e6f))
        FAIL(CLAT_ERROR_INPUT, "'%s': tensor 'scale_factor': expected 1e-6 to 1e6, found %g",
            weights_path(weights), (double)*value);
out:
    return status;
}

static enum clat_status read_checkpoint(const struct compvis_config *config, struct model *model)
{
    bool bert = config->condition == COMPVIS_BERT || config->condition == COMPVIS_BERT_TOKENS;
    struct weights *weights = NULL;
    enum clat_status status = CLAT_OK;
    if (!bert && !config->scale_by_std)
        return CLAT_OK;
    TRY(weights_open_file(model->checkpoint, &weights));
    if (bert)
        TRY(read_vocabulary(weights, &model->text_encoder));
    if (config->scale_by_std)
        TRY(read_scale(weights, &model->autoencoder.scaling_factor));
out:
    weights_close(weights);
    return status;
}

/* A vocabulary, which no checkpoint holds, lies in tokenizer/ or beside the checkpoint. */
static enum clat_status find_tokenizer(struct model *model)
{
    const char *slash = strrchr(model->checkpoint, '/');
    char *folder = NULL, *inner = NULL, *vocabulary = NULL;
    enum clat_status status;
    TRY(memory_string(slash ? model->checkpoint : ".", &folder));
    if (slash)
        folder[slash == model->checkpoint ? 1 : slash - model->checkpoint] = '\0';
    TRY(file_join(folder, "tokenizer", &inner));
    TRY(file_join(folder, "vocab.txt", &vocabulary));
    if (file_is_directory(inner))
        TRY(memory_string(inner, &model->tokenizer_folder));
    else if (file_exists(vocabulary))
        TRY(memory_string(folder, &model->tokenizer_folder));
    TRY(config_read_tokenizer(
        model->tokenizer_folder ? model->tokenizer_folder : folder, &model->tokenizer));
out:
    free(folder);
    free(inner);
    free(vocabulary);
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------ */

enum clat_status model_open_compvis(const char *path, struct model *model)
{
    struct pair pair;
    struct compvis_config config;
    enum clat_status status;
    TRY(pair_find(path, &pair));
    model->source = SOURCE_COMPVIS;
    model->checkpoint = pair.checkpoint;
    model->yaml = pair.yaml;
    TRY(compvis_read(model->yaml, &config));
    TRY(find_task(model->yaml, &config, model));
    name_components(&config, model);
    model->unet = config.unet;
    model->autoencoder = config.autoencoder;
    model->text_encoder = config.bert;
    model->class_embedder = config.class_embedder;
    model->rescaler = config.rescaler;
    model->use_ema = config.use_ema;
    model->scale_measured = config.scale_by_std;
    if (!config.autoencoder_only)
        TRY(set_scheduler(&config, model->yaml, &model->scheduler));
    TRY(read_checkpoint(&config, model));
    if (model->task == TASK_TEXT_TO_IMAGE)
        TRY(find_tokenizer(model));
out:
    return status;
}

enum clat_status model_weights_compvis(
    const struct model *model, enum component component, struct weights **weights)
{
    static const char *const prefixes[COMPONENTS] = {
        [COMPONENT_UNET] = "model.diffusion_model.",
        [COMPONENT_AUTOENCODER] = FIRST_STAGE ".",
        [COMPONENT_CONDITION] = CONDITION ".",
    };
    struct weight_view view = {.prefix = prefixes[component], .config = model->yaml};
    view.facts.dialect = DIALECT_COMPVIS_CONDITION;
    if (component == COMPONENT_UNET) {
        view.facts = (struct name_facts){.dialect = DIALECT_COMPVIS_UNET,
            .layers = model->unet.layers_per_block,
            .transformers = model->unet.middle_attention == UNET_TRANSFORMER};
        view.unet = &model->unet;
        view.ema = model->use_ema;
    } else if (component == COMPONENT_AUTOENCODER) {
        view.facts = (struct name_facts){
            .dialect = DIALECT_COMPVIS_FIRST_STAGE, .levels = model->autoencoder.levels};
        if (model->task == TASK_AUTOENCODER)
            view.prefix = NULL;
    }
    return weights_open_view(model->checkpoint, &view, weights);
}
