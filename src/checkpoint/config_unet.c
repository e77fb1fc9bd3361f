/* config_unet.c - the json file of a UNet. SPDX-License-Identifier: MIT
 *
 * Two classes, one struct. They differ in their defaults and in what attention_head_dim means: in
 * UNet2DConditionModel the COUNT of heads, in UNet2DModel the width of one. */
#include "checkpoint/config.h"
#include "checkpoint/field.h"
#include "formats/json.h"

#include <string.h>

static const struct unet_config condition_defaults = {
    .in_channels = 4,
    .out_channels = 4,
    .levels = 4,
    .block_out_channels = {320, 640, 1280, 1280},
    .down_attention = {UNET_TRANSFORMER, UNET_TRANSFORMER, UNET_TRANSFORMER},
    .up_attention = {UNET_NO_ATTENTION, UNET_TRANSFORMER, UNET_TRANSFORMER, UNET_TRANSFORMER},
    .middle_attention = UNET_TRANSFORMER,
    .attention_heads = {8, 8, 8, 8, 8, 8, 8, 8},
    .transformer_layers = {1, 1, 1, 1, 1, 1, 1, 1},
    .layers_per_block = 2,
    .cross_attention_dim = 1280,
    .downsample_padding = 1,
    .norm_num_groups = 32,
    .norm_eps = 1e-5f,
    .flip_sin_to_cos = true,
};

static const struct unet_config plain_defaults = {
    .in_channels = 3,
    .out_channels = 3,
    .levels = 4,
    .block_out_channels = {224, 448, 672, 896},
    .down_attention = {UNET_NO_ATTENTION, UNET_ATTENTION, UNET_ATTENTION, UNET_ATTENTION},
    .up_attention = {UNET_ATTENTION, UNET_ATTENTION, UNET_ATTENTION},
    .middle_attention = UNET_ATTENTION,
    .layers_per_block = 2,
    .downsample_padding = 1,
    .norm_num_groups = 32,
    .norm_eps = 1e-5f,
    .flip_sin_to_cos = true,
};

/* ---- what both classes share ---------------------------------------------------------------- */

/* Keys of later models that change what is computed. */
static enum clat_status refuse_features(const struct json *document)
{
    static const char *const must_be_null[] = {"class_embed_type", "addition_embed_type",
        "encoder_hid_dim", "encoder_hid_dim_type", "time_embedding_act_fn", "timestep_post_act",
        "time_cond_proj_dim", "cross_attention_norm", "num_attention_heads", "time_embedding_dim",
        "reverse_transformer_layers_per_block"};
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < sizeof must_be_null / sizeof *must_be_null; i++)
        TRY(field_expect_null(document, must_be_null[i]));
    TRY(field_expect_string(document, "act_fn", "silu"));
    TRY(field_expect_string(document, "time_embedding_type", "positional"));
    TRY(field_expect_string(document, "attention_type", "default"));
    TRY(field_refuse_null(document, "mid_block_type"));
    TRY(field_refuse_null(document, "norm_num_groups"));
    TRY(field_expect_bool(document, "mid_block_only_cross_attention", false));
    TRY(field_expect_bool(document, "dual_cross_attention", false));
    TRY(field_expect_bool(document, "only_cross_attention", false));
    TRY(field_expect_bool(document, "resnet_skip_time_act", false));
    TRY(field_expect_bool(document, "class_embeddings_concat", false));
    TRY(field_expect_number(document, "mid_block_scale_factor", 1));
    TRY(field_expect_number(document, "resnet_out_scale_factor", 1));
    TRY(field_expect_number(document, "conv_in_kernel", 3));
    TRY(field_expect_number(document, "conv_out_kernel", 3));
out:
    return status;
}

static enum clat_status read_scale_shift(const struct json *document, struct unet_config *config)
{
    const char *found = "default";
    enum clat_status status = json_get_string(document, "resnet_time_scale_shift", &found);
    config->time_scale_shift = strcmp(found, "scale_shift") == 0;
    if (status == CLAT_OK && !config->time_scale_shift && strcmp(found, "default") != 0)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': key 'resnet_time_scale_shift': expected default or scale_shift, found %s",
            json_file(document), found);
    return status;
}

