/* compvis_stages.c - first stage and condition stage of a CompVis yaml. SPDX-License-Identifier:
 * MIT
 *
 * attn_resolutions are sizes in pixels of the nominal resolution: they choose the levels that have
 * attention, whatever size is decoded later. */
#include "checkpoint/compvis.h"

#include <string.h>

/* ---- first stage ---------------------------------------------------------------------------- */

static const char *const dd_keys[] = {"double_z", "z_channels", "resolution", "in_channels",
    "out_ch", "ch", "ch_mult", "num_res_blocks", "attn_resolutions", "dropout", "attn_type",
    "resamp_with_conv", "give_pre_end", "tanh_out", "use_linear_attn", NULL};

static enum clat_status refuse_features(const struct section *dd)
{
    enum clat_status status;
    TRY(section_check_keys(dd, dd_keys));
    TRY(section_expect_bool(dd, "resamp_with_conv", true));
    TRY(section_expect_bool(dd, "give_pre_end", false));
    TRY(section_expect_bool(dd, "tanh_out", false));
    TRY(section_expect_bool(dd, "use_linear_attn", false));
out:
    return status;
}

static enum clat_status read_levels(const struct section *dd, struct autoencoder_config *config)
{
    int width = 0, mult[CONFIG_LEVELS];
    enum clat_status status;
    TRY(section_int(dd, "ch", 1, CONFIG_CHANNELS, &width));
    TRY(section_ints(dd, "ch_mult", 1, 64, mult, CONFIG_LEVELS, &config->levels));
    if (width % 32 || width == 0)
        return section_bad(dd, "ch", "a multiple of 32, for 32 groups");
    for (int i = 0; i < config->levels; i++)
        if ((config->block_out_channels[i] = width * mult[i]) > CONFIG_CHANNELS)
            return section_bad(dd, "ch_mult", "layers of at most 65536 channels");
    if (!config->levels)
        return section_bad(dd, "ch_mult", "one factor for each level");
out:
    return status;
}

static enum clat_status read_attention(const struct section *dd, struct autoencoder_config *config)
{
    const char *type = "vanilla";
    int sizes[16], count = 0, last = config->levels - 1;
    enum clat_status status;
    TRY(section_string(dd, "attn_type", &type));
    TRY(section_ints(dd, "attn_resolutions", 1, 1 << 20, sizes, 16, &count));
    config->middle_attention = strcmp(type, "none") != 0;
    if (config->middle_attention && strcmp(type, "vanilla") != 0)
        return section_bad(dd, "attn_type", "vanilla or none");
    for (int level = 0; config->middle_attention && level <= last; level++)
        for (int i = 0; i < count; i++)
            if (sizes[i] == config->sample_size >> level)
                config->down_attention[level] = config->up_attention[last - level] = true;
out:
    return status;
}

static enum clat_status read_dd(const struct section *dd, struct autoencoder_config *config)
{
    bool doubled = true, kl = config->kind == AUTOENCODER_KL;
    enum clat_status status;
    TRY(refuse_features(dd));
    TRY(section_bool(dd, "double_z", &doubled));
    if (doubled != kl)
        return section_bad(dd, "double_z",
            kl ? "true (mean and variance) for AutoencoderKL" : "false for a VQ model");
    TRY(section_int(dd, "z_channels", 1, 1024, &config->z_channels));
    TRY(section_int(dd, "resolution", 1, 65536, &config->sample_size));
    TRY(section_int(dd, "in_channels", 1, 1024, &config->in_channels));
    TRY(section_int(dd, "out_ch", 1, 1024, &config->out_channels));
    TRY(section_int(dd, "num_res_blocks", 1, 16, &config->layers_per_block));
    TRY(read_levels(dd, config));
    TRY(read_attention(dd, config));
out:
    return status;
}

static enum clat_status read_kind(const struct section *stage, struct autoencoder_config *config)
{
    const char *target = "";
    enum clat_status status = section_string(stage, "target", &target);
    if (status != CLAT_OK)
        return status;
    if (strcmp(target, "ldm.models.autoencoder.AutoencoderKL") == 0)
        config->kind = AUTOENCODER_KL;
    else if (strcmp(target, "ldm.models.autoencoder.VQModelInterface") == 0 ||
             strcmp(target, "ldm.models.autoencoder.VQModel") == 0)
        config->kind = AUTOENCODER_VQ;
    else
        return section_bad(
            stage, "target", "ldm.models.autoencoder.AutoencoderKL, VQModel or VQModelInterface");
    return CLAT_OK;
}

enum clat_status compvis_read_first_stage(
    const struct section *stage, struct autoencoder_config *config)
{
    struct section params, dd;
    enum clat_status status;
    *config = (struct autoencoder_config){.in_channels = 3,
        .out_channels = 3,
        .layers_per_block = 2,
        .norm_num_groups = 32,
        .sample_size = 256,
        .scaling_factor = 1,
        .scaling_given = true};
    TRY(read_kind(stage, config));
    TRY(section_open(stage, "params", true, &params));
    TRY(section_open(&params, "ddconfig", true, &dd));
    TRY(read_dd(&dd, config));
    TRY(section_int(&params, "embed_dim", 1, 1024, &config->latent_channels));
    if (config->kind == AUTOENCODER_VQ)
        TRY(section_int(&params, "n_embed", 1, 1 << 24, &config->num_vq_embeddings));
    if (!config->latent_channels || !config->z_channels)
        return config->latent_channels ? section_bad(&dd, "z_channels", "a number")
                                       : section_bad(&params, "embed_dim", "a number");
    if (config->kind == AUTOENCODER_VQ && !config->num_vq_embeddings)
        return section_bad(&params, "n_embed", "a number");
    TRY(section_expect_null(&params, "remap"));
    TRY(section_expect_bool(&params, "sane_index_shape", false));
out:
    return status;
}

