/* unet_load.c - the noise predictor's layers from a checkpoint. SPDX-License-Identifier: MIT
 *
 * Channels: a level's first resnet takes those of the level before; going up, each resnet takes the
 * hidden tensor's and one skip's. All time_emb_proj become one product, run once per evaluation. */
#include "networks/unet.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* What loading passes around: the parts of the joined time projection are gathered on the way. */
struct build {
    struct loader *loader;
    struct unet *unet;
    struct part *parts;
    size_t part_count, part_capacity;
    int columns; /* of all parts so far */
};

/* Latent pixels of a level, of those expected at the top. */
static int level_pixels(const struct build *build, int level)
{
    int pixels = build->loader->pixels;
    if (!pixels)
        pixels = build->unet->config.sample_size * build->unet->config.sample_size;
    return pixels >> (2 * level);
}

/* Loads a resnet of a level and gives it its columns of the time projection. */
static enum clat_status add_resnet(struct build *build, struct path path, int in, int out,
    int level, enum resnet_resample resample, struct resnet *resnet)
{
    enum clat_status status;
    const struct unet_config *config = &build->unet->config;
    struct resnet_shape shape = {.in = in,
        .out = out,
        .groups = config->norm_num_groups,
        .eps = config->norm_eps,
        .pixels = level_pixels(build, level),
        .resample = resample,
        .scale_shift = config->time_scale_shift};
    TRY(resnet_load(build->loader, path, &shape, resnet));
    TRY(memory_grow(&build->parts, &build->part_capacity, build->part_count, sizeof *build->parts));
    build->parts[build->part_count++] =
        (struct part){path_in(path.text, "time_emb_proj"), resnet_time_columns(resnet)};
    resnet->time_first = build->columns;
    build->columns += resnet_time_columns(resnet);
out:
    return status;
}

static enum clat_status add_transformer(
    struct build *build, struct path path, int level, struct transformer *transformer)
{
    const struct unet_config *config = &build->unet->config;
    struct transformer_shape shape = {.channels = config->block_out_channels[level],
        .heads = config->attention_heads[level],
        .context = config->cross_attention_dim,
        .depth = config->transformer_layers[level],
        .groups = config->norm_num_groups};
    return transformer_load(build->loader, path, &shape, transformer);
}

/* What stands behind resnet j of a level, if anything does. */
static enum clat_status add_attention(
    struct build *build, struct path path, int level, struct unet_level *made, int j)
{
    const struct unet_config *config = &build->unet->config;
    switch (made->attention) {
    case UNET_TRANSFORMER:
        return add_transformer(build, path, level, &made->transformers[j]);
    case UNET_ATTENTION:
        return self_attention_load(build->loader, path, config->block_out_channels[level],
            config->attention_heads[level], config->norm_num_groups, config->norm_eps,
            &made->attentions[j]);
    default:
        return CLAT_OK;
    }
}

/* The end of a level: down_blocks.N.downsamplers.0 or up_blocks.N.upsamplers.0; `to` is the level
 * that it leads to. */
static enum clat_status add_sampler(struct build *build, struct path path, int to,
    enum resnet_resample resample, struct unet_level *made)
{
    const struct unet_config *config = &build->unet->config;
    int channels = made->channels, stride = resample == RESNET_HALVE ? 2 : 1;
    made->has_sampler = true;
    made->sampler_path = path;
    if (config->resnet_samplers)
        return add_resnet(build, path, channels, channels, to, resample, &made->resampler);
    return loader_conv(build->loader, path_in(path.text, "conv").text, channels, channels, stride,
        stride == 2 ? config->downsample_padding : 1, level_pixels(build, to), &made->sampler);
}

static enum clat_status level_new(
    struct unet_level *made, int layers, enum unet_attention attention, int channels)
{
    enum clat_status status;
    *made = (struct unet_level){.layers = layers, .attention = attention, .channels = channels};
    TRY(memory_new((size_t)layers, sizeof *made->resnets, &made->resnets));
    if (attention == UNET_TRANSFORMER)
        TRY(memory_new((size_t)layers, sizeof *made->transformers, &made->transformers));
    if (attention == UNET_ATTENTION)
        TRY(memory_new((size_t)layers, sizeof *made->attentions, &made->attentions));
out:
    return status;
}