static enum clat_status read_common(const struct json *document, struct unet_config *config)
{
    enum clat_status status;
    TRY(refuse_features(document));
    TRY(field_levels(document, config->block_out_channels, &config->levels));
    TRY(field_groups(
        document, config->block_out_channels, config->levels, &config->norm_num_groups));
    TRY(read_scale_shift(document, config));
    TRY(json_get_int(document, "sample_size", 1, 8192, &config->sample_size));
    TRY(json_get_int(document, "in_channels", 1, 1024, &config->in_channels));
    TRY(json_get_int(document, "out_channels", 1, 1024, &config->out_channels));
    TRY(json_get_int(document, "layers_per_block", 1, 16, &config->layers_per_block));
    TRY(json_get_int(document, "downsample_padding", 0, 1, &config->downsample_padding));
    TRY(json_get_int(document, "num_class_embeds", 1, 1 << 24, &config->num_class_embeds));
    TRY(json_get_float(document, "norm_eps", 1e-12, 1, &config->norm_eps));
    TRY(json_get_bool(document, "flip_sin_to_cos", &config->flip_sin_to_cos));
    TRY(json_get_float(document, "freq_shift", -1, 1, &config->freq_shift));
    TRY(json_get_bool(document, "center_input_sample", &config->center_input_sample));
    if (config->block_out_channels[0] % 2)
        FAIL(CLAT_ERROR_INPUT, "'%s': block_out_channels: the first must be even, found %d",
            json_file(document), config->block_out_channels[0]);
out:
    return status;
}

/* The middle block takes the heads of the last level, and up blocks those of their level reversed.
 */
static bool has_attention(const struct unet_config *config, int level)
{
    return config->down_attention[level] || config->up_attention[config->levels - 1 - level] ||
           (level == config->levels - 1 && config->middle_attention);
}

/* ---- UNet2DConditionModel ------------------------------------------------------------------- */

/* One integer for all levels, or a list. */
static enum clat_status read_per_level(const struct json *document, const char *key, int highest,
    const struct unet_config *config, int values[CONFIG_LEVELS])
{
    int value = values[0], count = 0;
    enum clat_status status;
    if (json_kind(json_member(json_root(document), key)) == KIND_ARRAY) {
        TRY(field_ints(document, key, highest, values, &count));
        if (count != config->levels)
            return field_wrong_count(document, key, config->levels, (size_t)count);
        return CLAT_OK;
    }
    TRY(json_get_int(document, key, 1, highest, &value));
    for (int i = 0; i < config->levels; i++)
        values[i] = value;
out:
    return status;
}

static enum clat_status check_heads(const struct json *document, const struct unet_config *config)
{
    for (int i = 0; i < config->levels; i++)
        if (has_attention(config, i) && config->block_out_channels[i] % config->attention_heads[i])
            return status_set(CLAT_ERROR_INPUT,
                "'%s': %d channels of level %d cannot be shared by %d attention heads",
                json_file(document), config->block_out_channels[i], i, config->attention_heads[i]);
    return CLAT_OK;
}

