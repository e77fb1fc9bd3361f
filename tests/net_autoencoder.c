/* net_autoencoder.c - encoder and decoder against the reference, in every file layout.
 * SPDX-License-Identifier: MIT */
#include "networks/autoencoder.h"
#include "check.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct device *device;
static struct weights *goldens;

/* Runs one half over `in` [n, c, ...], giving `out` [n, c', ...]; h and w are the latents' size. */
static void forward(const struct autoencoder *half, int n, int h, int w, const float *in,
    float *out, struct golden_tap *tap)
{
    int scale = autoencoder_scale(&half->config);
    int channels = half->encodes ? encoder_channels(&half->config) : half->config.latent_channels;
    struct device *dry;
    struct pool pool;
    struct tensor latents, image;
    size_t bytes;
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    CHECK_OK(autoencoder_measure(half, dry, n, h, w, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    struct forward run = {.pool = &pool, .tap = tap ? golden_compare : NULL, .user = tap};
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, h, w, channels, &latents));
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, h * scale, w * scale, 3, &image));
    CHECK_OK(tensor_write_nchw(device, half->encodes ? &image : &latents, in));
    CHECK_OK(half->encodes ? encoder_forward(&run, half, &image, &latents)
                           : decoder_forward(&run, half, &latents, &image));
    CHECK_OK(tensor_read_nchw(device, half->encodes ? &latents : &image, out));
    CHECK(pool.peak == bytes, "measured %zu bytes, taken %zu", bytes, pool.peak);
    pool_close(&pool);
    device_close(dry);
}

static void check_decoder_case(const struct autoencoder *decoder, int index, struct golden_tap *tap)
{
    char in[32], out[32];
    snprintf(in, sizeof in, "vae/dec%d/in", index);
    snprintf(out, sizeof out, "vae/dec%d/out", index);
    const struct weight *shape = golden_find(goldens, in);
    size_t count = golden_count(golden_find(goldens, out));
    float *image = malloc(count * sizeof *image);
    forward(decoder, (int)shape->shape[0], (int)shape->shape[2], (int)shape->shape[3],
        golden_floats(goldens, in), image, tap);
    check_near(out, image, golden_floats(goldens, out), count, GOLDEN_LIMIT);
    free(image);
}

static void check_encoder_case(const struct autoencoder *encoder, int index, struct golden_tap *tap)
{
    char in[32], mean[32], log_variance[32];
    snprintf(in, sizeof in, "vae/enc%d/in", index);
    snprintf(mean, sizeof mean, "vae/enc%d/mean", index);
    snprintf(log_variance, sizeof log_variance, "vae/enc%d/logvar", index);
    const struct weight *shape = golden_find(goldens, mean);
    size_t h = shape->shape[2], w = shape->shape[3], count = golden_count(shape);
    float *moments = malloc(2 * count * sizeof *moments);
    forward(encoder, 1, (int)h, (int)w, golden_floats(goldens, in), moments, tap);
    check_near(mean, moments, golden_floats(goldens, mean), count, GOLDEN_LIMIT);
    check_near(log_variance, moments + count, golden_floats(goldens, log_variance), count,
        GOLDEN_LIMIT); /* none of these is large enough to be clamped */
    free(moments);
}

/* All but conv_norm_out, which is folded into conv_out. */
static int count_traced(const char *prefix)
{
    int count = 0;
    for (size_t i = 0; i < weights_count(goldens); i++) {
        const char *name = weights_at(goldens, i)->name;
        count += strncmp(name, prefix, strlen(prefix)) == 0 && !strstr(name, "conv_norm_out");
    }
    return count;
}

static void check_halves(const char *folder)
{
    struct golden_model opened;
    struct autoencoder decoder, encoder;
    struct golden_tap tap = {device, goldens, "act/vae.", 0};
    golden_model_open(&opened, folder, NULL, COMPONENT_AUTOENCODER, device);
    CHECK_OK(decoder_load(&opened.loader, &opened.model->autoencoder, &decoder));
    CHECK_OK(encoder_load(&opened.loader, &opened.model->autoencoder, &encoder));
    for (int i = 0; i < 3; i++) {
        check_decoder_case(&decoder, i, i ? NULL : &tap);
        check_encoder_case(&encoder, i, i ? NULL : &tap);
    }
    CHECK(tap.compared == count_traced("act/vae."), "%d of %d blocks were compared", tap.compared,
        count_traced("act/vae."));
    autoencoder_free(device, &decoder);
    autoencoder_free(device, &encoder);
    golden_model_close(&opened);
}

