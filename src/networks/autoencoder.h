/* autoencoder.h - AutoencoderKL and VQModel: image to latents and back. SPDX-License-Identifier:
 * MIT
 *
 * The encoder halves the picture at each level but the last and gives the latents: their mean and
 * log variance (KL), or the latents themselves (VQ); the decoder mirrors it. A VQ decoder first
 * rounds every latent pixel to its codebook. The two halves are loaded apart. Source: arXiv
 * 2112.10752, 3.1 and G; van den Oord et al. 2017, Esser et al. 2021 (arXiv 2012.09841). */
#ifndef CLATENT_NETWORKS_AUTOENCODER_H
#define CLATENT_NETWORKS_AUTOENCODER_H

#include "checkpoint/config.h"
#include "networks/resnet.h"
#include "networks/self_attention.h"

struct autoencoder_level {
    int layers;
    int channels;                      /* of its output */
    struct resnet *resnets;            /* [layers] */
    struct self_attention *attentions; /* [layers], one behind each resnet, or NULL */
    bool has_sampler;
    struct path sampler_path;
    struct conv sampler;
};
/* One half: conv_in, then middle and levels (decoder) or levels and middle (encoder), norm,
 * conv_out. */
struct autoencoder {
    struct autoencoder_config config;
    bool encodes;
    struct codebook codebook; /* of a VQ decoder */
    struct linear quant;      /* decoder: post_quant_conv, first; encoder: quant_conv, last. 1x1 */
    struct conv conv_in;
    struct resnet middle1, middle2;
    struct self_attention attention;                /* between them, with config.middle_attention */
    struct autoencoder_level levels[CONFIG_LEVELS]; /* in the order they are run */
    struct norm norm_out;
    struct conv conv_out;
    struct {
        size_t limit; /* bytes of a hidden tensor: a picture that has a larger one is in bands */
        size_t bytes; /* of the widest tensor of a band, about */
    } bands;          /* decoder_bands.h; set by decoder_load for its device */
};
#define AUTOENCODER_BAND_LIMIT ((size_t)768 << 20)
#define AUTOENCODER_BAND_BYTES ((size_t)32 << 20)
enum clat_status decoder_load(
    struct loader *loader, const struct autoencoder_config *config, struct autoencoder *decoder);
/* From now on in bands, and small ones, whatever the size: least memory, most arithmetic. */
void decoder_use_bands(struct autoencoder *decoder);
enum clat_status encoder_load(
    struct loader *loader, const struct autoencoder_config *config, struct autoencoder *encoder);
void autoencoder_free(struct device *device, struct autoencoder *autoencoder);

/* Pixels of a side per pixel of the latents: 2^(levels-1). */
int autoencoder_scale(const struct autoencoder_config *config);
/* Channels that the encoder gives: of the moments (KL: twice the latents') or of the latents. */
int encoder_channels(const struct autoencoder_config *config);

/* latents [n][h][w][latent_channels], already divided by the scaling factor; image [n][h*f][w*f][3]
 * in about -1..1, f = autoencoder_scale(). A large picture is decoded in bands of rows, to the same
 * values. */
enum clat_status decoder_forward(const struct forward *run, const struct autoencoder *decoder,
    const struct tensor *latents, const struct tensor *image);
/* The same of latents that are taken as they are, also by a VQ decoder (force_not_quantize). */
enum clat_status decoder_forward_continuous(const struct forward *run,
    const struct autoencoder *decoder, const struct tensor *latents, const struct tensor *image);
/* image [n][h*f][w*f][3] in -1..1; latents [n][h][w][encoder_channels]: KL: means, then log
 * variances as the network gives them; VQ: not rounded to the codebook. */
enum clat_status encoder_forward(const struct forward *run, const struct autoencoder *encoder,
    const struct tensor *image, const struct tensor *latents);

/* Latents from moments, on the host, values [channels][pixels]: mean + exp(logvar/2) noise, log
 * variance clamped to -30..20; the mode (the mean) if noise is NULL. moments [2*channels][pixels].
 */
void moments_sample(
    const float *moments, size_t channels, size_t pixels, const float *noise, float *latents);

/* Bytes of pool for input, output and one forward pass of n items with latents of h x w. */
enum clat_status autoencoder_measure(
    const struct autoencoder *half, struct device *dry, int n, int h, int w, size_t *bytes);

#endif
