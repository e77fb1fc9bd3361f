/* pipeline.h - a model and a job in, images out: the stages in order. SPDX-License-Identifier: MIT
 *
 *     prompt, class, image, ... -> condition -> [ latents <- scheduler <-> UNet ] -> decoder
 *
 * What makes the condition (text encoder, encoder) is loaded, run for all inputs and released
 * before the UNet is loaded. */
#ifndef CLATENT_PIPELINE_PIPELINE_H
#define CLATENT_PIPELINE_PIPELINE_H

#include "job/job.h"
#include "base/status.h"
#include "device/device.h"

/* What the pipeline tells its caller while it works. All pointers may be NULL; all are called from
 * the calling thread. */
enum pipeline_phase {
    PHASE_BUILD, /* a kernel program, of so many if that is known, else 0 */
    PHASE_LOAD_TEXT,
    PHASE_ENCODE,
    PHASE_LOAD_ENCODER,
    PHASE_ENCODE_IMAGES,
    PHASE_LOAD_UNET,
    PHASE_SAMPLE,
    PHASE_LOAD_DECODER,
    PHASE_DECODE
};
struct pipeline_events {
    void *user;
    /* done of total: tensors while loading, prompts, or images */
    void (*phase)(void *user, enum pipeline_phase phase, int done, int total);
    /* `step` of `steps` are done, for the images first .. first+count of total */
    void (*step)(void *user, int step, int steps, int first, int count, int total);
    bool (*cancelled)(void *user);
    /* Whether an image is to be made; those that are not are as if they were done. */
    bool (*wanted)(void *user, int index);
    /* Something is done otherwise than it should be, in a sentence. */
    void (*warn)(void *user, const char *sentence);
    /* Weights are kept in another precision than the job says, from now on. */
    void (*precision)(void *user, const char *precision);
    /* One finished image: `item` is the prompt, class, file, ... it was made from ("" if nothing);
     * rgb [height][width][3] floats in 0..1, latents [c][h][w] as the decoder
     * got them before division by the scaling factor. The arrays are the pipeline's. */
    enum clat_status (*image)(void *user, int index, uint64_t seed, const char *item, int height,
        int width, const float *rgb, int channels, int h, int w, const float *latents);
    /* An image between two steps, [h][w][3] in 0..1, as small as its latents: image `index` of all,
     * the `nth` of those that are sampled together; `step` of `steps` are done. */
    void (*preview)(void *user, int index, int nth, int step, int steps, uint64_t seed,
        const char *item, int h, int w, const float *rgb);
    /* One stage of the trace, float or int32 values, whichever is not NULL:
     *   token_ids [rows][tokens], text_embeddings [rows][tokens][width]: "" first if guided
     *   condition [items][channels][h][w]: what stands behind the latents
     *   latents.init [images][c][h][w]: start noise before the scheduler scales it, or in the
     *       middle of a run, the given latents with noise
     *   model_output.I, latents.I: guided prediction of evaluation I, latents after step I
     *   decoded [images][3][height][width], about -1..1, before clamping
     * Images that are sampled together share a tensor; those of a later group, which starts with
     * image N, have "@N" after the name. */
    enum clat_status (*trace)(void *user, const char *name, int rank, const size_t *shape,
        const float *values, const int32_t *ids);
};

struct model; /* model.h: an opened model folder */

/* How networks loaded from now on are computed and kept: a job's `gemm`, `kernels` and `precision`
 * (NULL is "auto"), and `float32_matmul_precision` (NULL is "highest"). A job keeps more of
 * its components exact (run_begin). */
void pipeline_prepare(struct device *device, const struct job *job);
/* `kernels` and `float32_matmul_precision` alone: for another device. */
void pipeline_choose_kernels(struct device *device, const struct job *job);

/* What a job comes to with its model. */
struct pipeline_outline {
    int images;        /* in all */
    int height, width; /* of each, in pixels */
    int steps;         /* num_inference_steps */
    const char *key;   /* of the job: what images are made from, "prompt"; NULL: nothing */
    const char *item;  /* the first of these; the job's */
};
/* What image `index` of a job is made from ("" if nothing), and its seed. */
const char *pipeline_item(const struct model *model, const struct job *job, int index);
uint64_t pipeline_seed(const struct job *job, int index);
/* Finds everything that can be known to be wrong without a device and without weights. */
enum clat_status pipeline_check(
    const struct model *model, const struct job *job, struct pipeline_outline *outline);

/* All images of a job, on one device, or on several that share them (crew.h). */
enum clat_status pipeline_run_on(struct device *const *devices, size_t count, struct model *model,
    const struct job *job, const struct pipeline_events *events);

/* What stays loaded between jobs: keep.h. */
struct pipeline_store;
enum clat_status pipeline_store_new(struct pipeline_store **store);
/* A prompt of a job that will come; the text is the caller's, and good until then. */
enum clat_status pipeline_store_expect(
    struct pipeline_store *store, const struct model *model, const char *prompt);
/* Gives back all that it holds: before its model or device goes. */
void pipeline_store_clear(struct pipeline_store *store);
void pipeline_store_free(struct pipeline_store *store); /* NULL is allowed */
/* The same with a store (NULL: none): what it holds is taken over, and with `more` what the job has
 * loaded stays there. Several devices keep nothing. */
enum clat_status pipeline_run_kept(struct device *const *devices, size_t count, struct model *model,
    const struct job *job, const struct pipeline_events *events, struct pipeline_store *store,
    bool more);

enum clat_status pipeline_run(struct device *device, struct model *model, const struct job *job,
    const struct pipeline_events *events);

#endif
