/* config_text.c - the json files of a model, from its structs. SPDX-License-Identifier: MIT */
#include "pipeline/config_text.h"
#include "base/text.h"
#include "formats/escape.h"

#include <stdlib.h>
#include <string.h>

/* ---- one object, key by key ----------------------------------------------------------------- */

/* After the first failure nothing more is written. */
struct object {
    struct text *text;
    enum clat_status status;
    bool begun;
};

static void begin_key(struct object *object, const char *key)
{
    if (object->status == CLAT_OK)
        object->status = text_print(object->text, "%s\n  \"%s\": ", object->begun ? "," : "{", key);
    object->begun = true;
}

static void put(struct object *object, const char *key, const char *json)
{
    begin_key(object, key);
    if (object->status == CLAT_OK)
        object->status = text_add(object->text, json, strlen(json));
}

static void put_string(struct object *object, const char *key, const char *string)
{
    begin_key(object, key);
    if (object->status == CLAT_OK)
        object->status = escape_json(object->text, string);
}

static void put_int(struct object *object, const char *key, int value)
{
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    put(object, key, text);
}

static void put_bool(struct object *object, const char *key, bool value)
{
    put(object, key, value ? "true" : "false");
}

/* As few digits as give the same float back. */
static void put_float(struct object *object, const char *key, float value)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    put(object, key, text);
}

static void put_ints(struct object *object, const char *key, const int *list, int count)
{
    begin_key(object, key);
    for (int i = 0; i < count && object->status == CLAT_OK; i++)
        object->status = text_print(object->text, "%s%d", i ? ", " : "[", list[i]);
    if (object->status == CLAT_OK)
        object->status = text_add(object->text, "]", 1);
}

/* ["Plain", "Other"]: names[kinds[i]]. */
static void put_blocks(
    struct object *object, const char *key, const char *const *names, const int *kinds, int count)
{
    begin_key(object, key);
    for (int i = 0; i < count && object->status == CLAT_OK; i++)
        object->status = text_print(object->text, "%s\"%s\"", i ? ", " : "[", names[kinds[i]]);
    if (object->status == CLAT_OK)
        object->status = text_add(object->text, "]", 1);
}

static enum clat_status end_object(struct object *object)
{
    if (object->status == CLAT_OK)
        object->status = text_print(object->text, "%s\n}\n", object->begun ? "" : "{");
    return object->status;
}

/* ---- UNets ---------------------------------------------------------------------------------- */

static bool has_attention(const struct unet_config *config, int level)
{
    return config->down_attention[level] || level == config->levels - 1;
}

static void put_unet_common(struct object *object, const struct unet_config *config)
{
    put_string(object, "act_fn", "silu");
    put_ints(object, "block_out_channels", config->block_out_channels, config->levels);
    put_bool(object, "center_input_sample", config->center_input_sample);
    put_int(object, "downsample_padding", config->downsample_padding);
    put_bool(object, "flip_sin_to_cos", config->flip_sin_to_cos);
    put_float(object, "freq_shift", config->freq_shift);
    put_int(object, "in_channels", config->in_channels);
    put_int(object, "layers_per_block", config->layers_per_block);
    put_int(object, "mid_block_scale_factor", 1);
    put_float(object, "norm_eps", config->norm_eps);
    put_int(object, "norm_num_groups", config->norm_num_groups);
    put_int(object, "out_channels", config->out_channels);
    if (config->sample_size)
        put_int(object, "sample_size", config->sample_size);
    if (config->num_class_embeds)
        put_int(object, "num_class_embeds", config->num_class_embeds);
    put_string(
        object, "resnet_time_scale_shift", config->time_scale_shift ? "scale_shift" : "default");
}

static void put_condition_unet(struct object *object, const struct unet_config *config)
{
    static const char *const down[] = {"DownBlock2D", NULL, "CrossAttnDownBlock2D"};
    static const char *const up[] = {"UpBlock2D", NULL, "CrossAttnUpBlock2D"};
    int down_kinds[CONFIG_LEVELS], up_kinds[CONFIG_LEVELS];
    for (int i = 0; i < config->levels; i++) {
        down_kinds[i] = (int)config->down_attention[i];
        up_kinds[i] = (int)config->up_attention[i];
    }
    put_ints(object, "attention_head_dim", config->attention_heads, config->levels);
    put_int(object, "cross_attention_dim", config->cross_attention_dim);
    put_blocks(object, "down_block_types", down, down_kinds, config->levels);
    put_blocks(object, "up_block_types", up, up_kinds, config->levels);
    put_ints(object, "transformer_layers_per_block", config->transformer_layers, config->levels);
    put_bool(object, "use_linear_projection", config->use_linear_projection);
}

