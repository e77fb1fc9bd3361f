/* faults.c - whatever OpenCL call fails, a job ends in order. SPDX-License-Identifier: MIT
 *
 * One short job is run again and again, each time with another fault of OpenCL (fault_layer.c). It
 * ends with the images that it makes without faults, or with the status that the fault has, one
 * sentence, and no image; and all OpenCL objects that it made are given back. */
#include "check.h"
#include "fault.h"
#include "golden.h"
#include "witness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAME 1e-4 /* relative L2 distance of images by other kernels */

static const struct fault_layer *layer;
static struct device *device;
static struct outcome *wanted; /* without faults */

struct outcome {
    struct record record; /* first: both have the same address */
    enum clat_status status;
    int faults, warnings;
    char warning[1024]; /* the last */
    char precision[8];  /* that was told */
};

static void on_warning(void *user, const char *sentence)
{
    struct outcome *outcome = user;
    outcome->warnings++;
    snprintf(outcome->warning, sizeof outcome->warning, "%s", sentence);
    CHECK(!strchr(sentence, '\n'), "a warning of several lines: %s", sentence);
}

static void on_precision(void *user, const char *precision)
{
    struct outcome *outcome = user;
    snprintf(outcome->precision, sizeof outcome->precision, "%s", precision);
}

/* ---- one job -------------------------------------------------------------------------------- */

static char *prompts[] = {"a red circle", "a star", "x"};
static uint64_t seeds[] = {1, 2, 3};
static char first_device[] = "0", floats[] = "f32";
static char *first_devices[] = {first_device};

/* Leaves nothing open that a want of memory could change. */
static struct job short_job(void)
{
    return (struct job){.prompts = {prompts, 1},
        .height = 32,
        .width = 32,
        .num_inference_steps = 1,
        .guidance_scale = 1,
        .strength = 1,
        .seeds = seeds,
        .seed_count = 1,
        .batch_size = 1,
        .devices = {first_devices, 1},
        .precision = floats};
}

static void run(const struct job *job, struct outcome *outcome)
{
    struct model *model;
    memset(outcome, 0, sizeof *outcome);
    struct pipeline_events events = record_events(&outcome->record);
    events.warn = on_warning;
    events.precision = on_precision;
    CHECK_OK(model_open(check_data("ldm-text2im-tiny"), NULL, &model));
    size_t used = device_memory_used(device);
    status_clear();
    outcome->status = pipeline_run(device, model, job, &events);
    outcome->faults = layer->faults();
    CHECK(device_memory_used(device) == used, "%zu bytes are left", device_memory_used(device));
    model_close(model);
}

/* The device as it was: nothing is built, nothing refused. */
static void fresh_device(void)
{
    fault_none();
    device_close(device);
    device = golden_device();
}

static void forget(struct outcome *outcome)
{
    record_free(&outcome->record);
}

/* All images, and every traced stage once. */
static void check_same(const struct outcome *got, const struct outcome *want, double limit)
{
    const struct record *a = &got->record, *b = &want->record;
    if (!CHECK(a->image_count == b->image_count && a->trace_count == b->trace_count,
            "%d images and %d stages, want %d and %d", a->image_count, a->trace_count,
            b->image_count, b->trace_count))
        return;
    for (int i = 0; i < a->image_count; i++)
        check_near("image", a->images[i].rgb, b->images[i].rgb, b->images[i].pixels, limit);
    for (int i = 0; i < a->trace_count; i++)
        if (b->traces[i].values && strncmp(b->traces[i].name, "latents.", 8) == 0)
            check_near(b->traces[i].name, a->traces[i].values, b->traces[i].values,
                b->traces[i].count, limit);
}

/* The job did what it does without faults, and gave a warning if there was one. */
static void check_survived(const char *what, const struct job *job, double limit)
{
    struct outcome outcome;
    run(job, &outcome);
    CHECK(outcome.faults > 0, "%s: no fault was made", what);
    if (CHECK(outcome.status == CLAT_OK, "%s: status %d: %s", what, outcome.status, status_text()))
        check_same(&outcome, wanted, limit);
    CHECK(outcome.warnings > 0, "%s: no warning", what);
    forget(&outcome);
}

