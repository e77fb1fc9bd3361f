/* autoencoder_load.c - the halves of an autoencoder from a checkpoint. SPDX-License-Identifier: MIT
 */
#include "networks/autoencoder.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define NORM_EPS 1e-6f

/* Where a level stands and what it is made of. */
struct level_shape {
    struct path path;
    int layers, in, out;
    int pixels; /* per image, a hint */
    bool attention;
};

static enum clat_status load_attention(struct loader *loader,
    const struct autoencoder_config *config, struct path path, int channels,
    struct self_attention *attention)
{
    return self_attention_load(
        loader, path, channels, 1, config->norm_num_groups, NORM_EPS, attention);
}

static enum clat_status load_resnet(struct loader *loader, const struct autoencoder_config *config,
    struct path path, int in, int out, int pixels, struct resnet *resnet)
{
    struct resnet_shape shape = {
        .in = in, .out = out, .groups = config->norm_num_groups, .eps = NORM_EPS, .pixels = pixels};
    return resnet_load(loader, path, &shape, resnet);
}

static enum clat_status load_level(struct loader *loader, const struct autoencoder_config *config,
    const struct level_shape *shape, struct autoencoder_level *level)
{
    enum clat_status status;
    const char *name = shape->path.text;
    int out = shape->out;
    *level = (struct autoencoder_level){.layers = shape->layers, .channels = out};
    TRY(memory_new((size_t)shape->layers, sizeof *level->resnets, &level->resnets));
    if (shape->attention)
        TRY(memory_new((size_t)shape->layers, sizeof *level->attentions, &level->attentions));
    for (int j = 0; j < shape->layers; j++) {
        TRY(load_resnet(loader, config, path_in(name, "resnets.%d", j), j ? out : shape->in, out,
            shape->pixels, &level->resnets[j]));
        if (shape->attention)
            TRY(load_attention(
                loader, config, path_in(name, "attentions.%d", j), out, &level->attentions[j]));
    }
out:
    return status;
}

static enum clat_status load_sampler(struct loader *loader, struct path path, int stride,
    int pixels, struct autoencoder_level *level)
{
    int channels = level->channels;
    level->has_sampler = true;
    level->sampler_path = path;
    return loader_conv(loader, path_in(path.text, "conv").text, channels, channels, stride, 0,
        pixels, &level->sampler);
}

static enum clat_status load_middle(
    struct loader *loader, const char *half, int pixels, struct autoencoder *made)
{
    enum clat_status status;
    const struct autoencoder_config *config = &made->config;
    int channels = config->block_out_channels[config->levels - 1];
    struct path path = path_in(half, "mid_block");
    TRY(load_resnet(loader, config, path_in(path.text, "resnets.0"), channels, channels, pixels,
        &made->middle1));
    if (config->middle_attention)
        TRY(load_attention(
            loader, config, path_in(path.text, "attentions.0"), channels, &made->attention));
    TRY(load_resnet(loader, config, path_in(path.text, "resnets.1"), channels, channels, pixels,
        &made->middle2));
out:
    return status;
}

static enum clat_status load_codebook(
    struct loader *loader, const struct autoencoder_config *config, struct codebook *codebook)
{
    enum clat_status status;
    int codes = config->num_vq_embeddings, width = config->latent_channels;
    const float *values;
    TRY(loader_tensor(
        loader, "quantize.embedding.weight", 2, (size_t[]){(size_t)codes, (size_t)width}, &values));
    TRY(codebook_load(loader->device, values, codes, width, codebook));
out:
    weights_done(loader->weights);
    return status;
}

/* Latent pixels per image that will be asked for. */
static int latent_pixels(const struct loader *loader, const struct autoencoder_config *config)
{
    int side = config->sample_size >> (config->levels - 1);
    return loader->pixels ? loader->pixels : side * side;
}

/* Decoding in whole takes some 2.7 times its largest hidden tensor, in one buffer. */
static size_t choose_band_limit(const struct device *device)
{
    size_t third = device_facts(device)->largest_buffer / 3;
    return third < AUTOENCODER_BAND_LIMIT ? third : AUTOENCODER_BAND_LIMIT;
}

