/* config.c - the json files of a model as structs, checked. SPDX-License-Identifier: MIT
 *
 * Every reader starts from a table of the class defaults of diffusers or transformers, replaces
 * what the file gives, and refuses what the networks here do not compute: a wrong picture is worse
 * than a sentence. */
#include "checkpoint/config.h"
#include "base/file.h"
#include "checkpoint/field.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

#define JSON_LIMIT ((size_t)1 << 20)
#define CHANNELS 65536 /* widest layer */

/* Group norm needs whole groups at every width. */
static enum clat_status check_groups(
    const struct json *document, const int *channels, int levels, int groups)
{
    for (int i = 0; i < levels; i++)
        if (channels[i] % groups)
            return status_set(CLAT_ERROR_INPUT,
                "'%s': block_out_channels: %d is not a multiple of norm_num_groups, %d",
                json_file(document), channels[i], groups);
    return CLAT_OK;
}

/* ---- model_index.json ----------------------------------------------------------------------- */

/* A component is ["library", "Class"], or [null, null] if the pipeline was saved without it. */
static enum clat_status read_class(
    const struct json *document, const char *key, char *field, size_t size)
{
    const struct json_t *value = json_member(json_root(document), key);
    if (json_kind(value) == KIND_ABSENT || json_kind(value) == KIND_NULL)
        return CLAT_OK;
    if (json_kind(value) != KIND_ARRAY || json_count(value) != 2)
        return field_bad_list(document, key, "a list of library and class", value);
    const struct json_t *name = json_item(value, 1);
    if (json_kind(name) == KIND_NULL)
        return CLAT_OK;
    if (!json_as_string(name))
        return field_bad_list(document, key, "the name of a class", name);
    return field_copy(document, key, json_as_string(name), field, size);
}

/* The component under the first of two keys that the file has; `folder` gets that key. */
static enum clat_status read_either(const struct json *document, const char *first,
    const char *second, char *field, size_t size, char folder[16])
{
    const char *key =
        json_kind(json_member(json_root(document), first)) != KIND_ABSENT ? first : second;
    strcpy(folder, key);
    return read_class(document, key, field, size);
}

enum clat_status config_read_model_index(const char *model, struct model_index *index)
{
    struct json *document = NULL;
    char *path = NULL;
    const char *pipeline = "";
    enum clat_status status;
    memset(index, 0, sizeof *index);
    if (!file_is_directory(model))
        return status_set(CLAT_ERROR_INPUT, "there is no model folder '%s'", model);
    TRY(file_join(model, "model_index.json", &path));
    TRY(json_open(path, JSON_LIMIT, &document));
    TRY(json_get_string(document, "_class_name", &pipeline));
    TRY(field_copy(document, "_class_name", pipeline, index->pipeline, sizeof index->pipeline));
    TRY(read_class(document, "unet", index->unet, sizeof index->unet));
    TRY(read_class(document, "tokenizer", index->tokenizer, sizeof index->tokenizer));
    TRY(read_class(document, "scheduler", index->scheduler, sizeof index->scheduler));
    TRY(read_either(document, "vqvae", "vae", index->autoencoder, sizeof index->autoencoder,
        index->autoencoder_folder));
    TRY(read_either(document, "bert", "text_encoder", index->text_encoder,
        sizeof index->text_encoder, index->text_encoder_folder));
out:
    json_close(document);
    free(path);
    return status;
}

/* ---- UNet2DConditionModel ------------------------------------------------------------------- */

static const struct unet_config unet_defaults = {
    .in_channels = 4,
    .out_channels = 4,
    .levels = 4,
    .block_out_channels = {320, 640, 1280, 1280},
    .down_attention = {true, true, true, false},
    .up_attention = {false, true, true, true},
    .attention_heads = {8, 8, 8, 8, 8, 8, 8, 8},
    .layers_per_block = 2,
    .cross_attention_dim = 1280,
    .norm_num_groups = 32,
    .norm_eps = 1e-5f,
    .flip_sin_to_cos = true,
};

