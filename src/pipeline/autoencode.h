/* autoencode.h - the autoencoder alone: pictures to latents and back. SPDX-License-Identifier: MIT
 *
 * Latents are those that the UNet denoises: what the first stage gives, times its scaling factor.
 * So those of generate can be decoded, and those of encode be started from. */
#ifndef CLATENT_PIPELINE_AUTOENCODE_H
#define CLATENT_PIPELINE_AUTOENCODE_H

#include "pipeline/pipeline.h"

struct latents {
    size_t shape[4]; /* images, channels, height, width */
    float *values;   /* freed with latents_free */
};
void latents_free(struct latents *latents);

/* A .npy file, or a .safetensors file's only tensor or the one named "latents". */
enum clat_status latents_read(const char *path, struct latents *latents);

/* The pictures of the job's `image`, without noise: the mean of KL, unquantized of VQ. */
enum clat_status pipeline_encode(struct device *device, const struct model *model,
    const struct job *job, const struct pipeline_events *events, struct latents *latents);
/* Pictures of the latents, to events->image one by one; its `item` is "". */
enum clat_status pipeline_decode(struct device *device, const struct model *model,
    const struct job *job, const struct latents *latents, const struct pipeline_events *events);

#endif
