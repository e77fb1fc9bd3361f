/* autoencoder.c - image to latents and back. SPDX-License-Identifier: MIT
 *
 * There are no skips, so the hidden tensor changes ends of the pool at every step: the block reads
 * it from one end, writes its output at the other, and the end it came from is given back. */
#include "networks/autoencoder.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NORM_EPS 1e-6f

/* ---- loading -------------------------------------------------------------------------------- */

static enum clat_status load_level(struct loader *loader, const struct autoencoder_config *config,
    struct path path, int layers, int in, int out, int pixels, struct autoencoder_level *level)
{
    enum clat_status status;
    *level = (struct autoencoder_level){.layers = layers, .channels = out};
    TRY(memory_new((size_t)layers, sizeof *level->resnets, &level->resnets));
    for (int j = 0; j < layers; j++)
        TRY(resnet_load(loader, path_in(path.text, "resnets.%d", j), j ? out : in, out,
            config->norm_num_groups, NORM_EPS, pixels, &level->resnets[j]));
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
    int groups = config->norm_num_groups;
    struct path path = path_in(half, "mid_block");
    TRY(resnet_load(loader, path_in(path.text, "resnets.0"), channels, channels, groups, NORM_EPS,
        pixels, &made->middle1));
    TRY(attention_load(
        loader, path_in(path.text, "attentions.0"), channels, groups, NORM_EPS, &made->attention));
    TRY(resnet_load(loader, path_in(path.text, "resnets.1"), channels, channels, groups, NORM_EPS,
        pixels, &made->middle2));
out:
    return status;
}

/* Latent pixels per image that will be asked for. */
static int latent_pixels(const struct loader *loader, const struct autoencoder_config *config)
{
    int side = config->sample_size >> (config->levels - 1);
    return loader->pixels ? loader->pixels : side * side;
}

