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

/* What a job has given up for want of memory or after a fault. ladder.c */
struct rungs {
    size_t budget;    /* bytes that may be used, since more could not be had; 0: no limit */
    bool apart;       /* all images are sampled before the first is decoded */
    bool bands;       /* the decoder works in bands of rows */
    bool streams;     /* the UNet's levels take turns on the device */
    unsigned exact;   /* bits of components: their weights or factors of 16 bits gave no numbers */
    bool rebuilt;     /* the device's context was lost, and made anew */
    unsigned refused; /* kernels that were known not to build when memory was planned */
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

    struct memory_request request;
    struct model_memory memory; /* as predicted */
    struct kernel_use *uses;    /* the kernels for it */
    size_t use_count;
    struct rungs rungs;
    int sampled, finished; /* images that have latents, and that were handed out */
    int end;               /* those before this one are this run's to make */
    int crew;              /* devices that work on the job, each with a run: crew.h; 0: one */
    int held;              /* images in a sampling loop that is going on, or 0 */
    struct scheduler *scheduler;
    struct plan_outline plan;
    float start_scale;   /* of start noise */
    float latents_scale; /* of the latents that the decoder gets: its scaling_factor */
    bool unscaled;       /* compat: the network sees sigma-space samples without their divisor */
    bool scaled_image;   /* compat: and what stands beside the sample is divided like it */
    struct noise_source noise;

    enum component stage;         /* that is at work */
    struct pipeline_store *store; /* keep.h; or NULL */
    bool keeps;                   /* the networks stay there */
    size_t kept; /* bytes of networks that were there, and have not been given back */
    struct unet unet;
    struct autoencoder decoder;
    struct preview *preview; /* preview.h; NULL: nobody wants one */

    enum pipeline_phase phase; /* of a load that goes on */
    int loaded, to_load;       /* tensors */
};

/* settings.c: sizes, seeds, scheduler; everything that can be refused before work begins. */
enum clat_status run_settle(struct run *run);
/* plan.c: the scheduler's steps, where they start, what is scaled. */
enum clat_status run_plan(struct run *run);
/* ladder.c: predicts what the job needs, chooses `group` and rungs, refuses what does not fit. */
enum clat_status run_check_memory(struct run *run);
/* The same for one half of the autoencoder alone. */
enum clat_status run_check_autoencoder(struct run *run, bool encodes);
/* What is loaded and run from now on belongs to this component, and gets the precision that the job
 * and its rungs leave it. An autoencoder, whose sums go far beyond those of a UNet, has float
 * weights always, and a matrix unit only if the job asks for it by name. */
void run_begin(struct run *run, enum component component);
bool run_stores_half(const struct run *run, enum component component);
/* True if a stage that failed with *status, and has released what it made on the device, is to be
 * done again: by now something is different. False after CLAT_OK too. */
bool run_recovers(struct run *run, enum clat_status *status);
/* encode.c: the pictures ([3][height][width] each, -1..1) as latents [count][channels][h][w], as
 * the first stage gives them: the mean of KL, unquantized of VQ, not scaled. */
enum clat_status run_encode_pictures(
    struct run *run, const struct pictures *pictures, float *latents);
/* latents.c */
enum clat_status run_start_latents(struct run *run);
/* pipeline.c: samples and decodes the images from `sampled` to `end`. */
enum clat_status run_make_groups(struct run *run);
/* load.c: nothing if it is there. */
enum clat_status run_load_unet(struct run *run);
enum clat_status run_load_decoder(struct run *run);
/* denoise.c: samples the next group of images. */
enum clat_status run_sample(struct run *run);
/* decode.c: decodes and hands out what is sampled. */
enum clat_status run_decode(struct run *run);
/* Gives back networks of earlier jobs if there are not so many bytes free beside them. */
void run_make_room(struct run *run, size_t bytes);
/* Gives back the UNet and the decoder. */
void run_release(struct run *run);
void run_free(struct run *run);

/* Loads one component with its progress as `phase`; used by load.c and condition.c. */
struct loading {
    struct loader loader;
    struct run *run;
    bool half; /* of other components: device_store_half() */
};
enum clat_status loading_open(struct loading *loading, struct run *run, enum component component,
    enum pipeline_phase phase, size_t tensors);
void loading_close(struct loading *loading);

/* Events, each nothing if nobody listens. */
void run_phase(struct run *run, enum pipeline_phase phase, int done, int total);
enum clat_status run_trace(const struct run *run, const char *name, int rank, const size_t *shape,
    const float *values, const int32_t *ids);
bool run_is_cancelled(const struct run *run);
bool run_wants(const struct run *run, int index);
void run_warn(const struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
