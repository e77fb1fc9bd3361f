/* preview.h - what an image looks like while it is sampled. SPDX-License-Identifier: MIT
 *
 * The colour of a pixel of the latents is roughly linear in its channels:
 *
 *     rgb = M [latents, 1]
 *
 * M is found by least squares from the model's own decoder: a few smooth random latents are decoded
 * before the first step, and each of their pixels is compared with the mean of the square of the
 * picture that it became. That is one small decoding for a job, and needs no table of known models.
 *
 * Shown is not the noisy sample but the clean image that the network believes to be in it. */
#ifndef CLATENT_PIPELINE_PREVIEW_H
#define CLATENT_PIPELINE_PREVIEW_H

#include "pipeline/run.h"

/* Colours of latents: [3][channels + 1], of values about -1..1. */
struct colours {
    int channels;
    double *map;
};

/* Weighs `count` pixels: latents [channels][count], rgb [count][3]. CLAT_ERROR_CHECK if they do not
 * tell all colours. */
enum clat_status colours_fit(
    struct colours *colours, int channels, size_t count, const float *latents, const float *rgb);
/* rgb [count][3] in 0..1 of latents [channels][count]. */
void colours_apply(const struct colours *colours, size_t count, const float *latents, float *rgb);
void colours_free(struct colours *colours);

/* Learns the colours of the run's decoder, which is loaded and given back, if the job wants
 * previews and somebody listens. Nothing goes wrong for want of a preview: a warning says why there
 * is none. CLAT_CANCELLED. */
enum clat_status preview_open(struct run *run);
/* The same colours for a run that makes a part of the images of `job`, which is there as long. */
enum clat_status preview_join(struct run *run, const struct run *job);
void preview_close(struct run *run);

/* After an evaluation of `count` images at a timestep: keeps what is clean in the sample. */
void preview_keep(
    struct run *run, int count, const float *sample, double timestep, const float *output);
/* After step `step` of `steps` (0-based): shows images first..first+count, if one is due. */
void preview_show(struct run *run, int first, int count, int step, int steps, const float *sample);

#endif
