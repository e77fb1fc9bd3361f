/* rungs.c - the rungs of the ladder that need several images, and a decoder that gives no numbers.
 * SPDX-License-Identifier: MIT
 *
 * The device has fewer bytes than it says (fault_layer.c); the model's decoder, in the last check,
 * has a bias that is not a number. */
#include "check.h"
#include "fault.h"
#include "golden.h"
#include "witness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAME 1e-4  /* relative L2 distance of images in other groups */
#define MANY 16    /* two groups */
#define TOGETHER 8 /* those that are sampled at a time */

static const struct fault_layer *layer;
static struct device *device;
static char zero[] = "0", floats[] = "f32", prompt[] = "a star";
static char *names[] = {zero}, *prompts[] = {prompt};
static uint64_t seed = 1;

static struct job job_of(int images)
{
    return (struct job){.prompts = {prompts, 1},
        .height = 32,
        .width = 32,
        .num_inference_steps = 1,
        .guidance_scale = 1,
        .strength = 1,
        .seeds = &seed,
        .seed_count = 1,
        .batch_size = images,
        .devices = {names, 1},
        .precision = floats};
}

struct outcome {
    struct record record; /* first: both have the same address */
    char words[1024];     /* of the last warning */
    enum clat_status status;
};

static void on_warning(void *user, const char *sentence)
{
    struct outcome *outcome = user;
    snprintf(outcome->words, sizeof outcome->words, "%s", sentence);
}

static void run(const char *folder, const struct job *job, struct outcome *outcome)
{
    struct model *model;
    struct pipeline_events events = record_events(&outcome->record);
    events.warn = on_warning;
    events.trace = NULL;
    CHECK_OK(model_open(folder, NULL, &model));
    status_clear();
    outcome->status = pipeline_run(device, model, job, &events);
    model_close(model);
}

/* ---- all sampling before the first decoding ------------------------------------------------- */

/* Bytes that the job takes with UNet and decoder side by side. */
static size_t side_by_side(const struct job *job)
{
    struct model *model;
    struct model_memory memory;
    struct memory_request request = {.height = job->height,
        .width = job->width,
        .images = TOGETHER,
        .timesteps = 1,
        .several = true};
    CHECK_OK(model_open(check_data("ldm-text2im-tiny"), NULL, &model));
    CHECK_OK(model_memory(model, device_facts(device), &request, &memory));
    CHECK(memory.peak == memory.sampling, "sampling is not what takes most");
    model_close(model);
    return memory.peak;
}

static void check_apart(void)
{
    struct job job = job_of(MANY);
    static struct outcome want, got;
    run(check_data("ldm-text2im-tiny"), &job, &want);
    CHECK(want.status == CLAT_OK && want.record.image_count == MANY, "%s", status_text());
    fault_set("CLFAULT_CAPACITY", "%zu", side_by_side(&job) - 1);
    run(check_data("ldm-text2im-tiny"), &job, &got);
    CHECK(layer->faults() > 0 && got.status == CLAT_OK, "%d faults, status %d: %s", layer->faults(),
        got.status, status_text());
    CHECK(strstr(got.words, "all sampling before the first decoding") &&
              !strstr(got.words, "at a time"),
        "%s", got.words);
    if (CHECK(got.record.image_count == MANY, "%d images", got.record.image_count))
        for (int i = 0; i < MANY; i++)
            check_near("image", got.record.images[i].rgb, want.record.images[i].rgb,
                want.record.images[i].pixels, SAME);
    fault_none();
    record_free(&want.record);
    record_free(&got.record);
}

/* ---- weights from the host ------------------------------------------------------------------ */

/* What one image takes, with all weights on the device or with levels that take turns. */
static size_t job_takes(const struct job *job, bool streams)
{
    struct model *model;
    struct model_memory memory;
    struct memory_request request = {.height = job->height,
        .width = job->width,
        .images = 1,
        .guided = true,
        .timesteps = job->num_inference_steps,
        .streams = streams};
    CHECK_OK(model_open(check_data("ldm-text2im-tiny"), NULL, &model));
    CHECK_OK(model_memory(model, device_facts(device), &request, &memory));
    CHECK(streams || memory.peak == memory.sampling, "sampling is not what takes most");
    model_close(model);
    return memory.peak;
}

