/* crew.c - several devices make the images of one job. SPDX-License-Identifier: MIT
 *
 * PoCL is there twice, or another driver beside it. Whatever the placement, images are those of one
 * device: the same bits where the kernels are the same, and close where one device has kernels of
 * the other shape. The images of a device that fails (fault_layer.c) go to the other.
 *
 * To look for data races: configure with CFLAGS="-g -O1 -fsanitize=thread"
 * LDFLAGS=-fsanitize=thread and run with TSAN_OPTIONS=ignore_noninstrumented_modules=1, for drivers
 * are not built with it. */
#include "check.h"
#include "fault.h"
#include "golden.h"
#include "pipeline/portions.h"
#include "witness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAME 1e-4 /* relative L2 distance of images by other kernels */
#define IMAGES_MADE 5

static const struct fault_layer *layer;
static struct device *devices[2];
static double same; /* limit of what devices 0 and 1 may differ by: 0 if they are equal */

/* ---- who takes what ------------------------------------------------------------------------- */

static void takes(struct portions *portions, int member, int limit, int want)
{
    int first, count = portions_take(portions, member, limit, &first);
    CHECK(count == want, "member %d takes %d, not %d", member, count, want);
}

static void make_all(struct portions *portions, int member)
{
    for (int i = 0; i < portions->images; i++)
        if (portions->states[i] == IMAGE_TAKEN && portions->takers[i] == member)
            portions->states[i] = IMAGE_MADE;
}

/* The second is ten times as fast. */
static void check_uneven_shares(void)
{
    struct portions portions;
    CHECK_OK(portions_open(&portions, 16, 2, false));
    takes(&portions, 0, 8, 1);
    takes(&portions, 1, 8, 1);
    make_all(&portions, 1);
    portions.members[1].speed = 10;
    takes(&portions, 1, 4, 4);
    make_all(&portions, 1);
    portions.members[0].speed = 1;
    make_all(&portions, 0);
    takes(&portions, 0, 8, 1);
    takes(&portions, 1, 20, 8);
    make_all(&portions, 1);
    takes(&portions, 1, 8, 1);
    takes(&portions, 0, 8, 0);
    portions_return(&portions, 1);
    takes(&portions, 0, 8, 0);
    portions.members[1].works = false;
    takes(&portions, 0, 8, 1);
    CHECK(!portions_are_done(&portions), "done with an image that is only taken");
    make_all(&portions, 0);
    CHECK(portions_are_done(&portions) && portions_members(&portions) == 1, "not done");
    portions_close(&portions);
}