/* Keys of later models that change what is computed. */
static enum clat_status refuse_unet_features(const struct json *document)
{
    static const char *const must_be_null[] = {"class_embed_type", "num_class_embeds",
        "addition_embed_type", "encoder_hid_dim", "encoder_hid_dim_type", "time_embedding_act_fn",
        "timestep_post_act", "time_cond_proj_dim", "cross_attention_norm", "num_attention_heads",
        "time_embedding_dim", "reverse_transformer_layers_per_block"};
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < sizeof must_be_null / sizeof *must_be_null; i++)
        TRY(field_expect_null(document, must_be_null[i]));
    TRY(field_expect_string(document, "_class_name", "UNet2DConditionModel"));
    TRY(field_expect_string(document, "act_fn", "silu"));
    TRY(field_expect_string(document, "mid_block_type", "UNetMidBlock2DCrossAttn"));
    TRY(field_expect_string(document, "time_embedding_type", "positional"));
    TRY(field_expect_string(document, "resnet_time_scale_shift", "default"));
    TRY(field_expect_string(document, "attention_type", "default"));
    TRY(field_refuse_null(document, "mid_block_type"));
    TRY(field_refuse_null(document, "norm_num_groups"));
    TRY(field_expect_bool(document, "mid_block_only_cross_attention", false));
    TRY(field_expect_bool(document, "dual_cross_attention", false));
    TRY(field_expect_bool(document, "only_cross_attention", false));
    TRY(field_expect_bool(document, "resnet_skip_time_act", false));
    TRY(field_expect_bool(document, "class_embeddings_concat", false));
    TRY(field_expect_number(document, "downsample_padding", 1));
    TRY(field_expect_number(document, "mid_block_scale_factor", 1));
    TRY(field_expect_number(document, "resnet_out_scale_factor", 1));
    TRY(field_expect_number(document, "conv_in_kernel", 3));
    TRY(field_expect_number(document, "conv_out_kernel", 3));
    TRY(field_expect_number(document, "transformer_layers_per_block", 1));
out:
    return status;
}

/* Heads per level: one integer for all, or a list. The reference reads attention_head_dim as the
 * COUNT of heads, and accepts nothing but null for num_attention_heads. */
static enum clat_status read_heads(const struct json *document, struct unet_config *config)
{
    const char *key = "attention_head_dim";
    int heads = config->attention_heads[0], count = 0;
    enum clat_status status;
    if (json_kind(json_member(json_root(document), key)) == KIND_ARRAY) {
        TRY(field_ints(document, key, CHANNELS, config->attention_heads, &count));
        if (count != config->levels)
            return field_wrong_count(document, key, config->levels, (size_t)count);
        return CLAT_OK;
    }
    TRY(json_get_int(document, key, 1, CHANNELS, &heads));
    for (int i = 0; i < config->levels; i++)
        config->attention_heads[i] = heads;
out:
    return status;
}

static enum clat_status read_levels(
    const struct json *document, int channels[CONFIG_LEVELS], int *levels)
{
    int count;
    enum clat_status status =
        field_ints(document, "block_out_channels", CHANNELS, channels, &count);
    if (status == CLAT_OK && count)
        *levels = count;
    return status;
}

static enum clat_status read_unet_blocks(const struct json *document, struct unet_config *config)
{
    enum clat_status status;
    TRY(read_levels(document, config->block_out_channels, &config->levels));
    TRY(field_blocks(document, "down_block_types", config->levels, unet_defaults.levels,
        "DownBlock2D", "CrossAttnDownBlock2D", config->down_attention));
    TRY(field_blocks(document, "up_block_types", config->levels, unet_defaults.levels, "UpBlock2D",
        "CrossAttnUpBlock2D", config->up_attention));
    TRY(read_heads(document, config));
    TRY(json_get_int(document, "norm_num_groups", 1, CHANNELS, &config->norm_num_groups));
    TRY(check_groups(
        document, config->block_out_channels, config->levels, config->norm_num_groups));
out:
    return status;
}

/* The middle block takes the heads of the last level, and up blocks those of their level reversed.
 */
static enum clat_status check_heads(const struct json *document, const struct unet_config *config)
{
    for (int i = 0; i < config->levels; i++) {
        bool used = config->down_attention[i] || config->up_attention[config->levels - 1 - i] ||
                    i == config->levels - 1;
        if (used && config->block_out_channels[i] % config->attention_heads[i])
            return status_set(CLAT_ERROR_INPUT,
                "'%s': %d channels of level %d cannot be shared by %d attention heads",
                json_file(document), config->block_out_channels[i], i, config->attention_heads[i]);
    }
    return CLAT_OK;
}

