/* run.h - one job while it runs: what its stages hand to each other. SPDX-License-Identifier: MIT
 */
#ifndef CLATENT_PIPELINE_RUN_H
#define CLATENT_PIPELINE_RUN_H

#include "job/layout.h"
#include "networks/autoencoder.h"
#include "networks/ldmbert.h"
#include "networks/unet.h"
#include "pipeline/model.h"
#include "pipeline/picture.h"
#include "pipeline/pipeline.h"
#include "sampling/noise.h"
#include "sampling/sampler.h"

/* What the job's files and lists say, read before any work. */
struct inputs {
    struct pictures images, masks, label_maps; /* one each, or one for every item */
    int *classes;                              /* [items] */
    struct layout layout;
    int32_t layout_tokens[3 * LAYOUT_BOXES + 2];
};

struct run {
    struct device *device;
    const struct model *model;
    const struct job *job;
    const struct pipeline_events *events;

    int height, width;  /* in pixels */
    int h, w, channels; /* of a latent image */
    size_t elements;    /* channels*h*w */
    const struct task_row *task;
    int items;  /* what images are made from: prompts, classes, pictures, ... */
    int images; /* in all: items x batch_size, item by item */
    int group;  /* images per UNet call */
    int steps;  /* asked for */
    bool guided;
    uint64_t *seeds; /* [images] */

    struct inputs inputs;
    int32_t *ids;              /* [rows][tokens], of text and layout */
    int tokens, context_width; /* positions of a context, and floats in each */
    int rows;                  /* the unconditional one if guided, then the items */
    float *context;            /* [rows][tokens][context_width]; NULL: no cross-attention */
    int extra;                 /* channels behind those of the latents */
    float *beside;             /* [items][extra][h][w], or NULL */

    float *latents; /* [images][elements]: start noise, then samples */
    bool drawn;     /* noise was drawn from the seeds for them, not only a file read */
    float *decoded; /* [images][3][height][width], kept for the trace only */

    struct model_memory memory; /* as predicted */
    struct scheduler *scheduler;
    struct plan_outline plan;
    float start_scale;   /* of start noise */
    float latents_scale; /* of the latents that the decoder gets: its scaling_factor */
    bool unscaled;       /* compat: the network sees sigma-space samples without their divisor */
    bool scaled_image;   /* compat: and what stands beside the sample is divided like it */
    struct noise_source noise;

    struct unet unet;
    struct autoencoder decoder;

    enum pipeline_phase phase; /* of a load that goes on */
    int loaded, to_load;       /* tensors */
};

/* settings.c: sizes, seeds, scheduler; everything that can be refused before work begins. */
enum clat_status run_settle(struct run *run);
/* plan.c: the scheduler's steps, where they start, what is scaled. */
enum clat_status run_plan(struct run *run);
/* memory.c: predicts what the job needs, chooses `group`, refuses what does not fit. */
enum clat_status run_check_memory(struct run *run);
/* The same for one half of the autoencoder alone. */
enum clat_status run_check_autoencoder(struct run *run, bool encodes);
/* encode.c: the pictures ([3][height][width] each, -1..1) as latents [count][channels][h][w], as
 * the first stage gives them: the mean of KL, unquantized of VQ, not scaled. */
enum clat_status run_encode_pictures(
    struct run *run, const struct pictures *pictures, float *latents);
/* latents.c */
enum clat_status run_start_latents(struct run *run);
/* load.c */
enum clat_status run_load_unet(struct run *run);
enum clat_status run_load_decoder(struct run *run);
/* denoise.c: samples the images first .. first+count. */
enum clat_status run_sample(struct run *run, int first, int count);
/* decode.c: decodes and hands out the same. */
enum clat_status run_decode(struct run *run, int first, int count);
void run_free(struct run *run);

/* Loads one component with its progress as `phase`; used by load.c and condition.c. */
struct loading {
    struct loader loader;
    struct run *run;
};
enum clat_status loading_open(struct loading *loading, struct run *run, enum component component,
    enum pipeline_phase phase, size_t tensors);
void loading_close(struct loading *loading);

/* Events, each nothing if nobody listens. */
void run_phase(struct run *run, enum pipeline_phase phase, int done, int total);
enum clat_status run_trace(const struct run *run, const char *name, int rank, const size_t *shape,
    const float *values, const int32_t *ids);
bool run_is_cancelled(const struct run *run);

#endif