/* One width of heads for all levels; a list, which diffusers refuses, if there is none. */
static void put_head_widths(struct object *object, const struct unet_config *config)
{
    int widths[CONFIG_LEVELS], last = config->levels - 1;
    bool same = true;
    for (int i = 0; i <= last; i++)
        widths[i] = config->block_out_channels[i] / config->attention_heads[i];
    for (int i = 0; i <= last; i++)
        same = same && (!has_attention(config, i) || widths[i] == widths[last]);
    if (same)
        put_int(object, "attention_head_dim", widths[last]);
    else
        put_ints(object, "attention_head_dim", widths, config->levels);
}

static void put_plain_unet(struct object *object, const struct unet_config *config)
{
    static const char *const down[] = {"DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"};
    static const char *const up[] = {"UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"};
    const char *sampler = config->resnet_samplers ? "resnet" : "conv";
    int down_kinds[CONFIG_LEVELS], up_kinds[CONFIG_LEVELS];
    for (int i = 0; i < config->levels; i++) {
        int plain = config->resnet_samplers ? 2 : 0;
        down_kinds[i] = config->down_attention[i] ? 1 : plain;
        up_kinds[i] = config->up_attention[i] ? 1 : plain;
    }
    put_head_widths(object, config);
    put_bool(object, "add_attention", config->middle_attention != UNET_NO_ATTENTION);
    if (config->time_scale_shift)
        put_int(object, "attn_norm_num_groups", config->norm_num_groups);
    put_blocks(object, "down_block_types", down, down_kinds, config->levels);
    put_blocks(object, "up_block_types", up, up_kinds, config->levels);
    put_string(object, "downsample_type", sampler);
    put_string(object, "upsample_type", sampler);
    put_string(object, "time_embedding_type", "positional");
}

static enum clat_status put_unet(struct object *object, const struct model *model)
{
    const struct unet_config *config = &model->unet;
    bool crossed = config->middle_attention == UNET_TRANSFORMER;
    if (crossed && (config->resnet_samplers || config->time_scale_shift))
        return status_set(CLAT_ERROR_INPUT,
            "'%s': diffusers has no UNet with cross-attention and %s", model->folder,
            config->resnet_samplers ? "resnets that resample" : "a time that scales and shifts");
    put_unet_common(object, config);
    if (crossed)
        put_condition_unet(object, config);
    else
        put_plain_unet(object, config);
    return object->status;
}

/* ---- the other components ------------------------------------------------------------------- */

static enum clat_status put_autoencoder(struct object *object, const struct model *model)
{
    static const char *const down[] = {"DownEncoderBlock2D", "AttnDownEncoderBlock2D"};
    static const char *const up[] = {"UpDecoderBlock2D", "AttnUpDecoderBlock2D"};
    const struct autoencoder_config *config = &model->autoencoder;
    int down_kinds[CONFIG_LEVELS], up_kinds[CONFIG_LEVELS];
    bool vq = config->kind == AUTOENCODER_VQ;
    if (!vq && config->z_channels != config->latent_channels)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': diffusers has no AutoencoderKL with %d z_channels and %d latent channels",
            model->folder, config->z_channels, config->latent_channels);
    for (int i = 0; i < config->levels; i++) {
        down_kinds[i] = config->down_attention[i];
        up_kinds[i] = config->up_attention[i];
    }
    put_string(object, "act_fn", "silu");
    put_ints(object, "block_out_channels", config->block_out_channels, config->levels);
    put_blocks(object, "down_block_types", down, down_kinds, config->levels);
    put_blocks(object, "up_block_types", up, up_kinds, config->levels);
    put_int(object, "in_channels", config->in_channels);
    put_int(object, "out_channels", config->out_channels);
    put_int(object, "latent_channels", config->z_channels);
    put_int(object, "layers_per_block", config->layers_per_block);
    put_bool(object, "mid_block_add_attention", config->middle_attention);
    put_int(object, "norm_num_groups", config->norm_num_groups);
    put_int(object, "sample_size", config->sample_size);
    put_float(object, "scaling_factor", config->scaling_factor);
    if (vq) {
        put_int(object, "num_vq_embeddings", config->num_vq_embeddings);
        put_int(object, "vq_embed_dim", config->latent_channels);
    }
    return object->status;
}

static void put_bert(struct object *object, const struct ldmbert_config *config)
{
    put(object, "architectures", "[\"LDMBertModel\"]");
    put_string(object, "model_type", "ldmbert");
    put_string(object, "activation_function", "gelu");
    put_int(object, "d_model", config->d_model);
    put_int(object, "encoder_attention_heads", config->heads);
    put_int(object, "encoder_ffn_dim", config->ffn_dim);
    put_int(object, "encoder_layers", config->layers);
    put_int(object, "num_hidden_layers", config->layers);
    put_int(object, "head_dim", config->head_dim);
    put_int(object, "max_position_embeddings", config->max_position_embeddings);
    put_int(object, "pad_token_id", config->pad_token_id);
    put_bool(object, "scale_embedding", false);
    put_int(object, "vocab_size", config->vocab_size);
}