enum clat_status config_read_unet(const char *path, struct unet_config *config)
{
    struct json *document = NULL;
    enum clat_status status;
    *config = unet_defaults;
    TRY(json_open(path, JSON_LIMIT, &document));
    TRY(refuse_unet_features(document));
    TRY(json_get_int(document, "sample_size", 1, 8192, &config->sample_size));
    TRY(json_get_int(document, "in_channels", 1, 1024, &config->in_channels));
    TRY(json_get_int(document, "out_channels", 1, 1024, &config->out_channels));
    TRY(read_unet_blocks(document, config));
    TRY(check_heads(document, config));
    TRY(json_get_int(document, "layers_per_block", 1, 16, &config->layers_per_block));
    TRY(json_get_int(document, "cross_attention_dim", 1, CHANNELS, &config->cross_attention_dim));
    TRY(json_get_float(document, "norm_eps", 1e-12, 1, &config->norm_eps));
    TRY(json_get_bool(document, "flip_sin_to_cos", &config->flip_sin_to_cos));
    TRY(json_get_float(document, "freq_shift", -1, 1, &config->freq_shift));
    TRY(json_get_bool(document, "center_input_sample", &config->center_input_sample));
    TRY(json_get_bool(document, "use_linear_projection", &config->use_linear_projection));
    if (config->block_out_channels[0] % 2)
        FAIL(CLAT_ERROR_INPUT, "'%s': block_out_channels: the first must be even, found %d", path,
            config->block_out_channels[0]);
out:
    json_close(document);
    return status;
}

/* ---- AutoencoderKL -------------------------------------------------------------------------- */

static const struct autoencoder_config autoencoder_defaults = {
    .in_channels = 3,
    .out_channels = 3,
    .latent_channels = 4,
    .levels = 1,
    .block_out_channels = {64},
    .layers_per_block = 1,
    .norm_num_groups = 32,
    .sample_size = 32,
    .scaling_factor = 0.18215f,
};

static enum clat_status refuse_autoencoder_features(
    const struct json *document, const struct autoencoder_config *config)
{
    bool attention[CONFIG_LEVELS];
    enum clat_status status;
    TRY(field_expect_string(document, "_class_name", "AutoencoderKL"));
    TRY(field_expect_string(document, "act_fn", "silu"));
    TRY(field_expect_bool(document, "use_quant_conv", true));
    TRY(field_expect_bool(document, "use_post_quant_conv", true));
    TRY(field_expect_bool(document, "mid_block_add_attention", true));
    TRY(field_expect_null(document, "shift_factor"));
    TRY(field_expect_null(document, "latents_mean"));
    TRY(field_expect_null(document, "latents_std"));
    TRY(field_blocks(document, "down_block_types", config->levels, autoencoder_defaults.levels,
        "DownEncoderBlock2D", NULL, attention));
    TRY(field_blocks(document, "up_block_types", config->levels, autoencoder_defaults.levels,
        "UpDecoderBlock2D", NULL, attention));
out:
    return status;
}

enum clat_status config_read_autoencoder(const char *path, struct autoencoder_config *config)
{
    struct json *document = NULL;
    enum clat_status status;
    *config = autoencoder_defaults;
    TRY(json_open(path, JSON_LIMIT, &document));
    TRY(read_levels(document, config->block_out_channels, &config->levels));
    TRY(refuse_autoencoder_features(document, config));
    TRY(json_get_int(document, "in_channels", 1, 1024, &config->in_channels));
    TRY(json_get_int(document, "out_channels", 1, 1024, &config->out_channels));
    TRY(json_get_int(document, "latent_channels", 1, 1024, &config->latent_channels));
    TRY(json_get_int(document, "layers_per_block", 1, 16, &config->layers_per_block));
    TRY(json_get_int(document, "norm_num_groups", 1, CHANNELS, &config->norm_num_groups));
    TRY(json_get_int(document, "sample_size", 1, 65536, &config->sample_size));
    TRY(json_get_float(document, "scaling_factor", 1e-6, 1e6, &config->scaling_factor));
    TRY(check_groups(
        document, config->block_out_channels, config->levels, config->norm_num_groups));
out:
    json_close(document);
    return status;
}