/* From here on what is loaded belongs to a level. */
static void begin_level(struct build *build, struct unet_level *level)
{
    if (build->loader->streams)
        parking_begin(build->loader->device, &level->parking);
}

static enum clat_status load_down(struct build *build, int level)
{
    enum clat_status status;
    const struct unet_config *config = &build->unet->config;
    struct unet_level *made = &build->unet->down[level];
    struct path path = path_in("", "down_blocks.%d", level);
    int out = config->block_out_channels[level];
    int in = config->block_out_channels[level ? level - 1 : 0];
    TRY(level_new(made, config->layers_per_block, config->down_attention[level], out));
    begin_level(build, made);
    for (int j = 0; j < made->layers; j++) {
        TRY(add_resnet(build, path_in(path.text, "resnets.%d", j), j ? out : in, out, level,
            RESNET_KEEP, &made->resnets[j]));
        TRY(add_attention(build, path_in(path.text, "attentions.%d", j), level, made, j));
    }
    if (level < config->levels - 1)
        TRY(add_sampler(
            build, path_in(path.text, "downsamplers.0"), level + 1, RESNET_HALVE, made));
out:
    return status;
}

static enum clat_status load_middle(struct build *build)
{
    enum clat_status status;
    const struct unet_config *config = &build->unet->config;
    struct unet_level *made = &build->unet->middle;
    int level = config->levels - 1, channels = config->block_out_channels[level];
    struct path path = path_in("", "mid_block");
    TRY(level_new(made, 2, config->middle_attention, channels));
    begin_level(build, made);
    for (int j = 0; j < 2; j++)
        TRY(add_resnet(build, path_in(path.text, "resnets.%d", j), channels, channels, level,
            RESNET_KEEP, &made->resnets[j]));
    TRY(add_attention(build, path_in(path.text, "attentions.0"), level, made, 0));
out:
    return status;
}

/* up[0] is the lowest resolution. A layer reads the hidden tensor and one skip: of this level, or,
 * at the last layer, of the level above. */
static enum clat_status load_up(struct build *build, int i)
{
    enum clat_status status;
    const struct unet_config *config = &build->unet->config;
    struct unet_level *made = &build->unet->up[i];
    struct path path = path_in("", "up_blocks.%d", i);
    int level = config->levels - 1 - i, out = config->block_out_channels[level];
    int below = config->block_out_channels[i ? level + 1 : level];
    int above = config->block_out_channels[level ? level - 1 : 0];
    TRY(level_new(made, config->layers_per_block + 1, config->up_attention[i], out));
    begin_level(build, made);
    for (int j = 0; j < made->layers; j++) {
        int hidden = j ? out : below, skip = j < made->layers - 1 ? out : above;
        TRY(add_resnet(build, path_in(path.text, "resnets.%d", j), hidden + skip, out, level,
            RESNET_KEEP, &made->resnets[j]));
        TRY(add_attention(build, path_in(path.text, "attentions.%d", j), level, made, j));
    }
    if (level > 0)
        TRY(add_sampler(build, path_in(path.text, "upsamplers.0"), level - 1, RESNET_DOUBLE, made));
out:
    return status;
}

static enum clat_status end_level(struct build *build, struct unet_level *level)
{
    parking_begin(build->loader->device, NULL);
    return parking_leave(build->loader->device, &level->parking);
}

static enum clat_status load_levels(struct build *build)
{
    enum clat_status status = CLAT_OK;
    struct unet *unet = build->unet;
    for (int level = 0; level < unet->config.levels; level++) {
        TRY(load_down(build, level));
        TRY(end_level(build, &unet->down[level]));
    }
    TRY(load_middle(build));
    TRY(end_level(build, &unet->middle));
    for (int i = 0; i < unet->config.levels; i++) {
        TRY(load_up(build, i));
        TRY(end_level(build, &unet->up[i]));
    }
out:
    parking_begin(build->loader->device, NULL);
    return status;
}