static void check_even_shares(void)
{
    struct portions portions;
    int first;
    CHECK_OK(portions_open(&portions, 5, 2, true));
    takes(&portions, 0, 8, 3);
    takes(&portions, 1, 1, 1);
    portions_return(&portions, 0);
    CHECK(portions_take(&portions, 1, 8, &first) == 2 && first == 0, "from %d", first);
    CHECK(portions_take(&portions, 0, 8, &first) == 1 && first == 2, "from %d", first);
    CHECK(
        portions_take(&portions, 0, 8, &first) == 1 && first == 4, "over what is taken: %d", first);
    takes(&portions, 0, 8, 0);
    portions_close(&portions);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

struct outcome {
    struct record record;
    struct pipeline_events witness; /* what the record listens with */
    pthread_t caller;
    enum clat_status status, refuses;
    int warnings, strangers; /* events from other threads */
    int last_step, previews;
    char words[4096]; /* of all warnings */
};

static void note_thread(struct outcome *outcome)
{
    outcome->strangers += !pthread_equal(pthread_self(), outcome->caller);
}

static void on_warning(void *user, const char *sentence)
{
    struct outcome *outcome = user;
    size_t at = strlen(outcome->words);
    note_thread(outcome);
    outcome->warnings++;
    snprintf(outcome->words + at, sizeof outcome->words - at, "%s\n", sentence);
}

static void on_phase(void *user, enum pipeline_phase phase, int done, int total)
{
    struct outcome *outcome = user;
    note_thread(outcome);
    outcome->witness.phase(&outcome->record, phase, done, total);
}

/* Steps of all images: they only grow. */
static void on_step(void *user, int step, int steps, int first, int count, int total)
{
    struct outcome *outcome = user;
    note_thread(outcome);
    CHECK(step > outcome->last_step && first == 0 && count == total, "step %d of images %d to %d",
        step, first, first + count);
    outcome->last_step = step;
    outcome->witness.step(&outcome->record, step, steps, first, count, total);
}

static void on_preview(void *user, int index, int nth, int step, int steps, uint64_t seed,
    const char *item, int h, int w, const float *rgb)
{
    struct outcome *outcome = user;
    note_thread(outcome);
    outcome->previews++;
    CHECK(index >= 0 && index < IMAGES_MADE && nth >= 0 && step <= steps && h == w && rgb,
        "preview of image %d", index);
    CHECK(seed == (uint64_t)index + 1 && item, "image %d has seed %d", index, (int)seed);
}

static bool on_cancelled(void *user)
{
    struct outcome *outcome = user;
    note_thread(outcome);
    return outcome->witness.cancelled(&outcome->record);
}

static enum clat_status on_image(void *user, int index, uint64_t seed, const char *item, int height,
    int width, const float *rgb, int channels, int h, int w, const float *latents)
{
    struct outcome *outcome = user;
    note_thread(outcome);
    if (outcome->refuses)
        return status_set(outcome->refuses, "no room for image %d", index);
    return outcome->witness.image(
        &outcome->record, index, seed, item, height, width, rgb, channels, h, w, latents);
}

static enum clat_status on_trace(void *user, const char *name, int rank, const size_t *shape,
    const float *values, const int32_t *ids)
{
    struct outcome *outcome = user;
    note_thread(outcome);
    return outcome->witness.trace(&outcome->record, name, rank, shape, values, ids);
}

static char *prompts[] = {"a red circle", "a star", "x", "", "a blue square"};
static uint64_t seeds[] = {1, 2, 3, 4, 5};
static char zero[] = "0", one[] = "1", floats[] = "f32";
static char *names[] = {zero, one};

static struct job short_job(void)
{
    return (struct job){.prompts = {prompts, IMAGES_MADE},
        .height = 32,
        .width = 32,
        .num_inference_steps = 2,
        .guidance_scale = 2,
        .strength = 1,
        .seeds = seeds,
        .seed_count = IMAGES_MADE,
        .batch_size = 1,
        .devices = {names, 2},
        .precision = floats};
}

/* `outcome` says what is asked for, the rest of it is zero. */
static void run(size_t count, const struct job *job, bool traced, struct outcome *outcome)
{
    struct model *model;
    size_t used[2] = {device_memory_used(devices[0]), device_memory_used(devices[1])};
    struct pipeline_events events = {.user = outcome,
        .phase = on_phase,
        .step = on_step,
        .cancelled = on_cancelled,
        .warn = on_warning,
        .image = on_image,
        .preview = on_preview,
        .trace = traced ? on_trace : NULL};
    outcome->witness = record_events(&outcome->record);
    outcome->caller = pthread_self();
    CHECK_OK(model_open(check_data("ldm-text2im-tiny"), NULL, &model));
    status_clear();
    outcome->status = pipeline_run_on(devices, count, model, job, &events);
    for (size_t i = 0; i < 2; i++)
        CHECK(device_memory_used(devices[i]) == used[i], "device %zu keeps memory", i);
    CHECK(outcome->strangers == 0, "%d events from other threads", outcome->strangers);
    model_close(model);
}

static void check_images(const struct outcome *got, const struct outcome *want, double limit)
{
    if (!CHECK(got->status == CLAT_OK, "status %d: %s", got->status, status_text()) ||
        !CHECK(got->record.image_count == want->record.image_count, "%d images",
            got->record.image_count))
        return;
    for (int i = 0; i < got->record.image_count; i++)
        check_near("image", got->record.images[i].rgb, want->record.images[i].rgb,
            want->record.images[i].pixels, limit);
}

static void fresh_devices(void)
{
    fault_none();
    for (int i = 0; i < 2; i++) {
        device_close(devices[i]);
        CHECK_OK(device_open(names[i], &devices[i]));
    }
}

/* ---- without faults ------------------------------------------------------------------------- */

static void check_traced(const struct outcome *want)
{
    struct job job = short_job();
    struct outcome got = {0};
    size_t count = (size_t)IMAGES_MADE * 3 * 32 * 32;
    run(2, &job, true, &got);
    check_images(&got, want, same);
    const float *planes = record_trace(&got.record, "decoded", count);
    for (size_t i = 0; planes && i < count; i++) {
        const float *rgb = want->record.images[i / (3 * 1024)].rgb;
        float value = rgb[i % 1024 * 3 + i / 1024 % 3], decoded = planes[i] / 2 + 0.5f;
        if (value > 0 && value < 1 && same == 0 &&
            !CHECK(value == decoded, "value %zu of the trace", i))
            break;
    }
    record_free(&got.record);
}

static void check_equal(const struct outcome *want)
{
    struct job job = short_job();
    struct outcome got = {0};
    job.preview = 1;
    run(2, &job, false, &got);
    check_images(&got, want, same);
    CHECK(got.previews == 2 * IMAGES_MADE, "%d previews", got.previews);
    CHECK(got.last_step == 2 && got.warnings == 0, "step %d, %d warnings", got.last_step,
        got.warnings);
    record_free(&got.record);
}

/* Kernels of the other shape on the second device. */
static void check_mixed(const struct outcome *want)
{
    struct job job = short_job();
    struct outcome got = {0};
    device_force_shape(devices[1], false);
    run(2, &job, false, &got);
    check_images(&got, want, SAME);
    record_free(&got.record);
    fresh_devices();
}

/* One image, and two devices for it. */
static void check_few(const struct outcome *want)
{
    struct job job = short_job();
    struct outcome got = {0};
    job.prompts.count = job.seed_count = 1;
    run(2, &job, false, &got);
    if (CHECK(got.status == CLAT_OK && got.record.image_count == 1, "%s", status_text()))
        check_near("image", got.record.images[0].rgb, want->record.images[0].rgb,
            want->record.images[0].pixels, same);
    record_free(&got.record);
}

/* ---- with faults ---------------------------------------------------------------------------- */

/* Device `number` has a fault; the other makes all images. */
static void check_replaced(
    const struct outcome *want, const char *rule, const char *number, const char *words)
{
    struct job job = short_job();
    struct outcome got = {0};
    fault_set("CLFAULT", "%s", rule);
    fault_also("CLFAULT_DEVICE", number);
    run(2, &job, false, &got);
    CHECK(layer->faults() > 0, "%s on device %s: no fault was made", rule, number);
    check_images(&got, want, same);
    CHECK(strstr(got.words, words), "%s on device %s: %s", rule, number, got.words);
    record_free(&got.record);
    fresh_devices();
}

static void check_ends(const char *rule, enum clat_status status, const char *words)
{
    struct job job = short_job();
    struct outcome got = {0};
    fault_set("CLFAULT", "%s", rule);
    run(2, &job, false, &got);
    CHECK(got.status == status && strstr(status_text(), words), "%s: status %d: %s", rule,
        got.status, status_text());
    CHECK(got.record.image_count == 0, "%s: %d images", rule, got.record.image_count);
    record_free(&got.record);
    fresh_devices();
}

/* A context that is lost once is made anew by its member alone. */
static void check_lost(const struct outcome *want)
{
    struct job job = short_job();
    struct outcome got = {0};
    fault_set("CLFAULT_LOST", "150:-9999");
    fault_also("CLFAULT_DEVICE", "1");
    run(2, &job, false, &got);
    CHECK(layer->faults() == 1 && got.warnings == 1, "%d faults, %d warnings", layer->faults(),
        got.warnings);
    CHECK(strstr(got.words, "the work goes on"), "%s", got.words);
    check_images(&got, want, same);
    record_free(&got.record);
    fresh_devices();
}

static void check_stopped(void)
{
    struct job job = short_job();
    struct outcome got = {.record.cancel_after = 40};
    job.num_inference_steps = 400;
    run(2, &job, false, &got);
    CHECK(got.status == CLAT_CANCELLED && got.record.image_count == 0, "status %d, %d images: %s",
        got.status, got.record.image_count, status_text());
    record_free(&got.record);
    struct outcome full = {.refuses = CLAT_ERROR_OUTPUT};
    job.num_inference_steps = 2;
    run(2, &job, false, &full);
    CHECK(full.status == CLAT_ERROR_OUTPUT && strstr(status_text(), "no room for image 0"),
        "status %d: %s", full.status, status_text());
    record_free(&full.record);
}

int main(void)
{
    struct job job = short_job();
    struct outcome alone = {0};
    check_uneven_shares();
    check_even_shares();
    layer = fault_open();
    if (device_open("0", &devices[0]) != CLAT_OK || device_open("1", &devices[1]) != CLAT_OK)
        check_skip("no two devices: %s", status_text());
    if (strcmp(device_facts(devices[0])->name, device_facts(devices[1])->name) != 0)
        same = SAME;
    golden_schedulers();
    run(1, &job, false, &alone);
    CHECK(alone.status == CLAT_OK && alone.record.image_count == IMAGES_MADE, "%s", status_text());
    check_equal(&alone);
    check_traced(&alone);
    check_mixed(&alone);
    check_few(&alone);
    check_replaced(&alone, "clEnqueueNDRangeKernel:-5:5+", "1", "its images go to the other");
    check_replaced(&alone, "clCreateBuffer:-4:3+", "1", "its images go to the other");
    check_replaced(&alone, "clEnqueueNDRangeKernel:-5:5+", "0", "the other devices do the work");
    check_replaced(&alone, "clEnqueueNDRangeKernel:-5:300+", "0", "its images go to the other");
    check_ends("clEnqueueNDRangeKernel:-5:300+", CLAT_ERROR_DEVICE, "CL_OUT_OF_RESOURCES");
    check_lost(&alone);
    check_stopped();
    record_free(&alone.record);
    for (int i = 0; i < 2; i++)
        device_close(devices[i]);
    CHECK(
        layer->references() == 0, "%d references to OpenCL objects are left", layer->references());
    return check_result();
}