enum clat_status decoder_load(
    struct loader *loader, const struct autoencoder_config *config, struct autoencoder *decoder)
{
    enum clat_status status;
    int levels = config->levels, z = config->latent_channels;
    int channels = config->block_out_channels[levels - 1];
    int pixels = latent_pixels(loader, config);
    *decoder = (struct autoencoder){.config = *config};
    TRY(loader_linear(loader, "post_quant_conv", z, z, true, ACTIVATION_NONE, &decoder->quant));
    TRY(loader_conv(loader, "decoder.conv_in", channels, z, 1, 1, pixels, &decoder->conv_in));
    TRY(load_middle(loader, "decoder", pixels, decoder));
    for (int i = 0; i < levels; i++) {
        struct path path = path_in("decoder", "up_blocks.%d", i);
        struct autoencoder_level *level = &decoder->levels[i];
        int in = channels;
        channels = config->block_out_channels[levels - 1 - i];
        TRY(load_level(loader, config, path, config->layers_per_block + 1, in, channels,
            pixels << (2 * i), level));
        if (i < levels - 1)
            TRY(load_sampler(
                loader, path_in(path.text, "upsamplers.0"), 1, pixels << (2 * i + 2), level));
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
    int levels = config->levels, z = config->latent_channels;
    int channels = config->block_out_channels[0];
    int latents = latent_pixels(loader, config), pixels = latents << (2 * (levels - 1));
    *encoder = (struct autoencoder){.config = *config, .encodes = true};
    TRY(loader_conv(
        loader, "encoder.conv_in", channels, config->in_channels, 1, 1, pixels, &encoder->conv_in));
    for (int i = 0; i < levels; i++, pixels >>= 2) {
        struct path path = path_in("encoder", "down_blocks.%d", i);
        struct autoencoder_level *level = &encoder->levels[i];
        int in = channels;
        channels = config->block_out_channels[i];
        TRY(load_level(
            loader, config, path, config->layers_per_block, in, channels, pixels, level));
        if (i < levels - 1)
            TRY(load_sampler(loader, path_in(path.text, "downsamplers.0"), 2, pixels >> 2, level));
    }
    TRY(load_middle(loader, "encoder", latents, encoder));
    TRY(loader_norm(loader, "encoder.conv_norm_out", channels, config->norm_num_groups, NORM_EPS,
        &encoder->norm_out));
    TRY(loader_conv(
        loader, "encoder.conv_out", 2 * z, channels, 1, 1, latents, &encoder->conv_out));
    TRY(loader_linear(loader, "quant_conv", 2 * z, 2 * z, true, ACTIVATION_NONE, &encoder->quant));
out:
    return status;
}

void autoencoder_free(struct device *device, struct autoencoder *autoencoder)
{
    for (int i = 0; i < CONFIG_LEVELS; i++) {
        struct autoencoder_level *level = &autoencoder->levels[i];
        for (int j = 0; level->resnets && j < level->layers; j++)
            resnet_free(device, &level->resnets[j]);
        conv_free(device, &level->sampler);
        free(level->resnets);
    }
    linear_free(device, &autoencoder->quant);
    conv_free(device, &autoencoder->conv_in);
    resnet_free(device, &autoencoder->middle1);
    resnet_free(device, &autoencoder->middle2);
    attention_free(device, &autoencoder->attention);
    norm_free(device, &autoencoder->norm_out);
    conv_free(device, &autoencoder->conv_out);
    memset(autoencoder, 0, sizeof *autoencoder);
}

/* ---- running -------------------------------------------------------------------------------- */

/* The hidden tensor and the end of the pool where it stands. */
struct hidden {
    struct tensor tensor;
    enum pool_end end;
    struct pool_mark before; /* the pool before it was taken */
};

/* Makes the next hidden tensor at the other end. */
static enum clat_status hidden_next(const struct forward *run, const struct hidden *hidden, int h,
    int w, int c, struct hidden *next)
{
    next->end = hidden->end == POOL_FRONT ? POOL_BACK : POOL_FRONT;
    next->before = pool_mark(run->pool);
    return pool_take(run->pool, next->end, hidden->tensor.n, h, w, c, &next->tensor);
}

/* The old one is not needed any more. */
static void hidden_advance(
    const struct forward *run, struct hidden *hidden, const struct hidden *next)
{
    pool_release(run->pool, hidden->end, hidden->before);
    *hidden = *next;
}

static enum clat_status run_resnet(
    const struct forward *run, const struct resnet *resnet, struct hidden *hidden)
{
    enum clat_status status;
    struct hidden next;
    TRY(hidden_next(run, hidden, hidden->tensor.h, hidden->tensor.w, resnet->out, &next));
    TRY(resnet_forward(run, resnet, &hidden->tensor, NULL, NULL, &next.tensor));
    hidden_advance(run, hidden, &next);
out:
    return status;
}

static enum clat_status run_attention(
    const struct forward *run, const struct attention *attention, struct hidden *hidden)
{
    enum clat_status status;
    struct hidden next;
    TRY(hidden_next(run, hidden, hidden->tensor.h, hidden->tensor.w, hidden->tensor.c, &next));
    TRY(attention_forward(run, attention, &hidden->tensor, &next.tensor));
    hidden_advance(run, hidden, &next);
out:
    return status;
}

static enum clat_status run_sampler(const struct forward *run,
    const struct autoencoder *autoencoder, const struct autoencoder_level *level,
    struct hidden *hidden)
{
    enum clat_status status;
    struct hidden next;
    const struct tensor *x = &hidden->tensor;
    const char *path = level->sampler_path.text;
    if (autoencoder->encodes) {
        TRY(hidden_next(run, hidden, x->h / 2, x->w / 2, x->c, &next));
        TRY(downsample_forward(run, &level->sampler, path, x, &next.tensor));
    } else {
        TRY(hidden_next(run, hidden, 2 * x->h, 2 * x->w, x->c, &next));
        TRY(upsample_forward(run, &level->sampler, path, x, &next.tensor));
    }
    hidden_advance(run, hidden, &next);
out:
    return status;
}

static enum clat_status run_middle(
    const struct forward *run, const struct autoencoder *autoencoder, struct hidden *hidden)
{
    enum clat_status status;
    TRY(run_resnet(run, &autoencoder->middle1, hidden));
    TRY(run_attention(run, &autoencoder->attention, hidden));
    TRY(run_resnet(run, &autoencoder->middle2, hidden));
    TRY(forward_tap(
        run, &hidden->tensor, "%s.mid_block", autoencoder->encodes ? "encoder" : "decoder"));
out:
    return status;
}

static enum clat_status run_levels(
    const struct forward *run, const struct autoencoder *autoencoder, struct hidden *hidden)
{
    enum clat_status status = CLAT_OK;
    for (int i = 0; i < autoencoder->config.levels; i++) {
        const struct autoencoder_level *level = &autoencoder->levels[i];
        for (int j = 0; j < level->layers; j++)
            TRY(run_resnet(run, &level->resnets[j], hidden));
        if (level->has_sampler)
            TRY(run_sampler(run, autoencoder, level, hidden));
    }
out:
    return status;
}

/* conv_in of x, at the front of the pool. */
static enum clat_status enter(const struct forward *run, const struct autoencoder *autoencoder,
    const struct tensor *x, struct hidden *hidden)
{
    enum clat_status status;
    hidden->end = POOL_FRONT;
    hidden->before = pool_mark(run->pool);
    TRY(pool_take(
        run->pool, POOL_FRONT, x->n, x->h, x->w, autoencoder->conv_in.out, &hidden->tensor));
    TRY(op_conv(
        run->pool, &autoencoder->conv_in, &(struct conv_call){.x = x, .y = &hidden->tensor}));
    TRY(forward_tap(
        run, &hidden->tensor, autoencoder->encodes ? "encoder.conv_in" : "decoder.conv_in"));
out:
    return status;
}

enum clat_status decoder_forward(const struct forward *run, const struct autoencoder *decoder,
    const struct tensor *latents, const struct tensor *image)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor z;
    struct hidden hidden;
    TRY(pool_take(run->pool, POOL_BACK, latents->n, latents->h, latents->w, latents->c, &z));
    TRY(op_linear(run->pool, &decoder->quant, latents, NULL, NULL, &z));
    TRY(enter(run, decoder, &z, &hidden));
    TRY(run_middle(run, decoder, &hidden));
    TRY(run_levels(run, decoder, &hidden));
    TRY(head_forward(run, &decoder->norm_out, &decoder->conv_out, &hidden.tensor, image));
    TRY(forward_tap(run, image, "decoder.conv_out"));
out:
    pool_release(run->pool, POOL_FRONT, mark);
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

enum clat_status encoder_forward(const struct forward *run, const struct autoencoder *encoder,
    const struct tensor *image, const struct tensor *moments)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor z;
    struct hidden hidden;
    TRY(enter(run, encoder, image, &hidden));
    TRY(run_levels(run, encoder, &hidden));
    TRY(run_middle(run, encoder, &hidden));
    TRY(pool_take(run->pool, POOL_BACK, moments->n, moments->h, moments->w, moments->c, &z));
    TRY(head_forward(run, &encoder->norm_out, &encoder->conv_out, &hidden.tensor, &z));
    TRY(forward_tap(run, &z, "encoder.conv_out"));
    TRY(op_linear(run->pool, &encoder->quant, &z, NULL, NULL, moments));
out:
    pool_release(run->pool, POOL_FRONT, mark);
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

void moments_sample(
    const float *moments, size_t channels, size_t pixels, const float *noise, float *latents)
{
    const float *log_variances = moments + channels * pixels;
    for (size_t i = 0; i < channels * pixels; i++) {
        float log_variance = fminf(fmaxf(log_variances[i], -30), 20);
        latents[i] = moments[i] + (noise ? expf(0.5f * log_variance) * noise[i] : 0);
    }
}

enum clat_status autoencoder_measure(
    const struct autoencoder *half, struct device *dry, int n, int h, int w, size_t *bytes)
{
    enum clat_status status;
    const struct autoencoder_config *config = &half->config;
    int z = config->latent_channels, scale = 1 << (config->levels - 1);
    struct pool pool = {0};
    struct forward run = {.pool = &pool};
    struct tensor latents, image;
    TRY(pool_open(dry, 0, &pool));
    TRY(pool_take(&pool, POOL_FRONT, n, h, w, half->encodes ? 2 * z : z, &latents));
    TRY(pool_take(&pool, POOL_FRONT, n, h * scale, w * scale,
        half->encodes ? config->in_channels : config->out_channels, &image));
    TRY(half->encodes ? encoder_forward(&run, half, &image, &latents)
                      : decoder_forward(&run, half, &latents, &image));
    *bytes = pool.peak;
out:
    pool_close(&pool);
    return status;
}