static void check_ends(
    const char *what, const struct job *job, enum clat_status status, const char *words)
{
    struct outcome outcome;
    run(job, &outcome);
    CHECK(outcome.faults > 0, "%s: no fault was made", what);
    CHECK(outcome.status == status && strstr(status_text(), words), "%s: status %d: %s", what,
        outcome.status, status_text());
    CHECK(outcome.record.image_count == 0, "%s: an image was handed out", what);
    forget(&outcome);
}

/* ---- every call fails once ------------------------------------------------------------------ */

/* The N-th call of a function fails. False if there is no N-th call. */
static bool fail_call(const char *function, int code, int n)
{
    struct job job = short_job();
    struct outcome outcome;
    fault_set("CLFAULT", "%s:%d:%d", function, code, n);
    run(&job, &outcome);
    bool fits = outcome.status == CLAT_ERROR_MEMORY || outcome.status == CLAT_ERROR_DEVICE;
    if (outcome.status == CLAT_OK)
        check_same(&outcome, wanted, SAME);
    else
        CHECK(fits && status_text()[0] && !strchr(status_text(), '\n') &&
                  outcome.record.image_count == 0,
            "%s %d: status %d, %d images: %s", function, n, outcome.status,
            outcome.record.image_count, status_text());
    forget(&outcome);
    return outcome.faults > 0;
}

/* Allocations: each of the first ones, which are of every kind, then one of STRIDE: a prime, so
 * that those of networks, which come in the same order layer by layer, are met at all of their
 * places. CLATENT_FAULTS=all walks along all of them (a minute). */
#define FIRST 40
#define STRIDE 11

static void check_allocations(void)
{
    const char *word = getenv("CLATENT_FAULTS");
    bool all = word && strcmp(word, "all") == 0;
    int n = 1, failed = 0;
    for (; fail_call("clCreateBuffer", -4, n); n += all || n < FIRST ? 1 : STRIDE)
        failed++;
    CHECK(failed > 100 && n > 500, "%d allocations failed, the last was number %d", failed, n);
    CHECK(fail_call("clCreateBuffer", -5, 7), "no seventh allocation");
}

