/* half.c - weights of 16 bits: the numbers, what a layer refuses, whole runs with `precision: f16`.
 * SPDX-License-Identifier: MIT
 *
 * Each op with such weights is in tests/op_*.c, the UNet against the reference in tests/net_unet.c.
 */
#include "base/half.h"
#include "check.h"
#include "formats/safetensors.h"
#include "golden.h"
#include "selftest/reference.h"
#include "witness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct device *device;

/* ---- the numbers ---------------------------------------------------------------------------- */

static void check_every_half(void)
{
    size_t wrong = 0;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        bool number = (bits & 0x7FFF) <= 0x7C00;
        float value = half_value((uint16_t)bits);
        wrong += number ? half_of(value) != bits || !half_holds(value) : !isnan(value);
    }
    CHECK(wrong == 0, "%zu of 65536 patterns come back otherwise", wrong);
    CHECK(half_value(0x7C00) == INFINITY && half_value(0x0001) == 0x1p-24f &&
              half_value(0x7BFF) == 65504,
        "infinity, the smallest and the largest");
    CHECK(isnan(half_value(half_of(NAN))), "not a number");
}

/* Of each binary exponent from below the smallest half to above the largest. */
static void check_rounding(void)
{
    float values[4096];
    check_random(values, 4096, 1);
    size_t wrong = 0;
    for (int exponent = -28; exponent < 15; exponent++)
        for (int i = 0; i < 4096; i++) {
            float value = ldexpf(values[i], exponent);
            wrong += half_holds(value) && half_value(half_of(value)) != reference_half(value);
        }
    CHECK(wrong == 0, "%zu values are not rounded to the nearest", wrong);
    CHECK(half_of(0x1p-25f) == 0 && half_of(0x1.8p-24f) == 2, "ties go to the even one");
    CHECK(half_holds(65519.996f) && !half_holds(65520) && !half_holds(-65520), "where halves end");
    CHECK(half_holds(INFINITY) && half_holds(NAN), "what is no number in float either");
}

/* ---- a layer -------------------------------------------------------------------------------- */

/* A file of one layer of 2 to 3 columns, one weight and one bias of which are large. */
static void write_layer(const char *path, float weight, float bias)
{
    struct safetensors_writer *writer;
    float weights[6] = {1, 2, 3, 4, weight, 6}, biases[3] = {0, bias, 0};
    CHECK_OK(safetensors_create(path, &writer));
    CHECK_OK(safetensors_add_float(writer, "to_q.weight", 2, (size_t[]){3, 2}, weights));
    CHECK_OK(safetensors_add_float(writer, "to_q.bias", 1, (size_t[]){3}, biases));
    CHECK_OK(safetensors_commit(writer));
}

static enum clat_status load_layer(float weight, float bias, bool half)
{
    const char *path = check_scratch("half/layer.safetensors");
    struct loader loader = {.device = device};
    struct linear linear = {0};
    write_layer(path, weight, bias);
    CHECK_OK(weights_open_file(path, &loader.weights));
    device_store_half(device, half);
    enum clat_status status = loader_linear(&loader, "to_q", 3, 2, true, ACTIVATION_NONE, &linear);
    device_store_half(device, false);
    linear_free(device, &linear);
    weights_close(loader.weights);
    return status;
}

static void check_too_large(void)
{
    CHECK_FAILS(load_layer(-70000, 0, true), CLAT_ERROR_CHECK,
        "tensor 'to_q.weight' holds -70000, which precision f16 cannot: choose precision f32");
    CHECK_OK(load_layer(-70000, 0, false));
    CHECK_OK(load_layer(65504, 70000, true)); /* a bias stays float */
}

/* ---- whole runs ----------------------------------------------------------------------------- */

static char *prompts[] = {"A painting of a squirrel eating a burger"};

static bool run(char *precision, const char *variant, struct record *record)
{
    uint64_t seed = 3;
    struct job job = {.prompts = {prompts, 1},
        .height = 64,
        .width = 128,
        .num_inference_steps = 2,
        .guidance_scale = 6,
        .strength = 1,
        .seeds = &seed,
        .seed_count = 1,
        .precision = precision,
        .batch_size = 1};
    *record = (struct record){0};
    CHECK_OK(record_run(device, check_data("ldm-text2im-tiny"), variant, &job, record));
    return CHECK(record->image_count == 1, "%d images", record->image_count);
}

/* Weights that are halves in the file lose nothing: not a bit of the picture changes. Others do. */
static void check_pictures(void)
{
    struct record full, rounded, file, file_rounded;
    if (!run("f32", NULL, &full) || !run("f16", NULL, &rounded) || !run("f32", "fp16", &file) ||
        !run("f16", "fp16", &file_rounded))
        return;
    size_t count = full.images[0].pixels;
    double distance = check_distance(rounded.images[0].rgb, full.images[0].rgb, count);
    CHECK(distance > 1e-6 && distance < 1e-2, "distance of f16 to f32: %g", distance);
    CHECK(memcmp(file.images[0].rgb, file_rounded.images[0].rgb, count * sizeof(float)) == 0,
        "a half-precision file gives the same picture");
    record_free(&full);
    record_free(&rounded);
    record_free(&file);
    record_free(&file_rounded);
}

/* What is predicted is what is taken, and little more than half of it in float. */
static void check_memory(void)
{
    struct record record;
    struct model *model;
    struct model_memory half, full;
    struct memory_request request = {
        .height = 64, .width = 128, .images = 1, .timesteps = 2, .guided = true, .half = true};
    size_t before = device_memory_used(device);
    device_memory_peak_reset(device);
    run("f16", NULL, &record);
    size_t taken = device_memory_peak(device) - before;
    CHECK_OK(model_open(check_data("ldm-text2im-tiny"), NULL, &model));
    CHECK_OK(model_memory(model, device_facts(device), &request, &half));
    request.half = false;
    CHECK_OK(model_memory(model, device_facts(device), &request, &full));
    CHECK(taken <= half.peak && taken >= half.peak / 10 * 9, "predicted %zu bytes, taken %zu",
        half.peak, taken);
    CHECK(half.unet_weights < full.unet_weights * 0.55, "UNet: %zu bytes, %zu in float",
        half.unet_weights, full.unet_weights);
    CHECK(half.unet_activations == full.unet_activations, "activations are float in both");
    model_close(model);
    record_free(&record);
}

int main(void)
{
    check_every_half();
    check_rounding();
    device = golden_device();
    golden_schedulers();
    check_too_large();
    check_pictures();
    check_memory();
    device_force_shape(device, false); /* the portable kernels, which GPUs run */
    check_pictures();
    device_close(device);
    return check_result();
}
