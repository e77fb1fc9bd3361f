/* net_units.c - UNet and decoder on kernels that models as small as those of the tests would not
 * take, against the reference. SPDX-License-Identifier: MIT
 *
 * The matrix unit of sub-groups, emulated: every product rounds its factors to 11 bits (half) or 8
 * (bf16): 2^-12 and 2^-9 of each factor at most, half as much on average, and errors of layer after
 * layer add up as if by chance. Limits are twice what was measured.
 *
 * Winograd's convolutions of GPUs, which only pay with many channels: a table of tuning asks for
 * them. */
#include "check.h"
#include "device/group_unit.h"
#include "device/tuning.h"
#include "golden.h"
#include "networks/autoencoder.h"
#include "networks/unet.h"
#include "ops/conv.h"

#include <stdio.h>
#include <stdlib.h>

static struct device *device;
static struct weights *goldens;
static const char *form;

static void check_output(const char *name, const struct tensor *y, double limit)
{
    char label[96];
    const struct weight *golden = golden_find(goldens, name);
    float *values = malloc(golden_count(golden) * sizeof *values);
    snprintf(label, sizeof label, "%s on %s", name, form);
    CHECK_OK(tensor_read_nchw(device, y, values));
    check_near(label, values, golden_floats(goldens, name), golden_count(golden), limit);
    free(values);
}

static struct tensor input(struct pool *pool, const char *name)
{
    const struct weight *golden = golden_find(goldens, name);
    struct tensor x = {0};
    CHECK_OK(pool_take(pool, POOL_FRONT, (int)golden->shape[0], (int)golden->shape[2],
        (int)golden->shape[3], (int)golden->shape[1], &x));
    CHECK_OK(tensor_write_nchw(device, &x, golden_floats(goldens, name)));
    return x;
}

static void run_unet(struct unet *unet, double limit)
{
    struct device *dry;
    struct pool pool;
    struct forward run = {.pool = &pool};
    struct tensor y, prompt;
    size_t bytes;
    const struct weight *shape = golden_find(goldens, "unet/0/in");
    int n = (int)shape->shape[0], h = (int)shape->shape[2], w = (int)shape->shape[3];
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    CHECK_OK(unet_measure(unet, dry, n, h, w, 77, 0, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    struct tensor x = input(&pool, "unet/0/in");
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, h, w, unet->config.out_channels, &y));
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, 1, 77, unet->config.cross_attention_dim, &prompt));
    CHECK_OK(tensor_write(device, &prompt, golden_floats(goldens, "unet/0/ctx")));
    CHECK_OK(unet_set_prompt(&run, unet, &prompt));
    CHECK_OK(unet_forward(&run, unet, &x, 981, &y));
    CHECK(pool.peak == bytes, "measured %zu bytes, taken %zu", bytes, pool.peak);
    check_output("unet/0/out", &y, limit);
    pool_close(&pool);
    device_close(dry);
}

static void check_unet(double limit)
{
    struct golden_model opened;
    struct unet unet;
    golden_model_open(&opened, check_data("ldm-text2im-tiny"), NULL, COMPONENT_UNET, device);
    if (CHECK_OK(unet_load(&opened.loader, &opened.model->unet, &unet)))
        run_unet(&unet, limit);
    unet_free(device, &unet);
    golden_model_close(&opened);
}

static void run_decoder(struct autoencoder *decoder, double limit)
{
    struct device *dry;
    struct pool pool;
    struct forward run = {.pool = &pool};
    struct tensor y;
    size_t bytes;
    const struct weight *shape = golden_find(goldens, "vae/dec0/in");
    int n = (int)shape->shape[0], h = (int)shape->shape[2], w = (int)shape->shape[3];
    int scale = autoencoder_scale(&decoder->config);
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    CHECK_OK(autoencoder_measure(decoder, dry, n, h, w, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    struct tensor x = input(&pool, "vae/dec0/in");
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, h * scale, w * scale, 3, &y));
    CHECK_OK(decoder_forward(&run, decoder, &x, &y));
    CHECK(pool.peak == bytes, "measured %zu bytes, taken %zu", bytes, pool.peak);
    check_output("vae/dec0/out", &y, limit);
    pool_close(&pool);
    device_close(dry);
}

static void check_decoder(double limit)
{
    struct golden_model opened;
    struct autoencoder decoder;
    golden_model_open(&opened, check_data("ldm-text2im-tiny"), NULL, COMPONENT_AUTOENCODER, device);
    if (CHECK_OK(decoder_load(&opened.loader, &opened.model->autoencoder, &decoder)))
        run_decoder(&decoder, limit);
    autoencoder_free(device, &decoder);
    golden_model_close(&opened);
}

static void check_unit(struct group_unit unit, double unet_limit, double decoder_limit)
{
    form = unit.bf16 ? "a matrix unit, bf16" : "a matrix unit";
    device_force_unit(device, unit);
    check_unet(unet_limit);
    check_decoder(decoder_limit);
    device_allow_matrix_unit(device, false);
}

static void check_winograd(void)
{
    struct tuning *tuning;
    form = "Winograd in groups";
    CHECK_OK(tuning_new(&tuning));
    CHECK_OK(
        tuning_parse(tuning, "test", "any | * | conv | * * * 1 | variant=winograd_in_groups\n"));
    device_set_tuning(device, tuning);
    CHECK(conv_choose(device, 32, 32, 1, 64) == CONV_WINOGRAD_GROUPS, "not taken");
    check_unet(3e-5);
    check_decoder(3e-5);
    device_set_tuning(device, NULL);
}

int main(void)
{
    device = golden_device();
    goldens = golden_open(check_data("goldens/ldm-text2im-tiny.safetensors"));
    device_force_shape(device, false);
    check_unit((struct group_unit){UNIT_MMA, false, true}, 1.3e-3, 2.4e-3);
    check_unit((struct group_unit){UNIT_MMA, true, true}, 9e-3, 1.2e-2);
    check_winograd();
    weights_close(goldens);
    device_close(device);
    return check_result();
}