/* The reference accepts nothing but null for num_attention_heads. */
static enum clat_status read_condition(const struct json *document, struct unet_config *config)
{
    static const struct field_type down[] = {
        {"DownBlock2D", UNET_NO_ATTENTION}, {"CrossAttnDownBlock2D", UNET_TRANSFORMER}, {NULL, 0}};
    static const struct field_type up[] = {
        {"UpBlock2D", UNET_NO_ATTENTION}, {"CrossAttnUpBlock2D", UNET_TRANSFORMER}, {NULL, 0}};
    int down_kinds[CONFIG_LEVELS], up_kinds[CONFIG_LEVELS], count = condition_defaults.levels;
    enum clat_status status;
    for (int i = 0; i < CONFIG_LEVELS; i++) {
        down_kinds[i] = condition_defaults.down_attention[i];
        up_kinds[i] = condition_defaults.up_attention[i];
    }
    TRY(field_blocks(document, "down_block_types", config->levels, count, down, down_kinds));
    TRY(field_blocks(document, "up_block_types", config->levels, count, up, up_kinds));
    for (int i = 0; i < config->levels; i++) {
        config->down_attention[i] = (enum unet_attention)down_kinds[i];
        config->up_attention[i] = (enum unet_attention)up_kinds[i];
    }
    TRY(field_expect_string(document, "mid_block_type", "UNetMidBlock2DCrossAttn"));
    TRY(read_per_level(
        document, "attention_head_dim", CONFIG_CHANNELS, config, config->attention_heads));
    TRY(read_per_level(
        document, "transformer_layers_per_block", 64, config, config->transformer_layers));
    TRY(check_heads(document, config));
    TRY(json_get_int(
        document, "cross_attention_dim", 1, CONFIG_CHANNELS, &config->cross_attention_dim));
    TRY(json_get_bool(document, "use_linear_projection", &config->use_linear_projection));
out:
    return status;
}

/* ---- UNet2DModel ---------------------------------------------------------------------------- */

/* What a block type says about a level. */
enum plain_block { BLOCK_PLAIN, BLOCK_ATTENTION, BLOCK_RESNET_SAMPLER };

/* Blocks with attention resample as downsample_type or upsample_type says, the others as their own
 * name does; the last block of a way has no sampler. All samplers of a UNet must be of one kind. */
static enum clat_status read_way(const struct json *document, const char *blocks_key,
    const char *sampler_key, const struct field_type *types, struct unet_config *config,
    enum unet_attention attention[CONFIG_LEVELS], int *resnet_samplers)
{
    int kinds[CONFIG_LEVELS], count = plain_defaults.levels;
    const char *sampler = "conv";
    enum clat_status status;
    for (int i = 0; i < count; i++)
        kinds[i] = attention[i] ? BLOCK_ATTENTION : BLOCK_PLAIN;
    TRY(field_blocks(document, blocks_key, config->levels, count, types, kinds));
    TRY(json_get_string(document, sampler_key, &sampler));
    bool by_resnet = strcmp(sampler, "resnet") == 0;
    if (!by_resnet && strcmp(sampler, "conv") != 0)
        FAIL(CLAT_ERROR_INPUT, "'%s': key '%s': expected conv or resnet, found %s",
            json_file(document), sampler_key, sampler);
    for (int i = 0; i < config->levels; i++) {
        int resnet = kinds[i] == BLOCK_ATTENTION ? by_resnet : kinds[i] == BLOCK_RESNET_SAMPLER;
        attention[i] = kinds[i] == BLOCK_ATTENTION ? UNET_ATTENTION : UNET_NO_ATTENTION;
        if (i < config->levels - 1 && *resnet_samplers >= 0 && resnet != *resnet_samplers)
            FAIL(CLAT_ERROR_INPUT,
                "'%s': key '%s': blocks that resample by convolution cannot be mixed with blocks "
                "that resample by a resnet",
                json_file(document), blocks_key);
        if (i < config->levels - 1)
            *resnet_samplers = resnet;
    }
out:
    return status;
}

/* One width for all levels; null: the level has one head. A list is ours: it gives the levels of
 * CompVis' UNets with a fixed number of heads, for which the class has no words. */
static enum clat_status read_widths(
    const struct json *document, const struct unet_config *config, int widths[CONFIG_LEVELS])
{
    const char *key = "attention_head_dim";
    enum json_kind kind = json_kind(json_member(json_root(document), key));
    int width = kind == KIND_NULL ? 0 : 8, count = 0;
    enum clat_status status;
    if (kind == KIND_ARRAY) {
        TRY(field_ints(document, key, CONFIG_CHANNELS, widths, &count));
        if (count != config->levels)
            return field_wrong_count(document, key, config->levels, (size_t)count);
        return CLAT_OK;
    }
    TRY(json_get_int(document, key, 1, CONFIG_CHANNELS, &width));
    for (int i = 0; i < config->levels; i++)
        widths[i] = width ? width : config->block_out_channels[i];
out:
    return status;
}

