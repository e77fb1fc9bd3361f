/* noise.c - the random numbers of a job's images. SPDX-License-Identifier: MIT */
#include "sampling/noise.h"
#include "base/memory.h"
#include "sampling/brownian.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct noise {
    struct noise_source source;
    size_t first, count;
    struct rng *generators; /* [count], or one */
    float *whole;           /* [images][elements] of one draw of the batch; [elements] for skipping
                               if each image has its own generator */
    struct walk {
        double sigma;
        float *values; /* [count][elements] */
    } walks[2];        /* Brownian paths at the sigmas that were asked for last */
    float *scratch;    /* [2][elements] for them */
};

enum clat_status noise_open(
    const struct noise_source *source, size_t first, size_t count, struct noise **noise)
{
    enum clat_status status;
    struct noise *made = NULL;
    size_t generators = source->per_batch ? 1 : count, floats;
    *noise = NULL;
    if (!size_mul(source->per_batch ? source->images : 1, source->elements, &floats))
        FAIL(CLAT_ERROR_MEMORY, "%zu images of %zu values are too many", source->images,
            source->elements);
    TRY(memory_new(1, sizeof *made, &made));
    *made = (struct noise){.source = *source, .first = first, .count = count};
    TRY(memory_new(generators, sizeof *made->generators, &made->generators));
    TRY(memory_new(floats, sizeof *made->whole, &made->whole));
    TRY(memory_new(2 * source->elements, sizeof *made->scratch, &made->scratch));
    for (int i = 0; i < 2; i++) {
        made->walks[i].sigma = NAN;
        TRY(memory_new(count * source->elements, sizeof(float), &made->walks[i].values));
    }
    for (size_t i = 0; i < generators; i++)
        rng_seed(
            &made->generators[i], source->rng, source->seeds[source->per_batch ? 0 : first + i]);
    *noise = made;
    return CLAT_OK;
out:
    noise_close(made);
    return status;
}

void noise_close(struct noise *noise)
{
    if (!noise)
        return;
    free(noise->generators);
    free(noise->whole);
    free(noise->scratch);
    free(noise->walks[0].values);
    free(noise->walks[1].values);
    free(noise);
}

/* One generator: the whole tensor is drawn for each part of the images, as its last values depend
 * on its size. */
static void draw_batch(struct noise *noise, float *values)
{
    size_t elements = noise->source.elements;
    rng_normal(noise->generators, noise->whole, noise->source.images * elements);
    if (values)
        memcpy(values, noise->whole + noise->first * elements,
            noise->count * elements * sizeof *values);
}

static void draw_images(struct noise *noise, float *values)
{
    size_t elements = noise->source.elements;
    for (size_t i = 0; i < noise->count; i++)
        rng_normal(&noise->generators[i], values ? values + i * elements : noise->whole, elements);
}

void noise_draw(struct noise *noise, float *values)
{
    if (noise->source.per_batch)
        draw_batch(noise, values);
    else
        draw_images(noise, values);
}

void noise_skip(struct noise *noise)
{
    noise_draw(noise, NULL);
}

/* The path of one image. */
static struct brownian path_of(const struct noise *noise, size_t image)
{
    const struct noise_source *source = &noise->source;
    size_t index = noise->first + image;
    return (struct brownian){.seed = source->seeds[source->per_batch ? 0 : index],
        .first = source->per_batch ? (uint64_t)index * source->elements : 0,
        .count = source->elements};
}

/* All paths at sigma. A solver asks for (sigma, middle), (sigma, next), (next, ...): what was
 * walked for the last interval is kept, but for the end that `other` does not need. */
static const float *walk_to(struct noise *noise, double sigma, double other)
{
    struct walk *walks = noise->walks;
    for (int i = 0; i < 2; i++)
        if (walks[i].sigma == sigma)
            return walks[i].values;
    struct walk *walk = &walks[walks[0].sigma == other];
    walk->sigma = sigma;
    for (size_t i = 0; i < noise->count; i++) {
        struct brownian path = path_of(noise, i);
        brownian_walk(&path, sigma, walk->values + i * path.count, noise->scratch);
    }
    return walk->values;
}

void noise_brownian(struct noise *noise, double a, double b, float *values)
{
    size_t elements = noise->source.elements;
    const float *at_a = walk_to(noise, a, b), *at_b = walk_to(noise, b, a);
    for (size_t i = 0; i < noise->count; i++) {
        struct brownian path = path_of(noise, i);
        brownian_increment(&path, a, b, at_a + i * elements, at_b + i * elements,
            values + i * elements, noise->scratch);
    }
}
