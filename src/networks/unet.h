/* unet.h - the noise predictor: UNet2DConditionModel. SPDX-License-Identifier: MIT
 *
 * Down: levels of resnet (+ transformer) layers, every output kept as a skip. Middle. Up: the same
 * levels backwards, one layer more each, which read [hidden, skip]. The timestep enters every
 * resnet, the prompt every transformer. Source: Ronneberger et al. 2015, Ho et al. 2020, arXiv
 * 2112.10752. */
#ifndef CLATENT_NETWORKS_UNET_H
#define CLATENT_NETWORKS_UNET_H

#include "checkpoint/config.h"
#include "networks/block.h"

struct unet_level {
    int layers;                       /* resnets in it */
    bool attention;                   /* a transformer after every resnet */
    struct resnet *resnets;           /* [layers] */
    struct transformer *transformers; /* [layers], or NULL */
    bool has_sampler;
    struct path sampler_path;
    struct conv sampler; /* stride 2 going down, nearest x2 before it going up */
    int channels;        /* of its output */
};
struct unet {
    struct unet_config config;
    struct conv conv_in;
    struct linear time1,
        time2; /* time_embedding.linear_1, linear_2, with the SiLU that follows each */
    struct linear time_proj; /* all resnets' time_emb_proj, side by side */
    struct unet_level down[CONFIG_LEVELS], middle, up[CONFIG_LEVELS];
    struct norm norm_out;
    struct conv conv_out;
};
enum clat_status unet_load(
    struct loader *loader, const struct unet_config *config, struct unet *unet);
void unet_free(struct device *device, struct unet *unet);

/* Channels of the time embedding. */
int unet_time_width(const struct unet_config *config);

/* Computes what depends on the prompts only, on the front of the pool: context [n][1][tokens]
 * [cross_attention_dim]. It holds until the pool's front is released to a mark from before. */
enum clat_status unet_set_prompt(
    const struct forward *run, struct unet *unet, const struct tensor *context);

/* sample [n][h][w][in_channels], output [n][h][w][out_channels], n as in unet_set_prompt. */
enum clat_status unet_forward(const struct forward *run, const struct unet *unet,
    const struct tensor *sample, double timestep, const struct tensor *output);

/* Bytes of pool for prompts, input, output and one forward pass; `dry` is a dry device. */
enum clat_status unet_measure(
    struct unet *unet, struct device *dry, int n, int h, int w, int tokens, size_t *bytes);

#endif
