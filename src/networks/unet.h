/* unet.h - the noise predictor of every model here. SPDX-License-Identifier: MIT
 *
 * Down: levels of resnet (+ attention) layers, every output kept as a skip. Middle. Up: the same
 * levels backwards, one layer more each, which read [hidden, skip]. The timestep (and a class)
 * enters every resnet, the prompt every transformer. UNet2DConditionModel, UNet2DModel and
 * CompVis' UNetModel differ in the choices that the configuration names. Source: Ronneberger et
 * al. 2015, Ho et al. 2020, arXiv 2112.10752. */
#ifndef CLATENT_NETWORKS_UNET_H
#define CLATENT_NETWORKS_UNET_H

#include "checkpoint/config.h"
#include "device/parking.h"
#include "networks/resnet.h"
#include "networks/self_attention.h"
#include "networks/transformer.h"

struct unet_level {
    int layers;                        /* resnets in it */
    enum unet_attention attention;     /* what stands behind every resnet */
    struct resnet *resnets;            /* [layers] */
    struct transformer *transformers;  /* [layers], or NULL */
    struct self_attention *attentions; /* [layers], or NULL */
    bool has_sampler;
    struct path sampler_path;
    struct conv sampler;     /* stride 2 going down, nearest x2 before it going up */
    struct resnet resampler; /* instead of it, with config.resnet_samplers */
    int channels;            /* of its output */
    struct parking parking;  /* its weights, if levels take turns; else empty */
};
/* What planned timesteps give to the resnets, computed before a run. */
#define UNET_TIMESTEPS 256 /* at most; later ones are computed when they come */
struct unet_times {
    double *timesteps;     /* [count], as trained */
    struct tensor columns; /* [count][1][1][columns of time_proj], on the pool's front */
    int count;
};
struct unet {
    struct unet_config config;
    struct conv conv_in;
    struct linear time1,
        time2; /* time_embedding.linear_1, linear_2, with the SiLU that follows each (the second
                  one's waits for the class, if there are classes) */
    struct linear time_proj; /* all resnets' time_emb_proj, side by side */
    struct tensor classes;   /* class embeddings [n][1][1][time width], on the pool's front */
    struct unet_times times;
    struct unet_level down[CONFIG_LEVELS], middle, up[CONFIG_LEVELS];
    struct norm norm_out;
    struct conv conv_out;
};
enum clat_status unet_load(
    struct loader *loader, const struct unet_config *config, struct unet *unet);
void unet_free(struct device *device, struct unet *unet);
/* Bytes of the largest level that takes its turn; 0 if all are there. */
size_t unet_largest_level(const struct unet *unet);

/* Channels of the time embedding. */
int unet_time_width(const struct unet_config *config);

/* Computes what depends on the prompts only, on the front of the pool: context [n][1][tokens]
 * [cross_attention_dim]. It holds until the pool's front is released to a mark from before. For
 * UNets with transformers, which need it. */
enum clat_status unet_set_prompt(
    const struct forward *run, struct unet *unet, const struct tensor *context);

/* The class of every row (config.num_class_embeds rows of class_embedding.weight), also on the
 * front of the pool. For UNets with classes, which need it. A class that the table does not have is
 * CLAT_ERROR_INPUT. */
enum clat_status unet_set_classes(const struct forward *run, struct unet *unet,
    struct weights *weights, const int32_t *classes, int n);

/* Computes what the planned timesteps give to the resnets, also on the front of the pool. Others
 * may still be evaluated. */
enum clat_status unet_set_timesteps(
    const struct forward *run, struct unet *unet, const double *timesteps, int count);
void unet_forget_timesteps(struct unet *unet);

/* What all resnets add or scale by at this timestep: [n][1][1][columns], of which n may be 0
 * elements apart; on the back of the pool if it was not planned. For unet_forward. */
enum clat_status unet_time(const struct forward *run, const struct unet *unet, int n,
    double timestep, struct tensor *columns);

/* sample [n][h][w][in_channels], output [n][h][w][out_channels], n as in unet_set_prompt. What is
 * concatenated to the latents (a low-resolution image, a mask) stands in the sample's last
 * channels. With resnet_samplers h and w must be multiples of unet_size_step(). */
enum clat_status unet_forward(const struct forward *run, const struct unet *unet,
    const struct tensor *sample, double timestep, const struct tensor *output);

/* h and w of the latents in whose multiples no level is cut: 2^(levels-1). UNet2DConditionModel
 * alone was made to run other sizes. */
int unet_size_step(const struct unet_config *config);

/* Bytes of pool for prompts, classes, input, output, so many planned timesteps and one forward
 * pass; `dry` is a dry device; tokens are not looked at without transformers. */
enum clat_status unet_measure(struct unet *unet, struct device *dry, int n, int h, int w,
    int tokens, int timesteps, size_t *bytes);

#endif
