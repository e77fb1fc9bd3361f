/* compvis_unet.c - the arguments of openaimodel.UNetModel. SPDX-License-Identifier: MIT
 *
 * attention_resolutions are factors by which the latents were halved, not sizes in pixels. Heads:
 * num_head_channels gives their width, else num_heads their count. */
#include "checkpoint/compvis.h"

static const char *const known[] = {"image_size", "in_channels", "model_channels", "out_channels",
    "num_res_blocks", "attention_resolutions", "dropout", "channel_mult", "conv_resample", "dims",
    "num_classes", "use_checkpoint", "use_fp16", "num_heads", "num_head_channels",
    "num_heads_upsample", "use_scale_shift_norm", "resblock_updown", "use_new_attention_order",
    "use_spatial_transformer", "transformer_depth", "context_dim", "n_embed", "legacy", NULL};

/* Keys of the class that change what is computed and that no published model sets. */
static enum clat_status refuse_features(const struct section *params)
{
    enum clat_status status;
    TRY(section_check_keys(params, known));
    TRY(section_expect_bool(params, "conv_resample", true));
    TRY(section_expect_int(params, "dims", 2));
    TRY(section_expect_int(params, "num_heads_upsample", -1));
    TRY(section_expect_bool(params, "use_new_attention_order", false));
    TRY(section_expect_null(params, "n_embed"));
out:
    return status;
}

static enum clat_status read_widths(const struct section *params, struct unet_config *config)
{
    int mult[CONFIG_LEVELS] = {1, 2, 4, 8}, count = 0, width = 0;
    enum clat_status status;
    TRY(section_int(params, "model_channels", 1, CONFIG_CHANNELS, &width));
    if (width % 32 || width == 0)
        return section_bad(params, "model_channels", "a multiple of 32, for 32 groups");
    TRY(section_ints(params, "channel_mult", 1, 64, mult, CONFIG_LEVELS, &count));
    if (mult[0] != 1)
        return section_bad(params, "channel_mult", "a list that begins with 1");
    config->levels = count ? count : 4;
    for (int i = 0; i < config->levels; i++)
        if ((config->block_out_channels[i] = width * mult[i]) > CONFIG_CHANNELS)
            return section_bad(params, "channel_mult", "layers of at most 65536 channels");
out:
    return status;
}

static enum clat_status read_attention(const struct section *params, struct unet_config *config)
{
    int factors[16], count = 0, last = config->levels - 1;
    bool transformers = false;
    enum clat_status status;
    TRY(section_ints(params, "attention_resolutions", 1, 1 << 20, factors, 16, &count));
    TRY(section_bool(params, "use_spatial_transformer", &transformers));
    enum unet_attention kind = transformers ? UNET_TRANSFORMER : UNET_ATTENTION;
    for (int level = 0; level <= last; level++)
        for (int i = 0; i < count; i++)
            if (factors[i] == 1 << level)
                config->down_attention[level] = config->up_attention[last - level] = kind;
    config->middle_attention = kind;
    if (transformers)
        TRY(section_int(params, "context_dim", 1, CONFIG_CHANNELS, &config->cross_attention_dim));
    if (transformers != (section_find(params, "context_dim") != NULL))
        return section_bad(
            params, "context_dim", transformers ? "the width of the context" : "null");
out:
    return status;
}

static enum clat_status read_heads(const struct section *params, struct unet_config *config)
{
    int count = -1, width = -1, depth = 1;
    enum clat_status status;
    TRY(section_int(params, "num_heads", -1, 65536, &count));
    TRY(section_int(params, "num_head_channels", -1, CONFIG_CHANNELS, &width));
    TRY(section_int(params, "transformer_depth", 1, 64, &depth));
    if (width < 1 && count < 1)
        return section_bad(params, "num_heads", "num_heads or num_head_channels");
    for (int i = 0; i < config->levels; i++) {
        int channels = config->block_out_channels[i];
        bool needed = config->down_attention[i] || i == config->levels - 1;
        if (needed && channels % (width > 0 ? width : count))
            return section_bad(params, width > 0 ? "num_head_channels" : "num_heads",
                "a divisor of the channels of every level with attention");
        config->attention_heads[i] = width < 1 ? count : channels < width ? 1 : channels / width;
        config->transformer_layers[i] = depth;
    }
out:
    return status;
}

enum clat_status compvis_read_unet(const struct section *params, struct unet_config *config)
{
    enum clat_status status;
    *config = (struct unet_config){
        .downsample_padding = 1, .norm_num_groups = 32, .norm_eps = 1e-5f, .flip_sin_to_cos = true};
    TRY(refuse_features(params));
    TRY(section_int(params, "image_size", 1, 8192, &config->sample_size));
    TRY(section_int(params, "in_channels", 1, 1024, &config->in_channels));
    TRY(section_int(params, "out_channels", 1, 1024, &config->out_channels));
    TRY(section_int(params, "num_res_blocks", 1, 16, &config->layers_per_block));
    TRY(section_int(params, "num_classes", 1, 1 << 24, &config->num_class_embeds));
    TRY(section_bool(params, "use_scale_shift_norm", &config->time_scale_shift));
    TRY(section_bool(params, "resblock_updown", &config->resnet_samplers));
    if (!config->in_channels || !config->out_channels || !config->layers_per_block)
        return section_bad(params,
            !config->in_channels    ? "in_channels"
            : !config->out_channels ? "out_channels"
                                    : "num_res_blocks",
            "a number");
    TRY(read_widths(params, config));
    TRY(read_attention(params, config));
    TRY(read_heads(params, config));
out:
    return status;
}
