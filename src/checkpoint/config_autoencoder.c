/* config_autoencoder.c - the json file of an autoencoder. SPDX-License-Identifier: MIT
 *
 * AutoencoderKL and VQModel differ in what stands between encoder and decoder: a distribution, or a
 * codebook. The published VQ models were trained on latents as they are: without a key, their
 * scaling factor is 1, though the class of today would say 0.18215. */
#include "checkpoint/config.h"
#include "checkpoint/field.h"
#include "formats/json.h"

#include <string.h>

static const struct autoencoder_config kl_defaults = {
    .kind = AUTOENCODER_KL,
    .in_channels = 3,
    .out_channels = 3,
    .latent_channels = 4,
    .z_channels = 4,
    .levels = 1,
    .block_out_channels = {64},
    .middle_attention = true,
    .layers_per_block = 1,
    .norm_num_groups = 32,
    .sample_size = 32,
    .scaling_factor = 0.18215f,
};

static const struct autoencoder_config vq_defaults = {
    .kind = AUTOENCODER_VQ,
    .in_channels = 3,
    .out_channels = 3,
    .latent_channels = 3,
    .z_channels = 3,
    .num_vq_embeddings = 256,
    .levels = 1,
    .block_out_channels = {64},
    .middle_attention = true,
    .layers_per_block = 1,
    .norm_num_groups = 32,
    .sample_size = 32,
    .scaling_factor = 1,
};

static enum clat_status refuse_features(const struct json *document)
{
    enum clat_status status;
    TRY(field_expect_string(document, "act_fn", "silu"));
    TRY(field_expect_string(document, "norm_type", "group"));
    TRY(field_expect_bool(document, "use_quant_conv", true));
    TRY(field_expect_bool(document, "use_post_quant_conv", true));
    TRY(field_expect_bool(document, "lookup_from_codebook", false));
    TRY(field_expect_null(document, "shift_factor"));
    TRY(field_expect_null(document, "latents_mean"));
    TRY(field_expect_null(document, "latents_std"));
out:
    return status;
}

static enum clat_status choose_class(const struct json *document, struct autoencoder_config *config)
{
    const char *class = "AutoencoderKL";
    enum clat_status status;
    TRY(json_get_string(document, "_class_name", &class));
    if (strcmp(class, "AutoencoderKL") == 0)
        *config = kl_defaults;
    else if (strcmp(class, "VQModel") == 0)
        *config = vq_defaults;
    else
        FAIL(CLAT_ERROR_INPUT,
            "'%s': key '_class_name': expected AutoencoderKL or VQModel, found %s",
            json_file(document), class);
out:
    return status;
}

static enum clat_status read_blocks(const struct json *document, const char *key, const char *plain,
    const char *with_attention, int levels, bool attention[CONFIG_LEVELS])
{
    const struct field_type types[] = {{plain, false}, {with_attention, true}, {NULL, 0}};
    int kinds[CONFIG_LEVELS] = {0};
    enum clat_status status = field_blocks(document, key, levels, kl_defaults.levels, types, kinds);
    for (int i = 0; i < levels; i++)
        attention[i] = kinds[i];
    return status;
}

static enum clat_status read_levels(const struct json *document, struct autoencoder_config *config)
{
    enum clat_status status;
    TRY(field_levels(document, config->block_out_channels, &config->levels));
    TRY(read_blocks(document, "down_block_types", "DownEncoderBlock2D", "AttnDownEncoderBlock2D",
        config->levels, config->down_attention));
    TRY(read_blocks(document, "up_block_types", "UpDecoderBlock2D", "AttnUpDecoderBlock2D",
        config->levels, config->up_attention));
    TRY(json_get_bool(document, "mid_block_add_attention", &config->middle_attention));
    TRY(json_get_int(document, "layers_per_block", 1, 16, &config->layers_per_block));
    TRY(field_groups(
        document, config->block_out_channels, config->levels, &config->norm_num_groups));
out:
    return status;
}

static enum clat_status read_latents(const struct json *document, struct autoencoder_config *config)
{
    enum clat_status status;
    TRY(json_get_int(document, "latent_channels", 1, 1024, &config->z_channels));
    config->latent_channels = config->z_channels;
    if (config->kind == AUTOENCODER_VQ) {
        TRY(json_get_int(document, "vq_embed_dim", 1, 1024, &config->latent_channels));
        TRY(json_get_int(document, "num_vq_embeddings", 1, 1 << 24, &config->num_vq_embeddings));
    }
    config->scaling_given = json_member(json_root(document), "scaling_factor") != NULL;
    TRY(json_get_float(document, "scaling_factor", 1e-6, 1e6, &config->scaling_factor));
out:
    return status;
}

enum clat_status config_read_autoencoder(const char *path, struct autoencoder_config *config)
{
    struct json *document = NULL;
    enum clat_status status;
    *config = kl_defaults;
    TRY(json_open(path, CONFIG_BYTES, &document));
    TRY(choose_class(document, config));
    TRY(refuse_features(document));
    TRY(read_levels(document, config));
    TRY(read_latents(document, config));
    TRY(json_get_int(document, "in_channels", 1, 1024, &config->in_channels));
    TRY(json_get_int(document, "out_channels", 1, 1024, &config->out_channels));
    TRY(json_get_int(document, "sample_size", 1, 65536, &config->sample_size));
out:
    json_close(document);
    return status;
}
