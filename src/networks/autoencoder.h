/* autoencoder.h - AutoencoderKL: image to latents and back. SPDX-License-Identifier: MIT
 *
 * The encoder halves the picture at each level but the last and gives mean and log variance of the
 * latents; the decoder mirrors it. The two are loaded apart. Source: arXiv 2112.10752, 3.1 and G.
 */
#ifndef CLATENT_NETWORKS_AUTOENCODER_H
#define CLATENT_NETWORKS_AUTOENCODER_H

#include "checkpoint/config.h"
#include "networks/block.h"

struct autoencoder_level {
    int layers;
    int channels;           /* of its output */
    struct resnet *resnets; /* [layers] */
    bool has_sampler;
    struct path sampler_path;
    struct conv sampler;
};
/* One half: conv_in, then middle and levels (decoder) or levels and middle (encoder), norm,
 * conv_out. */
struct autoencoder {
    struct autoencoder_config config;
    bool encodes;
    struct linear quant; /* decoder: post_quant_conv, first; encoder: quant_conv, last. 1x1 */
    struct conv conv_in;
    struct resnet middle1, middle2;
    struct attention attention;
    struct autoencoder_level levels[CONFIG_LEVELS]; /* in the order they are run */
    struct norm norm_out;
    struct conv conv_out;
};
enum clat_status decoder_load(
    struct loader *loader, const struct autoencoder_config *config, struct autoencoder *decoder);
enum clat_status encoder_load(
    struct loader *loader, const struct autoencoder_config *config, struct autoencoder *encoder);
void autoencoder_free(struct device *device, struct autoencoder *autoencoder);

/* latents [n][h][w][latent_channels], already divided by the scaling factor; image [n][h*f][w*f][3]
 * in about -1..1, f = 2^(levels-1). */
enum clat_status decoder_forward(const struct forward *run, const struct autoencoder *decoder,
    const struct tensor *latents, const struct tensor *image);
/* image [n][h*f][w*f][3] in -1..1; moments [n][h][w][2*latent_channels]: means, then log variances
 * as the network gives them. */
enum clat_status encoder_forward(const struct forward *run, const struct autoencoder *encoder,
    const struct tensor *image, const struct tensor *moments);

/* Latents from moments, on the host, values [channels][pixels]: mean + exp(logvar/2) noise, log
 * variance clamped to -30..20; the mode (the mean) if noise is NULL. moments [2*channels][pixels].
 */
void moments_sample(
    const float *moments, size_t channels, size_t pixels, const float *noise, float *latents);

/* Bytes of pool for input, output and one forward pass of n items with latents of h x w. */
enum clat_status autoencoder_measure(
    const struct autoencoder *half, struct device *dry, int n, int h, int w, size_t *bytes);

#endif