static enum clat_status read_head_width(const struct json *document, struct unet_config *config)
{
    int widths[CONFIG_LEVELS];
    enum clat_status status;
    TRY(read_widths(document, config, widths));
    for (int i = 0; i < config->levels; i++) {
        int channels = config->block_out_channels[i], head = widths[i];
        config->attention_heads[i] = channels / head;
        if (has_attention(config, i) && channels % head)
            FAIL(CLAT_ERROR_INPUT,
                "'%s': %d channels of level %d cannot be shared by attention heads of width %d",
                json_file(document), channels, i, head);
        if (config->attention_heads[i] == 0)
            config->attention_heads[i] = 1; /* of a level without attention */
    }
out:
    return status;
}

/* With scale_shift and no attn_norm_num_groups the reference leaves out the middle's group norm. */
static enum clat_status check_middle(const struct json *document, const struct unet_config *config)
{
    const char *key = "attn_norm_num_groups";
    if (config->time_scale_shift && config->middle_attention &&
        json_kind(json_member(json_root(document), key)) != KIND_INTEGER)
        return status_set(CLAT_ERROR_INPUT,
            "'%s': key '%s': expected %d (norm_num_groups), since resnet_time_scale_shift is "
            "scale_shift",
            json_file(document), key, config->norm_num_groups);
    return field_expect_number(document, key, config->norm_num_groups);
}

static enum clat_status read_plain(const struct json *document, struct unet_config *config)
{
    static const struct field_type down[] = {{"DownBlock2D", BLOCK_PLAIN},
        {"AttnDownBlock2D", BLOCK_ATTENTION}, {"ResnetDownsampleBlock2D", BLOCK_RESNET_SAMPLER},
        {NULL, 0}};
    static const struct field_type up[] = {{"UpBlock2D", BLOCK_PLAIN},
        {"AttnUpBlock2D", BLOCK_ATTENTION}, {"ResnetUpsampleBlock2D", BLOCK_RESNET_SAMPLER},
        {NULL, 0}};
    int resnet_samplers = -1; /* not known yet */
    bool middle = true;
    enum clat_status status;
    TRY(read_way(document, "down_block_types", "downsample_type", down, config,
        config->down_attention, &resnet_samplers));
    TRY(read_way(document, "up_block_types", "upsample_type", up, config, config->up_attention,
        &resnet_samplers));
    config->resnet_samplers = resnet_samplers == 1;
    TRY(field_expect_string(document, "mid_block_type", "UNetMidBlock2D"));
    TRY(json_get_bool(document, "add_attention", &middle));
    config->middle_attention = middle ? UNET_ATTENTION : UNET_NO_ATTENTION;
    TRY(read_head_width(document, config));
    TRY(check_middle(document, config));
out:
    return status;
}

/* ---- either --------------------------------------------------------------------------------- */

enum clat_status config_read_unet(const char *path, struct unet_config *config)
{
    struct json *document = NULL;
    const char *class = "UNet2DConditionModel";
    enum clat_status status;
    *config = condition_defaults;
    TRY(json_open(path, CONFIG_BYTES, &document));
    TRY(json_get_string(document, "_class_name", &class));
    bool plain = strcmp(class, "UNet2DModel") == 0;
    if (!plain && strcmp(class, "UNet2DConditionModel") != 0)
        FAIL(CLAT_ERROR_INPUT,
            "'%s': key '_class_name': expected UNet2DConditionModel or UNet2DModel, found %s", path,
            class);
    *config = plain ? plain_defaults : condition_defaults;
    TRY(read_common(document, config));
    TRY(plain ? read_plain(document, config) : read_condition(document, config));
out:
    json_close(document);
    return status;
}