/* Only where memory is the device's own; the same bits. `bytes`: what the device has. */
static void check_streams(size_t bytes, const struct job *job, const struct outcome *want)
{
    static struct outcome got;
    memset(&got, 0, sizeof got);
    fault_set("CLFAULT_CAPACITY", "%zu", bytes);
    run(check_data("ldm-text2im-tiny"), job, &got);
    CHECK(layer->faults() > 0 && got.status == CLAT_OK, "%zu bytes: %d faults, status %d: %s",
        bytes, layer->faults(), got.status, status_text());
    CHECK(strstr(got.words, "weights from the host in each step"), "%s", got.words);
    if (CHECK(got.record.image_count == 1, "%d images", got.record.image_count))
        check_near("image", got.record.images[0].rgb, want->record.images[0].rgb,
            want->record.images[0].pixels, 0);
    fault_none();
    record_free(&got.record);
}

static void check_turns(void)
{
    struct job job = job_of(1);
    static struct outcome want;
    job.guidance_scale = 3;
    job.num_inference_steps = 3;
    run(check_data("ldm-text2im-tiny"), &job, &want);
    CHECK(want.status == CLAT_OK && want.record.image_count == 1, "%s", status_text());
    size_t whole = job_takes(&job, false), turns = job_takes(&job, true);
    CHECK(turns < whole, "%zu bytes with all levels, %zu with turns", whole, turns);
    check_streams(whole - 1, &job, &want);
    check_streams(turns + 4096, &job, &want);
    record_free(&want.record);
}

/* ---- a decoder without numbers -------------------------------------------------------------- */

/* Where the values of a tensor begin in a .safetensors file. */
static size_t find_values(const unsigned char *file, size_t size, const char *tensor)
{
    uint64_t header;
    unsigned long long start = 0;
    memcpy(&header, file, sizeof header);
    char *text = strndup((const char *)file + 8, header < size ? (size_t)header : size);
    const char *at = strstr(text, tensor);
    at = at ? strstr(at, "\"data_offsets\":") : NULL;
    bool found = at && sscanf(at + 15, " [%llu", &start) == 1;
    CHECK(found, "no tensor %s", tensor);
    free(text);
    return 8 + (size_t)header + (size_t)start;
}

static void spoil(const char *path, const char *tensor)
{
    const float no_number = NAN;
    static unsigned char bytes[1 << 20];
    FILE *file = fopen(path, "r+b");
    if (!CHECK(file, "cannot open '%s'", path))
        return;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fseek(file, (long)find_values(bytes, size, tensor), SEEK_SET);
    CHECK(fwrite(&no_number, sizeof no_number, 1, file) == 1, "cannot write '%s'", path);
    fclose(file);
}

static void check_decoder(void)
{
    const char *build = getenv("top_builddir");
    char folder[1024], path[1152], command[8448];
    struct job job = job_of(2);
    static struct outcome got;
    snprintf(folder, sizeof folder, "%s/tests/tmp/rungs", build ? build : ".");
    snprintf(command, sizeof command,
        "rm -rf '%s' && mkdir -p '%s' && cp -R '%s/.' '%s' && chmod -R u+w '%s'", folder, folder,
        check_data("ldm-text2im-tiny"), folder, folder);
    CHECK(system(command) == 0, "%s", command);
    snprintf(path, sizeof path, "%s/vqvae/diffusion_pytorch_model.safetensors", folder);
    spoil(path, "\"decoder.conv_out.bias\"");
    run(folder, &job, &got);
    CHECK(got.status == CLAT_ERROR_CHECK && strstr(status_text(), "the decoder, image 1 of 2") &&
              strstr(status_text(), "not a finite number"),
        "status %d: %s", got.status, status_text());
    CHECK(got.record.image_count == 0, "%d images were handed out", got.record.image_count);
    record_free(&got.record);
}

int main(void)
{
    layer = fault_open();
    device = golden_device();
    golden_schedulers();
    check_apart();
    check_decoder();
    device_close(device);
    setenv("CLATENT_TEST_DEVICE", "gpu", 1);
    device = golden_device();
    check_turns();
    device_close(device);
    CHECK(
        layer->references() == 0, "%d references to OpenCL objects are left", layer->references());
    return check_result();
}