size_t unet_largest_level(const struct unet *unet)
{
    size_t largest = parking_size(&unet->middle.parking);
    for (int i = 0; i < unet->config.levels; i++) {
        size_t down = parking_size(&unet->down[i].parking);
        size_t up = parking_size(&unet->up[i].parking);
        largest = down > largest ? down : largest;
        largest = up > largest ? up : largest;
    }
    return largest;
}

static enum clat_status load_time(struct build *build)
{
    enum clat_status status;
    struct unet *unet = build->unet;
    int width = unet_time_width(&unet->config);
    TRY(loader_linear(build->loader, "time_embedding.linear_1", width,
        unet->config.block_out_channels[0], true, ACTIVATION_SILU, &unet->time1));
    TRY(loader_linear(build->loader, "time_embedding.linear_2", width, width, true,
        unet->config.num_class_embeds ? ACTIVATION_NONE : ACTIVATION_SILU, &unet->time2));
    TRY(loader_joined(
        build->loader, build->parts, (int)build->part_count, width, true, &unet->time_proj));
out:
    return status;
}

/* The table stays in the file (unet_set_classes reads its rows). */
static enum clat_status check_classes(struct build *build)
{
    const struct unet_config *config = &build->unet->config;
    const float *values;
    size_t shape[] = {(size_t)config->num_class_embeds, (size_t)unet_time_width(config)};
    if (!config->num_class_embeds)
        return CLAT_OK;
    enum clat_status status =
        loader_tensor(build->loader, "class_embedding.weight", 2, shape, &values);
    weights_done(build->loader->weights);
    return status;
}

enum clat_status unet_load(
    struct loader *loader, const struct unet_config *config, struct unet *unet)
{
    enum clat_status status;
    struct build build = {.loader = loader, .unet = unet};
    int first = config->block_out_channels[0], pixels;
    memset(unet, 0, sizeof *unet);
    unet->config = *config;
    pixels = level_pixels(&build, 0);
    TRY(loader_conv(loader, "conv_in", first, config->in_channels, 1, 1, pixels, &unet->conv_in));
    TRY(load_levels(&build));
    TRY(load_time(&build));
    TRY(check_classes(&build));
    TRY(loader_norm(loader, "conv_norm_out", first, config->norm_num_groups, config->norm_eps,
        &unet->norm_out));
    TRY(loader_conv(
        loader, "conv_out", config->out_channels, first, 1, 1, pixels, &unet->conv_out));
out:
    free(build.parts);
    return status;
}

static void level_free(struct device *device, struct unet_level *level)
{
    for (int j = 0; level->resnets && j < level->layers; j++)
        resnet_free(device, &level->resnets[j]);
    for (int j = 0; level->transformers && j < level->layers; j++)
        transformer_free(device, &level->transformers[j]);
    for (int j = 0; level->attentions && j < level->layers; j++)
        self_attention_free(device, &level->attentions[j]);
    conv_free(device, &level->sampler);
    resnet_free(device, &level->resampler);
    free(level->resnets);
    free(level->transformers);
    free(level->attentions);
    parking_free(&level->parking);
}

void unet_free(struct device *device, struct unet *unet)
{
    for (int i = 0; i < CONFIG_LEVELS; i++) {
        level_free(device, &unet->down[i]);
        level_free(device, &unet->up[i]);
    }
    level_free(device, &unet->middle);
    unet_forget_timesteps(unet);
    conv_free(device, &unet->conv_in);
    linear_free(device, &unet->time1);
    linear_free(device, &unet->time2);
    linear_free(device, &unet->time_proj);
    norm_free(device, &unet->norm_out);
    conv_free(device, &unet->conv_out);
    memset(unet, 0, sizeof *unet);
}