static void put_condition(struct object *object, const struct model *model)
{
    if (model->task == TASK_CLASS_CONDITIONAL) {
        put_int(object, "classes", model->class_embedder.classes);
        put_int(object, "width", model->class_embedder.width);
    } else if (model->task == TASK_SEMANTIC_SYNTHESIS) {
        put_int(object, "stages", model->rescaler.stages);
        put_int(object, "in_channels", model->rescaler.in_channels);
        put_int(object, "out_channels", model->rescaler.out_channels);
        put_bool(object, "bias", model->rescaler.bias);
    } else {
        put_bert(object, &model->text_encoder);
    }
}

const char *config_text_class(const struct model *model, enum component component)
{
    if (!model_has(model, component))
        return NULL;
    if (component == COMPONENT_UNET)
        return model->unet.middle_attention == UNET_TRANSFORMER ? "UNet2DConditionModel"
                                                                : "UNet2DModel";
    if (component == COMPONENT_AUTOENCODER)
        return model->autoencoder.kind == AUTOENCODER_KL ? "AutoencoderKL" : "VQModel";
    return model->task == TASK_CLASS_CONDITIONAL    ? "ClassEmbedder"
           : model->task == TASK_SEMANTIC_SYNTHESIS ? "SpatialRescaler"
                                                    : "LDMBertModel";
}

const char *config_text_folder(const struct model *model, enum component component)
{
    if (model->task == TASK_AUTOENCODER)
        return "";
    if (component == COMPONENT_UNET)
        return "unet";
    if (component == COMPONENT_AUTOENCODER)
        return "vqvae";
    return strcmp(config_text_class(model, component), "LDMBertModel") == 0 ? "bert" : "cond_stage";
}

enum clat_status config_text_component(
    const struct model *model, enum component component, struct text *text)
{
    struct object object = {.text = text};
    put_string(&object, "_class_name", config_text_class(model, component));
    if (component == COMPONENT_CONDITION)
        put_condition(&object, model);
    else if (component == COMPONENT_UNET)
        object.status = put_unet(&object, model);
    else
        object.status = put_autoencoder(&object, model);
    return end_object(&object);
}

/* ---- scheduler and index -------------------------------------------------------------------- */

/* Settings keep scalars and flat arrays as JSON writes them, but for strings, which stand bare. */
static bool is_bare_json(const char *value)
{
    double number;
    return value[0] == '[' || strcmp(value, "true") == 0 || strcmp(value, "false") == 0 ||
           strcmp(value, "null") == 0 || text_to_double(value, &number);
}

enum clat_status config_text_scheduler(const struct model *model, struct text *text)
{
    struct object object = {.text = text};
    for (size_t i = 0; i < model->scheduler.count; i++) {
        const struct setting *setting = &model->scheduler.items[i];
        if (is_bare_json(setting->value))
            put(&object, setting->key, setting->value);
        else
            put_string(&object, setting->key, setting->value);
    }
    return end_object(&object);
}

static void put_component(
    struct object *object, const struct model *model, enum component component, const char *library)
{
    const char *class = config_text_class(model, component);
    char json[128];
    if (!class)
        return;
    snprintf(json, sizeof json, "[\"%s\", \"%s\"]", library, class);
    put(object, config_text_folder(model, component), json);
}

enum clat_status config_text_index(const struct model *model, bool tokenizer, struct text *text)
{
    static const char *const pipelines[TASKS] = {
        [TASK_TEXT_TO_IMAGE] = "LDMTextToImagePipeline",
        [TASK_SUPER_RESOLUTION] = "LDMSuperResolutionPipeline",
        [TASK_UNCONDITIONAL] = "LDMPipeline",
    };
    struct object object = {.text = text};
    bool bert = model->task == TASK_TEXT_TO_IMAGE;
    const char *pipeline = pipelines[model->task];
    const struct setting *scheduler = settings_find(&model->scheduler, "_class_name");
    char json[128];
    put_string(&object, "_class_name", pipeline ? pipeline : "DiffusionPipeline");
    if (!pipeline)
        put_string(&object, "_clatent_task", task_name(model->task));
    put_component(&object, model, COMPONENT_CONDITION, bert ? "latent_diffusion" : "clatent");
    if (bert)
        put(&object, "tokenizer",
            tokenizer ? "[\"transformers\", \"BertTokenizer\"]" : "[null, null]");
    put_component(&object, model, COMPONENT_UNET, "diffusers");
    put_component(&object, model, COMPONENT_AUTOENCODER, "diffusers");
    snprintf(json, sizeof json, "[\"diffusers\", \"%.80s\"]",
        scheduler ? scheduler->value : "DDIMScheduler");
    put(&object, "scheduler", json);
    return end_object(&object);
}