/* ---- condition stage ------------------------------------------------------------------------ */

static enum clat_status read_bert(const struct section *params, struct compvis_config *config)
{
    static const char *const known[] = {"n_embed", "n_layer", "vocab_size", "max_seq_len", "device",
        "use_tokenizer", "embedding_dropout", NULL};
    struct ldmbert_config *bert = &config->bert;
    bool tokenizer = true;
    enum clat_status status;
    *bert = (struct ldmbert_config){.vocab_size = 30522,
        .max_position_embeddings = 77,
        .heads = COMPVIS_BERT_HEADS,
        .head_dim = COMPVIS_BERT_HEAD_DIM};
    TRY(section_check_keys(params, known));
    TRY(section_int(params, "n_embed", 1, CONFIG_CHANNELS, &bert->d_model));
    TRY(section_int(params, "n_layer", 1, 256, &bert->layers));
    TRY(section_int(params, "vocab_size", 1, 1 << 24, &bert->vocab_size));
    TRY(section_int(params, "max_seq_len", 2, 65536, &bert->max_position_embeddings));
    TRY(section_bool(params, "use_tokenizer", &tokenizer));
    if (!bert->d_model || !bert->layers)
        return section_bad(params, bert->d_model ? "n_layer" : "n_embed", "a number");
    bert->ffn_dim = 4 * bert->d_model;
    config->condition = tokenizer ? COMPVIS_BERT : COMPVIS_BERT_TOKENS;
out:
    return status;
}

static enum clat_status read_class(const struct section *params, struct compvis_config *config)
{
    struct class_embedder_config *embedder = &config->class_embedder;
    enum clat_status status;
    *embedder = (struct class_embedder_config){.classes = 1000};
    TRY(section_int(params, "embed_dim", 1, CONFIG_CHANNELS, &embedder->width));
    TRY(section_int(params, "n_classes", 1, 1 << 24, &embedder->classes));
    if (!embedder->width)
        return section_bad(params, "embed_dim", "a number");
    config->condition = COMPVIS_CLASS;
out:
    return status;
}

static enum clat_status read_rescaler(const struct section *params, struct compvis_config *config)
{
    static const char *const known[] = {
        "n_stages", "method", "multiplier", "in_channels", "out_channels", "bias", NULL};
    struct spatial_rescaler_config *rescaler = &config->rescaler;
    const char *method = "bilinear";
    float multiplier = 0.5f;
    enum clat_status status;
    *rescaler = (struct spatial_rescaler_config){.stages = 1, .in_channels = 3};
    TRY(section_check_keys(params, known));
    TRY(section_int(params, "n_stages", 1, 8, &rescaler->stages));
    TRY(section_int(params, "in_channels", 1, 1024, &rescaler->in_channels));
    TRY(section_int(params, "out_channels", 1, 1024, &rescaler->out_channels));
    TRY(section_bool(params, "bias", &rescaler->bias));
    TRY(section_string(params, "method", &method));
    TRY(section_float(params, "multiplier", 0, 16, &multiplier));
    if (strcmp(method, "bilinear") != 0)
        return section_bad(params, "method", "bilinear");
    if (multiplier != 0.5f)
        return section_bad(params, "multiplier", "0.5");
    config->condition = COMPVIS_RESCALER;
out:
    return status;
}

enum clat_status compvis_read_condition(const struct section *params, struct compvis_config *config)
{
    static const char encoders[] = "ldm.modules.encoders.modules.";
    const struct yaml_node *node = section_find(params, "cond_stage_config");
    struct section stage, arguments;
    const char *target = node && node->kind == NODE_SCALAR ? node->text : "";
    enum clat_status status;
    config->condition =
        strcmp(target, "__is_first_stage__") == 0 ? COMPVIS_FIRST_STAGE : COMPVIS_NONE;
    if (config->condition == COMPVIS_FIRST_STAGE || strcmp(target, "__is_unconditional__") == 0)
        return CLAT_OK;
    TRY(section_open(params, "cond_stage_config", true, &stage));
    TRY(section_open(&stage, "params", false, &arguments));
    TRY(section_string(&stage, "target", &target));
    const char *class =
        strncmp(target, encoders, sizeof encoders - 1) == 0 ? target + sizeof encoders - 1 : target;
    arguments.name = class;
    if (strcmp(class, "BERTEmbedder") == 0)
        return read_bert(&arguments, config);
    if (strcmp(class, "ClassEmbedder") == 0)
        return read_class(&arguments, config);
    if (strcmp(class, "SpatialRescaler") == 0)
        return read_rescaler(&arguments, config);
    config->condition = COMPVIS_IDENTITY;
    if (strcmp(target, "torch.nn.Identity") != 0)
        return section_bad(&stage, "target",
            "BERTEmbedder, ClassEmbedder or SpatialRescaler of ldm.modules.encoders.modules, or "
            "torch.nn.Identity");
out:
    return status;
}