/* The half-precision file differs by its rounding of the weights. */
static void check_half_file(void)
{
    struct golden_model opened;
    struct autoencoder decoder;
    golden_model_open(
        &opened, check_data("ldm-text2im-tiny"), "fp16", COMPONENT_AUTOENCODER, device);
    CHECK_OK(decoder_load(&opened.loader, &opened.model->autoencoder, &decoder));
    size_t count = golden_count(golden_find(goldens, "vae/dec2/out"));
    float *image = malloc(count * sizeof *image);
    forward(&decoder, 1, 6, 6, golden_floats(goldens, "vae/dec2/in"), image, NULL);
    double distance = check_distance(image, golden_floats(goldens, "vae/dec2/out"), count);
    CHECK(distance > 1e-6 && distance < 3e-3, "distance to the float32 file: %g", distance);
    free(image);
    autoencoder_free(device, &decoder);
    golden_model_close(&opened);
}

/* What a model of tests/data/odd gives, in whole and in bands of eight rows (9 x 4 latents: two of
 * the lowest level). */
static void check_odd_half(struct weights *values, struct autoencoder *half)
{
    const char *in = half->encodes ? "ae/in" : "ae/z";
    const char *out = half->encodes ? "ae/encoded" : "ae/decoded";
    size_t count = golden_count(golden_find(values, out));
    float *found = malloc(count * sizeof *found);
    for (int i = 0; i < 2; i++) {
        forward(half, 1, 9, 4, golden_floats(values, in), found, NULL);
        check_near(out, found, golden_floats(values, out), count, GOLDEN_LIMIT);
        half->bands.limit = 0;
        half->bands.bytes = 1;
    }
    free(found);
}

/* The choices that no published model makes (tests/tools/make_odd.py). */
static void check_odd(const char *name)
{
    char folder[4096], path[4200];
    struct autoencoder_config config;
    struct autoencoder encoder, decoder;
    struct loader loader = {.device = device};
    snprintf(folder, sizeof folder, "%s", check_data(name));
    snprintf(path, sizeof path, "%s/goldens.safetensors", folder);
    struct weights *values = golden_open(path);
    snprintf(path, sizeof path, "%s/config.json", folder);
    CHECK_OK(config_read_autoencoder(path, &config));
    CHECK_OK(weights_open_component(folder, "diffusion_pytorch_model", NULL, &loader.weights));
    if (CHECK_OK(encoder_load(&loader, &config, &encoder)))
        check_odd_half(values, &encoder);
    if (CHECK_OK(decoder_load(&loader, &config, &decoder)))
        check_odd_half(values, &decoder);
    autoencoder_free(device, &encoder);
    autoencoder_free(device, &decoder);
    weights_close(loader.weights);
    loader_close(&loader);
    weights_close(values);
}

/* A device with small buffers decodes smaller pictures in bands. */
static void check_band_limit(void)
{
    struct golden_model opened;
    struct autoencoder decoder;
    struct device *small;
    struct device_facts facts = *device_facts(device);
    facts.largest_buffer = 300 << 20;
    CHECK_OK(device_open_dry(&facts, &small));
    golden_model_open(&opened, check_data("ldm-text2im-tiny"), NULL, COMPONENT_AUTOENCODER, small);
    CHECK_OK(decoder_load(&opened.loader, &opened.model->autoencoder, &decoder));
    CHECK(decoder.bands.limit == 100 << 20, "%zu bytes", decoder.bands.limit);
    autoencoder_free(small, &decoder);
    golden_model_close(&opened);
    device_close(small);
}

static void check_moments(void)
{
    const float moments[] = {1, 2, -50, 40}, noise[] = {2, -1};
    float latents[2];
    moments_sample(moments, 1, 2, NULL, latents);
    CHECK(latents[0] == 1 && latents[1] == 2, "the mode is the mean");
    moments_sample(moments, 1, 2, noise, latents);
    float low = 1 + 2 * expf(-15), high = 2 - expf(10);
    CHECK(latents[0] == low && latents[1] == high, "got %g %g, want %g %g", (double)latents[0],
        (double)latents[1], (double)low, (double)high);
}

int main(void)
{
    device = golden_device();
    goldens = golden_open(check_data("goldens/ldm-text2im-tiny.safetensors"));
    check_moments();
    check_halves(golden_layout("safetensors"));
    check_halves(golden_layout("bin")); /* with the older names of the attention's layers */
    check_half_file();
    check_band_limit();
    check_odd("odd/kl");
    check_odd("odd/vq");
    device_force_shape(device, false); /* the portable kernels, which GPUs run */
    check_halves(golden_layout("safetensors"));
    check_odd("odd/kl");
    check_odd("odd/vq");
    weights_close(goldens);
    device_close(device);
    return check_result();
}