enum clat_status decoder_load(
    struct loader *loader, const struct autoencoder_config *config, struct autoencoder *decoder)
{
    enum clat_status status;
    int levels = config->levels, z = config->z_channels;
    int channels = config->block_out_channels[levels - 1];
    int pixels = latent_pixels(loader, config);
    *decoder = (struct autoencoder){
        .config = *config, .bands = {choose_band_limit(loader->device), AUTOENCODER_BAND_BYTES}};
    if (config->kind == AUTOENCODER_VQ)
        TRY(load_codebook(loader, config, &decoder->codebook));
    TRY(loader_linear(loader, "post_quant_conv", z, config->latent_channels, true, ACTIVATION_NONE,
        &decoder->quant));
    TRY(loader_conv(loader, "decoder.conv_in", channels, z, 1, 1, pixels, &decoder->conv_in));
    TRY(load_middle(loader, "decoder", pixels, decoder));
    for (int i = 0; i < levels; i++) {
        struct level_shape shape = {.path = path_in("decoder", "up_blocks.%d", i),
            .layers = config->layers_per_block + 1,
            .in = channels,
            .out = config->block_out_channels[levels - 1 - i],
            .pixels = pixels << (2 * i),
            .attention = config->up_attention[i]};
        channels = shape.out;
        TRY(load_level(loader, config, &shape, &decoder->levels[i]));
        if (i < levels - 1)
            TRY(load_sampler(loader, path_in(shape.path.text, "upsamplers.0"), 1,
                pixels << (2 * i + 2), &decoder->levels[i]));
    }
    pixels <<= 2 * (levels - 1);
    TRY(loader_norm(loader, "decoder.conv_norm_out", channels, config->norm_num_groups, NORM_EPS,
        &decoder->norm_out));
    TRY(loader_conv(loader, "decoder.conv_out", config->out_channels, channels, 1, 1, pixels,
        &decoder->conv_out));
out:
    return status;
}

enum clat_status encoder_load(
    struct loader *loader, const struct autoencoder_config *config, struct autoencoder *encoder)
{
    enum clat_status status;
    int levels = config->levels;
    int z = config->kind == AUTOENCODER_KL ? 2 * config->z_channels : config->z_channels;
    int channels = config->block_out_channels[0];
    int latents = latent_pixels(loader, config), pixels = latents << (2 * (levels - 1));
    *encoder = (struct autoencoder){.config = *config, .encodes = true};
    TRY(loader_conv(
        loader, "encoder.conv_in", channels, config->in_channels, 1, 1, pixels, &encoder->conv_in));
    for (int i = 0; i < levels; i++, pixels >>= 2) {
        struct level_shape shape = {.path = path_in("encoder", "down_blocks.%d", i),
            .layers = config->layers_per_block,
            .in = channels,
            .out = config->block_out_channels[i],
            .pixels = pixels,
            .attention = config->down_attention[i]};
        channels = shape.out;
        TRY(load_level(loader, config, &shape, &encoder->levels[i]));
        if (i < levels - 1)
            TRY(load_sampler(loader, path_in(shape.path.text, "downsamplers.0"), 2, pixels >> 2,
                &encoder->levels[i]));
    }
    TRY(load_middle(loader, "encoder", latents, encoder));
    TRY(loader_norm(loader, "encoder.conv_norm_out", channels, config->norm_num_groups, NORM_EPS,
        &encoder->norm_out));
    TRY(loader_conv(loader, "encoder.conv_out", z, channels, 1, 1, latents, &encoder->conv_out));
    TRY(loader_linear(
        loader, "quant_conv", encoder_channels(config), z, true, ACTIVATION_NONE, &encoder->quant));
out:
    return status;
}

void decoder_use_bands(struct autoencoder *decoder)
{
    decoder->bands.limit = 0;
    decoder->bands.bytes = 0;
}

void autoencoder_free(struct device *device, struct autoencoder *autoencoder)
{
    for (int i = 0; i < CONFIG_LEVELS; i++) {
        struct autoencoder_level *level = &autoencoder->levels[i];
        for (int j = 0; level->resnets && j < level->layers; j++)
            resnet_free(device, &level->resnets[j]);
        for (int j = 0; level->attentions && j < level->layers; j++)
            self_attention_free(device, &level->attentions[j]);
        conv_free(device, &level->sampler);
        free(level->resnets);
        free(level->attentions);
    }
    codebook_free(device, &autoencoder->codebook);
    linear_free(device, &autoencoder->quant);
    conv_free(device, &autoencoder->conv_in);
    resnet_free(device, &autoencoder->middle1);
    resnet_free(device, &autoencoder->middle2);
    self_attention_free(device, &autoencoder->attention);
    norm_free(device, &autoencoder->norm_out);
    conv_free(device, &autoencoder->conv_out);
    memset(autoencoder, 0, sizeof *autoencoder);
}