/* A fault that passes, or a device that is lost, early and late in the job. */
static void check_calls(void)
{
    static const struct {
        const char *function;
        int code, places[3]; /* 0: none */
    } rows[] = {
        {"clEnqueueNDRangeKernel", -5, {2, 400}},
        {"clEnqueueMapBuffer", -12, {1, 200, 600}},
        {"clEnqueueUnmapMemObject", -6, {3, 300, 700}},
        {"clEnqueueWriteBuffer", -36, {2}},
        {"clEnqueueReadBuffer", -9999, {1, 3}},
        {"clSetKernelArg", -6, {1, 2000, 6000}},
        {"clWaitForEvents", -14, {30}},
        {"clFinish", -5, {1}},
        {"clCreateCommandQueue", -6, {1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int j = 0; j < 3 && rows[i].places[j]; j++)
            CHECK(fail_call(rows[i].function, rows[i].code, rows[i].places[j]),
                "%s is not called %d times", rows[i].function, rows[i].places[j]);
}

/* ---- a context that is lost ----------------------------------------------------------------- */

static void check_lost(void)
{
    struct job job = short_job();
    static const int launches[] = {1, 500};
    for (size_t i = 0; i < sizeof launches / sizeof *launches; i++) {
        char what[32];
        snprintf(what, sizeof what, "lost at launch %d", launches[i]);
        fault_set("CLFAULT_LOST", "%d:%d", launches[i], i % 2 ? -9999 : -5);
        check_survived(what, &job, 0);
    }
    fault_set("CLFAULT_LOST", "100:-9999 450:-5");
    check_ends("lost twice", &job, CLAT_ERROR_DEVICE, "CL_OUT_OF_RESOURCES");
    fresh_device();
}

/* ---- kernels that do not build, and wrong ones ---------------------------------------------- */

static void check_builds(void)
{
    static const char *const kernels[] = {"gemm_cpu.cl -", "attention_cpu.cl -", "conv_gather.cl -",
        "conv_direct.cl -", "conv_narrow.cl -"};
    struct job job = short_job();
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        fresh_device();
        fault_set("CLFAULT_BUILD", "%s", kernels[i]);
        check_survived(kernels[i], &job, SAME);
    }
    fresh_device();
    fault_set("CLFAULT_BUILD", "norm.h -");
    check_ends("norm", &job, CLAT_ERROR_DEVICE, "cl/norm");
    fresh_device();
}

static void check_wrong(void)
{
    struct job job = short_job();
    fresh_device();
    fault_set("CLFAULT_MUTATE", "gemm_cpu.cl -|value += vload16(|value = NAN * vload16(");
    check_ends("wrong products", &job, CLAT_ERROR_CHECK, "not a finite number");
    fresh_device();
}

/* Half weights that give no numbers, float ones that do. */
static void check_half(void)
{
    struct job job = short_job();
    char half[] = "f16";
    struct outcome outcome;
    job.precision = half;
    fresh_device();
    run(&job, &outcome); /* its kernels are known to be right from now on */
    CHECK(outcome.status == CLAT_OK, "%s", status_text());
    forget(&outcome);
    fresh_device();
    fault_set("CLFAULT_MUTATE", "gemm_cpu.cl -|vload_half16(j, w)|(NAN * vload_half16(j, w))");
    run(&job, &outcome);
    CHECK(outcome.faults > 0 && outcome.status == CLAT_OK, "status %d: %s", outcome.status,
        status_text());
    CHECK(strcmp(outcome.precision, "f32") == 0 && strstr(outcome.warning, "weights of 16 bits"),
        "precision '%s': %s", outcome.precision, outcome.warning);
    check_same(&outcome, wanted, 0);
    forget(&outcome);
    fresh_device();
}

/* The same on a matrix unit of sub-groups, emulated: a trial that comes out wrong, kernels that do
 * not build, and numbers beyond those of 16 bits. */
#define ROUNDED 2e-2 /* images of factors of 16 bits */
static void check_units(void)
{
    struct job job = short_job();
    char high[] = "high";
    struct outcome outcome;
    job.float32_matmul_precision = high;
    setenv("CLATENT_TEST_DEVICE", "gpu,unit=mma", 1);
    setenv("CLATENT_CACHE", "off", 1); /* verdicts know nothing of the layer */
    fresh_device();
    fault_set("CLFAULT_BUILD", "gemm_matrix.cl -");
    check_survived("gemm_matrix", &job, ROUNDED);
    fresh_device();
    fault_set("CLFAULT_BUILD", "conv_matrix.cl -");
    check_survived("conv_matrix", &job, ROUNDED);
    fresh_device();
    fault_set("CLFAULT_MUTATE",
        "unit_trial.cl -|unit_zero(&once);|unit_zero(&once); unit_multiply(&unit, &a, &b, &once);");
    run(&job, &outcome);
    CHECK(outcome.faults > 0 && outcome.status == CLAT_OK, "%s", status_text());
    CHECK(device_facts(device)->unit.kind == UNIT_NONE, "a unit that is wrong is used");
    check_same(&outcome, wanted, SAME);
    forget(&outcome);
    fresh_device();
    fault_set("CLFAULT_MUTATE", "gemm_matrix.cl -|unit_word(x_next[i].x, x|"
                                "unit_word(x_next[i].x > 3.6f ? 1e30f : x_next[i].x, x");
    run(&job, &outcome); /* as the first trial has no such values, but the text's embeddings do */
    CHECK(outcome.faults > 0 && outcome.status == CLAT_OK, "%s", status_text());
    CHECK(strstr(outcome.warning, "factors of 16 bits"), "%s", outcome.warning);
    check_same(&outcome, wanted, ROUNDED); /* the text encoder keeps its unit */
    forget(&outcome);
    unsetenv("CLATENT_TEST_DEVICE");
    unsetenv("CLATENT_CACHE");
    fresh_device();
}

/* ---- memory --------------------------------------------------------------------------------- */

/* What a job of one image, or of several at a time, takes. */
static struct model_memory predict(const struct job *job, int images, bool half)
{
    struct model *model;
    struct model_memory memory;
    struct memory_request request = {.height = job->height,
        .width = job->width,
        .images = images,
        .timesteps = job->num_inference_steps,
        .half = half};
    CHECK_OK(model_open(check_data("ldm-text2im-tiny"), NULL, &model));
    CHECK_OK(model_memory(model, device_facts(device), &request, &memory));
    model_close(model);
    return memory;
}

/* The device has fewer bytes than it says. `words`: of the warning. */
static void check_rung(const struct job *job, size_t bytes, const char *words, double limit)
{
    struct outcome outcome;
    fault_set("CLFAULT_CAPACITY", "%zu", bytes);
    run(job, &outcome);
    CHECK(outcome.faults > 0 && outcome.status == CLAT_OK && strstr(outcome.warning, words),
        "%zu bytes: %d faults, status %d: %s; %s", bytes, outcome.faults, outcome.status,
        status_text(), outcome.warning);
    if (outcome.status == CLAT_OK)
        check_near("image", outcome.record.images[0].rgb, wanted->record.images[0].rgb,
            wanted->record.images[0].pixels, limit);
    CHECK(!outcome.precision[0] == !strstr(words, "16 bits"), "precision '%s'", outcome.precision);
    forget(&outcome);
    fault_none();
}

/* A picture that is large enough for decoding to be what takes most. */
static void check_bands(void)
{
    static struct outcome large;
    struct outcome *small = wanted;
    struct job job = short_job();
    job.height = job.width = 192;
    run(&job, &large);
    wanted = &large;
    struct model_memory memory = predict(&job, 1, false);
    CHECK(memory.decoding > memory.sampling, "%zu for decoding, %zu for sampling", memory.decoding,
        memory.sampling);
    check_rung(&job, memory.peak - 1, "decoding in bands", SAME);
    wanted = small;
    forget(&large);
}

static void check_ladder(void)
{
    struct job job = short_job(), several = job;
    several.prompts.count = several.seed_count = 3;
    size_t counter = device_memory_used(device);
    size_t three = predict(&job, 3, false).peak, one = predict(&job, 1, false).peak;
    check_rung(&several, three - 1, "2 at a time", SAME);
    check_bands();
    job.precision = NULL;
    check_rung(&job, one - 1, "weights of 16 bits", 0.01);
    fault_set("CLFAULT_CAPACITY", "%zu", counter + 10000);
    check_ends("a device that is too small", &job, CLAT_ERROR_MEMORY, "choose a smaller height");
}

/* Another device takes over where the job leaves that open; it is the last check, for there is no
 * way back. */
static void check_move(void)
{
    struct job job = short_job();
    struct device_entry *entries;
    size_t count;
    CHECK_OK(device_list(&entries, &count));
    free(entries);
    if (count < 2)
        return;
    job.devices.count = 0;
    fault_set("CLFAULT", "clCreateBuffer:-4:5");
    check_survived("a second device", &job, SAME);
}

int main(void)
{
    static struct outcome standard;
    layer = fault_open();
    device = golden_device();
    golden_schedulers();
    struct job job = short_job();
    wanted = &standard;
    layer->reset();
    run(&job, &standard);
    CHECK(standard.status == CLAT_OK && standard.record.image_count == 1, "%s", status_text());
    fprintf(stderr, "%d buffers, %d launches, %d calls\n", layer->calls("clCreateBuffer"),
        layer->calls("clEnqueueNDRangeKernel"), layer->calls("any"));
    check_allocations();
    check_calls();
    check_lost();
    check_builds();
    check_wrong();
    check_half();
    check_units();
    check_ladder();
    check_move();
    device_close(device);
    CHECK(
        layer->references() == 0, "%d references to OpenCL objects are left", layer->references());
    forget(&standard);
    return check_result();
}
