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

static enum clat_status add_resnet(
    struct build *build, struct path path, int in, int out, int level, struct resnet *resnet)
{
    enum clat_status status;
    const struct unet_config *config = &build->unet->config;
    TRY(resnet_load(build->loader, path, in, out, config->norm_num_groups, config->norm_eps,
        level_pixels(build, level), resnet));
    TRY(memory_grow(&build->parts, &build->part_capacity, build->part_count, sizeof *build->parts));
    build->parts[build->part_count++] = (struct part){path_in(path.text, "time_emb_proj"), out};
    resnet->time_first = build->columns;
    build->columns += out;
out:
    return status;
}

static enum clat_status add_transformer(
    struct build *build, struct path path, int level, struct transformer *transformer)
{
    const struct unet_config *config = &build->unet->config;
    return transformer_load(build->loader, path, config->block_out_channels[level],
        config->attention_heads[level], config->cross_attention_dim, config->norm_num_groups,
        transformer);
}

static enum clat_status level_new(struct unet_level *made, int layers, bool attention, int channels)
{
    enum clat_status status;
    *made = (struct unet_level){.layers = layers, .attention = attention, .channels = channels};
    TRY(memory_new((size_t)layers, sizeof *made->resnets, &made->resnets));
    if (attention)
        TRY(memory_new((size_t)layers, sizeof *made->transformers, &made->transformers));
out:
    return status;
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
    for (int j = 0; j < made->layers; j++) {
        TRY(add_resnet(build, path_in(path.text, "resnets.%d", j), j ? out : in, out, level,
            &made->resnets[j]));
        if (made->attention)
            TRY(add_transformer(
                build, path_in(path.text, "attentions.%d", j), level, &made->transformers[j]));
    }
    made->has_sampler = level < config->levels - 1;
    made->sampler_path = path_in(path.text, "downsamplers.0");
    if (made->has_sampler)
        TRY(loader_conv(build->loader, path_in(made->sampler_path.text, "conv").text, out, out, 2,
            1, level_pixels(build, level + 1), &made->sampler));
out:
    return status;
}

static enum clat_status load_middle(struct build *build)
{
    enum clat_status status;
    const struct unet_config *config = &build->unet->config;
    struct unet_level *made = &build->unet->middle;
    int level = config->levels - 1, channels = config->block_out_channels[level];
    TRY(level_new(made, 2, true, channels));
    TRY(add_resnet(
        build, path_in("mid_block", "resnets.0"), channels, channels, level, &made->resnets[0]));
    TRY(add_transformer(build, path_in("mid_block", "attentions.0"), level, made->transformers));
    TRY(add_resnet(
        build, path_in("mid_block", "resnets.1"), channels, channels, level, &made->resnets[1]));
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
    for (int j = 0; j < made->layers; j++) {
        int hidden = j ? out : below, skip = j < made->layers - 1 ? out : above;
        TRY(add_resnet(build, path_in(path.text, "resnets.%d", j), hidden + skip, out, level,
            &made->resnets[j]));
        if (made->attention)
            TRY(add_transformer(
                build, path_in(path.text, "attentions.%d", j), level, &made->transformers[j]));
    }
    made->has_sampler = level > 0;
    made->sampler_path = path_in(path.text, "upsamplers.0");
    if (made->has_sampler)
        TRY(loader_conv(build->loader, path_in(made->sampler_path.text, "conv").text, out, out, 1,
            1, level_pixels(build, level - 1), &made->sampler));
out:
    return status;
}

static enum clat_status load_time(struct build *build)
{
    enum clat_status status;
    struct unet *unet = build->unet;
    int width = unet_time_width(&unet->config);
    TRY(loader_linear(build->loader, "time_embedding.linear_1", width,
        unet->config.block_out_channels[0], true, ACTIVATION_SILU, &unet->time1));
    TRY(loader_linear(build->loader, "time_embedding.linear_2", width, width, true, ACTIVATION_SILU,
        &unet->time2));
    TRY(loader_joined(
        build->loader, build->parts, (int)build->part_count, width, true, &unet->time_proj));
out:
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
    for (int level = 0; level < config->levels; level++)
        TRY(load_down(&build, level));
    TRY(load_middle(&build));
    for (int i = 0; i < config->levels; i++)
        TRY(load_up(&build, i));
    TRY(load_time(&build));
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
    conv_free(device, &level->sampler);
    free(level->resnets);
    free(level->transformers);
}

void unet_free(struct device *device, struct unet *unet)
{
    for (int i = 0; i < CONFIG_LEVELS; i++) {
        level_free(device, &unet->down[i]);
        level_free(device, &unet->up[i]);
    }
    level_free(device, &unet->middle);
    conv_free(device, &unet->conv_in);
    linear_free(device, &unet->time1);
    linear_free(device, &unet->time2);
    linear_free(device, &unet->time_proj);
    norm_free(device, &unet->norm_out);
    conv_free(device, &unet->conv_out);
    memset(unet, 0, sizeof *unet);
}