/* ---- LDMBertModel --------------------------------------------------------------------------- */

static const struct ldmbert_config ldmbert_defaults = {
    .vocab_size = 30522,
    .max_position_embeddings = 77,
    .layers = 32,
    .heads = 8,
    .head_dim = 64,
    .d_model = 1280,
    .ffn_dim = 5120,
};

enum clat_status config_read_ldmbert(const char *path, struct ldmbert_config *config)
{
    struct json *document = NULL;
    enum clat_status status;
    *config = ldmbert_defaults;
    TRY(json_open(path, JSON_LIMIT, &document));
    TRY(field_expect_string(document, "model_type", "ldmbert"));
    TRY(field_expect_string(document, "activation_function", "gelu"));
    TRY(field_expect_bool(document, "scale_embedding", false));
    TRY(json_get_int(document, "vocab_size", 1, 1 << 24, &config->vocab_size));
    TRY(json_get_int(
        document, "max_position_embeddings", 2, 65536, &config->max_position_embeddings));
    TRY(json_get_int(document, "encoder_layers", 1, 256, &config->layers));
    TRY(json_get_int(document, "encoder_attention_heads", 1, 1024, &config->heads));
    TRY(json_get_int(document, "head_dim", 1, 1024, &config->head_dim));
    TRY(json_get_int(document, "d_model", 1, CHANNELS, &config->d_model));
    TRY(json_get_int(document, "encoder_ffn_dim", 1, 1 << 20, &config->ffn_dim));
    TRY(json_get_int(document, "pad_token_id", 0, config->vocab_size - 1, &config->pad_token_id));
out:
    json_close(document);
    return status;
}

/* ---- BertTokenizer -------------------------------------------------------------------------- */

static const struct tokenizer_config tokenizer_defaults = {
    .do_lower_case = true,
    .tokenize_chinese_chars = true,
    .strip_accents = -1,
};

static enum clat_status read_strip_accents(const struct json *document, int *strip_accents)
{
    bool strip = false;
    const struct json_t *value = json_member(json_root(document), "strip_accents");
    enum clat_status status = json_get_bool(document, "strip_accents", &strip);
    if (json_kind(value) == KIND_BOOLEAN)
        *strip_accents = strip;
    return status;
}

enum clat_status config_read_tokenizer(const char *folder, struct tokenizer_config *config)
{
    struct json *document = NULL;
    char *path = NULL;
    enum clat_status status;
    *config = tokenizer_defaults;
    TRY(file_join(folder, "tokenizer_config.json", &path));
    if (!file_exists(path))
        goto out;
    TRY(json_open(path, JSON_LIMIT, &document));
    TRY(json_get_bool(document, "do_lower_case", &config->do_lower_case));
    TRY(json_get_bool(document, "tokenize_chinese_chars", &config->tokenize_chinese_chars));
    TRY(read_strip_accents(document, &config->strip_accents));
    TRY(field_expect_bool(document, "do_basic_tokenize", true));
out:
    json_close(document);
    free(path);
    return status;
}

/* ---- scheduler_config.json ------------------------------------------------------------------ */

static enum clat_status read_settings(const struct json *document, struct settings *settings)
{
    void *place = NULL;
    const char *key;
    char *text;
    const struct json_t *value;
    while (json_next(json_root(document), &place, &key, &value)) {
        if (key[0] == '_' && strcmp(key, "_class_name") != 0)
            continue;
        enum clat_status status = json_text(value, &text);
        if (status != CLAT_OK)
            return status;
        status = settings_set(settings, key, text, json_file(document));
        free(text);
        if (status != CLAT_OK)
            return status;
    }
    return CLAT_OK;
}

enum clat_status config_read_scheduler(const char *path, struct settings *settings)
{
    struct json *document = NULL;
    enum clat_status status;
    TRY(json_open(path, JSON_LIMIT, &document));
    TRY(read_settings(document, settings));
out:
    json_close(document);
    return status;
}
