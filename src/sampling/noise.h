/* noise.h - the random numbers of a job's images. SPDX-License-Identifier: MIT
 *
 * As diffusers has it, there is either one generator per image, started from its own seed (a list
 * of generators), or one for the batch, which fills the tensor [images][elements] as a whole (a
 * single generator). Noise is drawn for a part of the job's images at a time, as memory allows; an
 * image gets the same values however its job is divided. */
#ifndef CLATENT_SAMPLING_NOISE_H
#define CLATENT_SAMPLING_NOISE_H

#include "base/status.h"
#include "sampling/rng.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct noise_source {
    enum rng_kind rng;
    bool per_batch;          /* one generator, of seeds[0] */
    const uint64_t *seeds;   /* [images] */
    size_t images, elements; /* of the whole job, and values of each image */
};

struct noise;

/* The noise of the images first .. first+count, from its beginning. The source is copied, its seeds
 * are not. */
enum clat_status noise_open(
    const struct noise_source *source, size_t first, size_t count, struct noise **noise);
void noise_close(struct noise *noise);

/* The next N(0,1) values of each image, [count][elements]. */
void noise_draw(struct noise *noise, float *values);
/* Leaves out one draw. */
void noise_skip(struct noise *noise);
/* Increments of each image's Brownian path over [a, b] of sigma, as N(0,1): brownian.h, which says
 * what a and b must be. The path is keyed by the image's seed, or by the batch's, whatever the rng.
 */
void noise_brownian(struct noise *noise, double a, double b, float *values);

#endif
