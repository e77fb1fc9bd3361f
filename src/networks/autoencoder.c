/* autoencoder.c - image to latents and back. SPDX-License-Identifier: MIT
 *
 * There are no skips, so the hidden tensor changes ends of the pool at every step: the block reads
 * it from one end, writes its output at the other, and the end it came from is given back. */
#include "networks/autoencoder.h"
#include "networks/decoder_bands.h"

#include <math.h>

int autoencoder_scale(const struct autoencoder_config *config)
{
    return 1 << (config->levels - 1);
}

int encoder_channels(const struct autoencoder_config *config)
{
    return config->kind == AUTOENCODER_KL ? 2 * config->latent_channels : config->latent_channels;
}

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
    TRY(hidden_next(run, hidden, hidden->tensor.h, hidden->tensor.w, resnet->shape.out, &next));
    TRY(resnet_forward(run, resnet, &hidden->tensor, NULL, NULL, &next.tensor));
    hidden_advance(run, hidden, &next);
out:
    return status;
}

static enum clat_status run_attention(
    const struct forward *run, const struct self_attention *attention, struct hidden *hidden)
{
    enum clat_status status;
    struct hidden next;
    TRY(hidden_next(run, hidden, hidden->tensor.h, hidden->tensor.w, hidden->tensor.c, &next));
    TRY(self_attention_forward(run, attention, &hidden->tensor, &next.tensor));
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
    if (autoencoder->config.middle_attention)
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
        for (int j = 0; j < level->layers; j++) {
            TRY(run_resnet(run, &level->resnets[j], hidden));
            if (level->attentions)
                TRY(run_attention(run, &level->attentions[j], hidden));
        }
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

/* z = post_quant_conv(latents), rounded to the codebook before that if `quantized`. */
static enum clat_status make_z(const struct forward *run, const struct autoencoder *decoder,
    const struct tensor *latents, bool quantized, const struct tensor *z)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor codes;
    if (quantized) {
        TRY(forward_temporary(run, latents, latents->c, &codes));
        TRY(op_quantize(run->pool, &decoder->codebook, latents, &codes, NULL));
        TRY(forward_tap(run, &codes, "quantize"));
        latents = &codes;
    }
    TRY(op_linear(run->pool, &decoder->quant, latents, NULL, NULL, z));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

static enum clat_status decode_whole(const struct forward *run, const struct autoencoder *decoder,
    const struct tensor *z, const struct tensor *image)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct hidden hidden;
    TRY(enter(run, decoder, z, &hidden));
    TRY(run_middle(run, decoder, &hidden));
    TRY(run_levels(run, decoder, &hidden));
    TRY(head_forward(run, &decoder->norm_out, &decoder->conv_out, &hidden.tensor, image));
    TRY(forward_tap(run, image, "decoder.conv_out"));
out:
    pool_release(run->pool, POOL_FRONT, mark);
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

static enum clat_status decode_in_bands(const struct forward *run,
    const struct autoencoder *decoder, const struct tensor *z, const struct tensor *image)
{
    enum clat_status status = CLAT_OK;
    for (int i = 0; i < z->n; i++) {
        struct tensor one = tensor_batch(z, i, 1), picture = tensor_batch(image, i, 1);
        TRY(decoder_bands_forward(run, decoder, &one, &picture));
    }
out:
    return status;
}

/* The bytes of the largest hidden tensor: what the last convolutions behind an upsampling give. */
static size_t largest_hidden(const struct autoencoder *decoder, const struct tensor *z)
{
    size_t largest = tensor_pixels(z) * (size_t)decoder->conv_in.out, pixels = tensor_pixels(z);
    for (int i = 0; i < decoder->config.levels - 1; i++) {
        pixels *= 4;
        size_t elements = pixels * (size_t)decoder->levels[i].channels;
        largest = elements > largest ? elements : largest;
    }
    return largest * sizeof(float);
}

static enum clat_status decode(const struct forward *run, const struct autoencoder *decoder,
    const struct tensor *latents, bool quantized, const struct tensor *image)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor z;
    TRY(forward_temporary(run, latents, decoder->quant.out, &z));
    TRY(make_z(run, decoder, latents, quantized, &z));
    TRY(largest_hidden(decoder, &z) / (size_t)z.n > decoder->bands.limit
            ? decode_in_bands(run, decoder, &z, image)
            : decode_whole(run, decoder, &z, image));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

enum clat_status decoder_forward(const struct forward *run, const struct autoencoder *decoder,
    const struct tensor *latents, const struct tensor *image)
{
    return decode(run, decoder, latents, decoder->config.kind == AUTOENCODER_VQ, image);
}

enum clat_status decoder_forward_continuous(const struct forward *run,
    const struct autoencoder *decoder, const struct tensor *latents, const struct tensor *image)
{
    return decode(run, decoder, latents, false, image);
}

enum clat_status encoder_forward(const struct forward *run, const struct autoencoder *encoder,
    const struct tensor *image, const struct tensor *latents)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor z;
    struct hidden hidden;
    TRY(enter(run, encoder, image, &hidden));
    TRY(run_levels(run, encoder, &hidden));
    TRY(run_middle(run, encoder, &hidden));
    TRY(forward_temporary(run, latents, encoder->quant.in, &z));
    TRY(head_forward(run, &encoder->norm_out, &encoder->conv_out, &hidden.tensor, &z));
    TRY(forward_tap(run, &z, "encoder.conv_out"));
    TRY(op_linear(run->pool, &encoder->quant, &z, NULL, NULL, latents));
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
    int scale = autoencoder_scale(config);
    int channels = half->encodes ? encoder_channels(config) : config->latent_channels;
    struct pool pool = {0};
    struct forward run = {.pool = &pool};
    struct tensor latents, image;
    TRY(pool_open(dry, 0, &pool));
    TRY(pool_take(&pool, POOL_FRONT, n, h, w, channels, &latents));
    TRY(pool_take(&pool, POOL_FRONT, n, h * scale, w * scale,
        half->encodes ? config->in_channels : config->out_channels, &image));
    TRY(half->encodes ? encoder_forward(&run, half, &image, &latents)
                      : decoder_forward(&run, half, &latents, &image));
    *bytes = pool.peak;
out:
    pool_close(&pool);
    return status;
}
