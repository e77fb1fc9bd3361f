/* watchdog.c - a driver that never answers is given up, and only where that is wanted.
 * SPDX-License-Identifier: MIT
 *
 * A launch is made to hang by fault_layer.c. What is not noticed in time ends this program by an
 * alarm. */
#include "check.h"
#include "fault.h"
#include "golden.h"
#include "device/opencl.h"
#include "witness.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct fault_layer *layer;
static struct device *devices[2];
static char zero[] = "0", one[] = "1", floats[] = "f32";
static char *names[] = {zero, one}, *prompts[] = {"a", "b", "c", "d"};
static uint64_t seeds[] = {1, 2, 3, 4};

static void open_devices(void)
{
    for (int i = 0; i < 2; i++) {
        device_close(devices[i]);
        if (device_open(names[i], &devices[i]) != CLAT_OK)
            check_skip("no two devices: %s", status_text());
    }
}

/* Kernels are built by then, so that no launch takes as long as that. */
#define PATIENCE 4

/* A job of `images` with a limit in seconds. */
static enum clat_status run(size_t count, size_t images, int seconds, struct record *record)
{
    struct job job = {.prompts = {prompts, images},
        .height = 32,
        .width = 32,
        .num_inference_steps = 2,
        .guidance_scale = 1,
        .strength = 1,
        .seeds = seeds,
        .seed_count = images,
        .batch_size = 1,
        .device_timeout = seconds,
        .devices = {names, count},
        .precision = floats};
    struct model *model;
    struct pipeline_events events = record_events(record);
    CHECK_OK(model_open(check_data("ldm-text2im-tiny"), NULL, &model));
    status_clear();
    enum clat_status status = pipeline_run_on(devices, count, model, &job, &events);
    model_close(model);
    return status;
}

static void check_same(const struct record *got, const struct record *want)
{
    if (CHECK(got->image_count == want->image_count, "%d images", got->image_count))
        for (int i = 0; i < got->image_count; i++)
            check_near("image", got->images[i].rgb, want->images[i].rgb, want->images[i].pixels, 0);
}

/* Early, where weights are written, and within a network. */
static void check_hang(int launch)
{
    struct record record = {.cancel_after = 0};
    fault_set("CLFAULT_HANG", "%d", launch);
    enum clat_status status = run(1, 1, PATIENCE, &record);
    CHECK(status == CLAT_ERROR_DEVICE && strstr(status_text(), "has not answered for 4 seconds"),
        "launch %d hangs: status %d: %s", launch, status, status_text());
    CHECK(layer->faults() == 1 && record.image_count == 0, "%d faults, %d images", layer->faults(),
        record.image_count);
    CHECK(device_finish(devices[0]) == CLAT_ERROR_DEVICE, "a device that hangs can be waited for");
    record_free(&record);
    fault_none();
    open_devices();
}

static void check_other(const struct record *want)
{
    struct record record = {.cancel_after = 0};
    fault_set("CLFAULT_HANG", "%d", 100);
    fault_also("CLFAULT_DEVICE", "1");
    CHECK_OK(run(2, 4, PATIENCE, &record));
    CHECK(layer->faults() == 1, "%d faults", layer->faults());
    check_same(&record, want);
    record_free(&record);
    fault_none();
    open_devices();
}

static bool says_yes(void *user)
{
    return --*(int *)user < 0;
}

/* While it is waited for, too; not a minute later. */
static void check_cancelled(void)
{
    int questions = 40;
    float values[64] = {0};
    struct pool pool;
    struct tensor tensor;
    CHECK_OK(pool_open(devices[0], 4096, &pool));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 1, 1, 64, &tensor));
    CHECK_OK(tensor_write(devices[0], &tensor, values));
    fault_set("CLFAULT_HANG", "1");
    device_set_patience(devices[0], 3600);
    device_on_cancel(devices[0], says_yes, &questions);
    CHECK_OK(op_affine(&pool, &tensor, 2, 1, &tensor));
    CHECK(tensor_read(devices[0], &tensor, values) == CLAT_CANCELLED, "%s", status_text());
    CHECK(questions == -1, "%d questions more", questions);
    fault_none();
    pool_close(&pool);
    open_devices();
}

/* Much work is marked, and waited for, at once. */
static void check_chunks(void)
{
    float values[64] = {0};
    struct pool pool;
    struct tensor tensor;
    CHECK_OK(pool_open(devices[0], 4096, &pool));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 1, 1, 64, &tensor));
    CHECK_OK(tensor_write(devices[0], &tensor, values));
    CHECK_OK(device_finish(devices[0]));
    CHECK_OK(op_affine(&pool, &tensor, 2, 1, &tensor));
    CHECK(devices[0]->launches == 1, "%d launches since the mark", devices[0]->launches);
    devices[0]->work_rate = 1e9;
    device_count_work(devices[0], 1e7);
    CHECK_OK(op_affine(&pool, &tensor, 2, 1, &tensor));
    CHECK(devices[0]->launches == 2, "%d launches: little work is marked", devices[0]->launches);
    device_count_work(devices[0], 1e9);
    CHECK_OK(op_affine(&pool, &tensor, 2, 1, &tensor));
    CHECK(devices[0]->launches == 0 && devices[0]->mark, "a second of work is not marked");
    pool_close(&pool);
}

int main(void)
{
    struct record want = {.cancel_after = 0};
    layer = fault_open();
    open_devices();
    golden_schedulers();
    alarm(300);
    CHECK_OK(run(1, 4, 0, &want));
    check_hang(2);
    check_hang(300);
    check_other(&want);
    check_cancelled();
    check_chunks();
    record_free(&want);
    for (int i = 0; i < 2; i++)
        device_close(devices[i]);
    return check_result();
}
