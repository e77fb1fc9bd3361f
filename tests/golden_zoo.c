/* golden_zoo.c - UNet2DModel and VQModel in diffusers' own layout against the reference, every
 * block. SPDX-License-Identifier: MIT
 *
 * Run by `make check-zoo`. CLATENT_ZOO holds the small models ldm-sr-tiny and ldm-uncond-tiny,
 * CLATENT_ZOO_GOLDENS the folder of their reference values. The CompVis models of the same folder
 * are tested by tests/net_family and tests/compvis. */
#include "checkpoint/config.h"
#include "networks/autoencoder.h"
#include "networks/unet.h"
#include "check.h"
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct device *device, *dry;
static struct weights *goldens;
static char model[2048]; /* its folder */

static const char *file_in(const char *component, const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s%s%s", model, component, *name ? "/" : "", name);
    return path;
}

static void open_loader(const char *component, struct loader *loader)
{
    *loader = (struct loader){.device = device};
    CHECK_OK(weights_open_component(
        file_in(component, ""), "diffusion_pytorch_model", NULL, &loader->weights));
}

static void close_loader(struct loader *loader)
{
    weights_close(loader->weights);
    loader_close(loader);
}

/* A tensor of the shape of a golden [n][c][h][w] with its sides multiplied. */
static struct tensor take(struct pool *pool, const struct weight *like, int c, int up, int down)
{
    struct tensor tensor = {0};
    CHECK_OK(pool_take(pool, POOL_FRONT, (int)like->shape[0], (int)like->shape[2] * up / down,
        (int)like->shape[3] * up / down, c, &tensor));
    return tensor;
}

static void compare(const char *name, const struct tensor *tensor)
{
    size_t count = tensor_elements(tensor);
    float *values = malloc(count * sizeof *values);
    CHECK_OK(tensor_read_nchw(device, tensor, values));
    check_near(name, values, golden_floats(goldens, name), count, GOLDEN_LIMIT);
    free(values);
}

/* Blocks that have no tensor of their own: see net_unet.c. */
static void check_tapped(const struct golden_tap *tap)
{
    int count = 0;
    for (size_t i = 0; i < weights_count(goldens); i++) {
        const char *name = weights_at(goldens, i)->name;
        count += strncmp(name, tap->prefix, strlen(tap->prefix)) == 0 &&
                 !strstr(name, "conv_norm_out") && !strstr(name, "time_embedding");
    }
    CHECK(tap->compared == count, "%s: %d of %d blocks were compared", tap->prefix, tap->compared,
        count);
}

/* ---- the UNet ------------------------------------------------------------------------------- */

