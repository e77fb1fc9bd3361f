/* kernels.c - `kernels: generic` takes the plain kernels and nothing else, and the picture stays.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "device/fallback.h"
#include "device/call.h"
#include "golden.h"
#include "witness.h"

#include <stdlib.h>
#include <string.h>

#define SAME 1e-4 /* relative L2 distance of images by other kernels */

static struct device *device;

static void run(char *kernels, char *products, struct record *record)
{
    char *prompts[] = {"a red circle"};
    uint64_t seed = 1;
    struct job job = {.prompts = {prompts, 1},
        .height = 64,
        .width = 64,
        .num_inference_steps = 2,
        .guidance_scale = 2,
        .strength = 1,
        .seeds = &seed,
        .seed_count = 1,
        .batch_size = 1,
        .precision = "f32",
        .kernels = kernels,
        .float32_matmul_precision = products};
    *record = (struct record){0};
    CHECK_OK(record_run(device, check_data("ldm-text2im-tiny"), NULL, &job, record));
    CHECK(record->image_count == 1, "%d images", record->image_count);
}

static bool is_for_cpu(const char *function)
{
    size_t size = strlen(function);
    return size > 4 && strcmp(function + size - 4, "_cpu") == 0;
}

/* Kernels among the built ones that `kernels: generic` must do without. */
static int count_special(void)
{
    struct device_facts generic = {.generic = true};
    struct kernel_use *uses;
    size_t count;
    int special = 0;
    CHECK_OK(device_uses(device, &uses, &count));
    CHECK(count > 10, "only %zu kernels", count);
    for (size_t i = 0; i < count; i++)
        special += fallback_is_taken(&generic, uses[i].file) || is_for_cpu(uses[i].function);
    free(uses);
    return special;
}

static void fresh_device(void)
{
    device_close(device);
    device = golden_device();
}

int main(void)
{
    struct record plain, fast;
    golden_schedulers();
    fresh_device();
    bool cpu = device_facts(device)->is_cpu;
    run("generic", "high", &plain);
    CHECK(count_special() == 0, "%d of the kernels are not generic", count_special());
    CHECK(device_facts(device)->matrix_unit == MATRIX_UNIT_NONE, "a matrix unit is used");

    fresh_device();
    run("auto", "highest", &fast);
    CHECK(!cpu || count_special() > 10, "only %d kernels for CPUs", count_special());
    check_near("image", plain.images[0].rgb, fast.images[0].rgb, fast.images[0].pixels, SAME);
    record_free(&plain);

    run("generic", NULL, &plain); /* and back, on a device that was not generic */
    CHECK(!device_facts(device)->is_cpu && device_facts(device)->generic, "generic");
    record_free(&plain);
    run("auto", NULL, &plain);
    CHECK(device_facts(device)->is_cpu == cpu && !device_facts(device)->generic, "auto again");
    CHECK(
        memcmp(plain.images[0].rgb, fast.images[0].rgb, fast.images[0].pixels * sizeof(float)) == 0,
        "another picture after going back");
    record_free(&plain);
    record_free(&fast);
    device_close(device);
    return check_result();
}
