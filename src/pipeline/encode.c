/* encode.c - pictures to latents, one at a time. SPDX-License-Identifier: MIT
 *
 * The encoder is loaded, run and released, as the text encoder is. */
#include "base/memory.h"
#include "pipeline/run.h"
#include "sampling/denoiser.h"

#include <stdlib.h>
#include <string.h>

struct encoding {
    struct run *run;
    struct autoencoder encoder;
    struct pool pool;
    struct tensor image, output; /* on the device */
    int h, w;                    /* of the latents */
    int channels;                /* of the output: means and log variances, or latents */
    float *values;               /* [channels][h][w] */
};

static enum clat_status open_pool(struct encoding *encoding)
{
    enum clat_status status;
    struct device *device = encoding->run->device, *dry = NULL;
    int scale = encoding->run->model->latent_scale, h = encoding->h, w = encoding->w;
    struct pool *pool = &encoding->pool;
    size_t bytes;
    TRY(device_open_dry(device_facts(device), &dry));
    TRY(autoencoder_measure(&encoding->encoder, dry, 1, h, w, &bytes));
    TRY(pool_open(device, bytes, pool));
    TRY(pool_take(pool, POOL_FRONT, 1, h * scale, w * scale, 3, &encoding->image));
    TRY(pool_take(pool, POOL_FRONT, 1, h, w, encoding->channels, &encoding->output));
    TRY(memory_new((size_t)encoding->channels * (size_t)h * (size_t)w, sizeof *encoding->values,
        &encoding->values));
out:
    device_close(dry);
    return status;
}

/* image [3][height][width] */
static enum clat_status encode(struct encoding *encoding, const float *image, float *latents)
{
    enum clat_status status;
    struct device *device = encoding->run->device;
    const struct autoencoder_config *config = &encoding->run->model->autoencoder;
    size_t pixels = (size_t)encoding->h * (size_t)encoding->w;
    size_t count = (size_t)encoding->channels * pixels;
    TRY(tensor_write_nchw(device, &encoding->image, image));
    TRY(encoder_forward(&(struct forward){.pool = &encoding->pool}, &encoding->encoder,
        &encoding->image, &encoding->output));
    TRY(tensor_read_nchw(device, &encoding->output, encoding->values));
    TRY(check_finite(encoding->values, count, "the encoder"));
    if (config->kind == AUTOENCODER_KL)
        moments_sample(encoding->values, (size_t)config->latent_channels, pixels, NULL, latents);
    else
        memcpy(latents, encoding->values, count * sizeof *latents);
out:
    return status;
}

static enum clat_status encode_pictures(
    struct run *run, const struct pictures *pictures, float *latents)
{
    enum clat_status status;
    const struct autoencoder_config *config = &run->model->autoencoder;
    int scale = run->model->latent_scale;
    struct loading loading = {0};
    struct encoding encoding = {.run = run,
        .h = pictures->height / scale,
        .w = pictures->width / scale,
        .channels = config->latent_channels * (config->kind == AUTOENCODER_KL ? 2 : 1)};
    size_t picture = 3 * (size_t)pictures->height * (size_t)pictures->width;
    size_t elements = (size_t)config->latent_channels * (size_t)encoding.h * (size_t)encoding.w;
    run_make_room(run, run->memory.encoder_weights + run->memory.encoder_activations);
    TRY(loading_open(
        &loading, run, COMPONENT_AUTOENCODER, PHASE_LOAD_ENCODER, run->memory.encoder_tensors));
    TRY(encoder_load(&loading.loader, config, &encoding.encoder));
    TRY(open_pool(&encoding));
    for (int i = 0; i < pictures->count; i++) {
        run_phase(run, PHASE_ENCODE_IMAGES, i, pictures->count);
        TRY(encode(
            &encoding, pictures->values + (size_t)i * picture, latents + (size_t)i * elements));
    }
    run_phase(run, PHASE_ENCODE_IMAGES, pictures->count, pictures->count);
out:
    free(encoding.values);
    pool_close(&encoding.pool);
    autoencoder_free(run->device, &encoding.encoder);
    loading_close(&loading);
    return status;
}

enum clat_status run_encode_pictures(
    struct run *run, const struct pictures *pictures, float *latents)
{
    enum clat_status status;
    do
        status = encode_pictures(run, pictures, latents);
    while (run_recovers(run, &status));
    return status;
}