static void check_unet_case(
    struct unet *unet, int index, double timestep, const char *out, struct golden_tap *tap)
{
    char in[32];
    snprintf(in, sizeof in, "unet/%d/in", index);
    const struct weight *shape = golden_find(goldens, in);
    struct pool pool;
    size_t bytes;
    CHECK_OK(unet_measure(
        unet, dry, (int)shape->shape[0], (int)shape->shape[2], (int)shape->shape[3], 0, 0, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    struct tensor x = take(&pool, shape, unet->config.in_channels, 1, 1);
    struct tensor y = take(&pool, shape, unet->config.out_channels, 1, 1);
    struct forward run = {.pool = &pool, .tap = tap ? golden_compare : NULL, .user = tap};
    CHECK_OK(tensor_write_nchw(device, &x, golden_floats(goldens, in)));
    CHECK_OK(unet_forward(&run, unet, &x, timestep, &y));
    CHECK(pool.peak == bytes, "measured %zu bytes, taken %zu", bytes, pool.peak);
    compare(out, &y);
    pool_close(&pool);
}

static void check_unet(const double timesteps[3])
{
    struct loader loader;
    struct unet_config config;
    struct unet unet;
    struct golden_tap tap = {device, goldens, "act/unet.", 0};
    open_loader("unet", &loader);
    CHECK_OK(config_read_unet(file_in("unet", "config.json"), &config));
    if (CHECK_OK(unet_load(&loader, &config, &unet))) {
        check_unet_case(&unet, 0, timesteps[0], "unet/0/out", &tap);
        check_tapped(&tap);
        check_unet_case(&unet, 1, timesteps[1], "unet/1/out", NULL);
        check_unet_case(&unet, 2, timesteps[2], "unet/2/out", NULL);
    }
    unet_free(device, &unet);
    close_loader(&loader);
}

/* ---- the autoencoder ------------------------------------------------------------------------ */

static void check_codes(
    struct pool *pool, const struct autoencoder *decoder, const struct tensor *z, int index)
{
    char name[32], quantized[40];
    struct pool_mark mark = pool_mark(pool);
    struct tensor codes, indices;
    snprintf(name, sizeof name, "vae/dec%d/indices", index);
    snprintf(quantized, sizeof quantized, "vae/dec%d/quantized", index);
    const int32_t *want = (const int32_t *)golden_find(goldens, name)->data;
    CHECK_OK(pool_take(pool, POOL_FRONT, z->n, z->h, z->w, z->c, &codes));
    CHECK_OK(pool_take(pool, POOL_FRONT, z->n, z->h, z->w, 1, &indices));
    float *found = malloc(tensor_elements(&indices) * sizeof *found);
    CHECK_OK(op_quantize(pool, &decoder->codebook, z, &codes, &indices));
    compare(quantized, &codes);
    CHECK_OK(tensor_read(device, &indices, found));
    for (size_t i = 0; i < tensor_elements(&indices); i++)
        CHECK((int32_t)found[i] == want[i], "%s[%zu]: %g, expected %d", name, i, (double)found[i],
            (int)want[i]);
    free(found);
    pool_release(pool, POOL_FRONT, mark);
}

static void check_decoder_case(const struct autoencoder *decoder, int index, struct golden_tap *tap)
{
    char in[32], out[32], plain[32];
    snprintf(in, sizeof in, "vae/dec%d/in", index);
    snprintf(out, sizeof out, "vae/dec%d/out", index);
    snprintf(plain, sizeof plain, "vae/dec%d/out_noquant", index);
    const struct weight *shape = golden_find(goldens, in);
    struct pool pool;
    CHECK_OK(pool_open(device, 64 << 20, &pool));
    struct forward run = {.pool = &pool, .tap = tap ? golden_compare : NULL, .user = tap};
    struct tensor z = take(&pool, shape, decoder->config.latent_channels, 1, 1);
    struct tensor image = take(&pool, shape, 3, autoencoder_scale(&decoder->config), 1);
    CHECK_OK(tensor_write_nchw(device, &z, golden_floats(goldens, in)));
    CHECK_OK(decoder_forward(&run, decoder, &z, &image));
    compare(out, &image);
    run.tap = NULL;
    CHECK_OK(decoder_forward_continuous(&run, decoder, &z, &image));
    compare(plain, &image);
    check_codes(&pool, decoder, &z, index);
    pool_close(&pool);
}

static void check_encoder_case(const struct autoencoder *encoder, int index, struct golden_tap *tap)
{
    char in[32], out[32];
    snprintf(in, sizeof in, "vae/enc%d/in", index);
    snprintf(out, sizeof out, "vae/enc%d/latents", index);
    const struct weight *shape = golden_find(goldens, in);
    struct pool pool;
    CHECK_OK(pool_open(device, 64 << 20, &pool));
    struct forward run = {.pool = &pool, .tap = tap ? golden_compare : NULL, .user = tap};
    struct tensor image = take(&pool, shape, 3, 1, 1);
    struct tensor latents = take(
        &pool, shape, encoder_channels(&encoder->config), 1, autoencoder_scale(&encoder->config));
    CHECK_OK(tensor_write_nchw(device, &image, golden_floats(goldens, in)));
    CHECK_OK(encoder_forward(&run, encoder, &image, &latents));
    compare(out, &latents);
    pool_close(&pool);
}

static void check_autoencoder(void)
{
    struct loader loader;
    struct autoencoder_config config;
    struct autoencoder decoder, encoder;
    struct golden_tap tap = {device, goldens, "act/vae.", 0};
    open_loader("vqvae", &loader);
    CHECK_OK(config_read_autoencoder(file_in("vqvae", "config.json"), &config));
    CHECK_OK(decoder_load(&loader, &config, &decoder));
    CHECK_OK(encoder_load(&loader, &config, &encoder));
    for (int i = 0; i < 2; i++) {
        check_decoder_case(&decoder, i, i ? NULL : &tap);
        check_encoder_case(&encoder, i, i ? NULL : &tap);
    }
    check_tapped(&tap);
    autoencoder_free(device, &decoder);
    autoencoder_free(device, &encoder);
    close_loader(&loader);
}

static void check_model(const char *name, const double timesteps[3])
{
    char path[4096];
    snprintf(model, sizeof model, "%s/%s", getenv("CLATENT_ZOO"), name);
    snprintf(path, sizeof path, "%s/%s/goldens.safetensors", getenv("CLATENT_ZOO_GOLDENS"), name);
    goldens = golden_open(path);
    check_unet(timesteps);
    check_autoencoder();
    weights_close(goldens);
}

int main(void)
{
    if (!getenv("CLATENT_ZOO") || !getenv("CLATENT_ZOO_GOLDENS"))
        check_skip("CLATENT_ZOO and CLATENT_ZOO_GOLDENS do not name the folders");
    device = golden_device();
    for (int portable = 0; portable <= 1; portable++) {
        device_force_shape(device, !portable && device_facts(device)->is_cpu);
        CHECK_OK(device_open_dry(device_facts(device), &dry));
        check_model("ldm-sr-tiny", (const double[]){981, 1, 400.5});
        check_model("ldm-uncond-tiny", (const double[]){961, 0, 333});
        device_close(dry);
    }
    device_close(device);
    return check_result();
}
