/* pipeline.c - the stages of a job, in order. SPDX-License-Identifier: MIT */
#include "device/prepare.h"
#include "pipeline/condition.h"
#include "pipeline/crew.h"
#include "pipeline/keep.h"
#include "pipeline/preview.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Group by group. The UNet leaves before the last decoding, so that a job of one group never holds
 * both networks. */
enum clat_status run_make_groups(struct run *run)
{
    enum clat_status status = CLAT_OK;
    while (run->finished < run->end) {
        bool none = run->sampled == run->finished;
        if (none || (run->rungs.apart && run->sampled < run->end)) {
            TRY(run_sample(run));
            continue;
        }
        bool last = run->sampled == run->images && !run->keeps;
        if (last || (run->sampled == run->end && !run->request.several))
            unet_free(run->device, &run->unet);
        TRY(run_decode(run));
    }
out:
    return status;
}

/* The images that are wanted, as far as they follow each other at a time. */
static enum clat_status make_wanted(struct run *run)
{
    enum clat_status status = CLAT_OK;
    for (int first = 0, end; first < run->images; first = end) {
        bool wants = run_wants(run, first);
        for (end = first + 1; end < run->images && run_wants(run, end) == wants;)
            end++;
        if (!wants)
            continue;
        if (!run->request.several)
            autoencoder_free(run->device, &run->decoder);
        run->sampled = run->finished = first;
        run->end = end;
        TRY(run_make_groups(run));
    }
out:
    return status;
}

/* What a pipeline does, from its input to its pictures. */
static enum clat_status make_images(
    struct run *run, struct device *const *devices, size_t count, bool *begun)
{
    enum clat_status status;
    run->crew = count > 1 ? (int)count : 0;
    TRY(run_settle(run));
    TRY(keep_take(run));
    TRY(run_check_memory(run));
    TRY(task_condition(run));
    TRY(run_start_latents(run));
    TRY(preview_open(run));
    *begun = true;
    if (run->crew)
        TRY(crew_make_images(run, devices, count));
    else
        TRY(make_wanted(run));
    if (run->decoded)
        TRY(run_trace(run, "decoded", 4,
            (size_t[]){(size_t)run->images, 3, (size_t)run->height, (size_t)run->width},
            run->decoded, NULL));
out:
    return status;
}

static bool is_word(const char *given, const char *word)
{
    return given && strcmp(given, word) == 0;
}

/* Units round both factors of a product: to 16 bits on a GPU, where 16 bits of weights ask for no
 * more; to two times 16 on a CPU. */
static bool allows_units(const struct device *device, const struct job *job)
{
    return is_word(job->float32_matmul_precision, "high") ||
           (device_stores_half(device) && !device_facts(device)->is_cpu);
}

void pipeline_choose_kernels(struct device *device, const struct job *job)
{
    bool generic = is_word(job->kernels, "generic");
    device_use_generic(device, generic);
    device_allow_matrix_unit(device, !generic && allows_units(device, job));
}

/* GPUs wait for their memory, and 11 bits of a weight are not seen in a picture
 * (tests/precision.c). */
static bool wants_half(const struct device *device, const struct job *job)
{
    return job_leaves_precision_open(job) ? !device_facts(device)->on_host
                                          : is_word(job->precision, "f16");
}

void pipeline_prepare(struct device *device, const struct job *job)
{
    device_set_patience(device, job->device_timeout);
    device_store_half(device, wants_half(device, job));
    pipeline_choose_kernels(device, job);
    if (is_word(job->gemm, "clblast"))
        gemm_set_engine(device, GEMM_CLBLAST);
    else if (is_word(job->gemm, "own") || is_word(job->kernels, "generic"))
        gemm_set_engine(device, GEMM_OWN);
    else
        gemm_set_engine(device, GEMM_AUTO);
}

static const struct pipeline_events nobody;

enum clat_status pipeline_check(
    const struct model *model, const struct job *job, struct pipeline_outline *outline)
{
    struct run run = {.model = model, .job = job, .events = &nobody};
    enum clat_status status = run_settle(&run);
    if (status == CLAT_OK)
        *outline = (struct pipeline_outline){.images = run.images,
            .height = run.height,
            .width = run.width,
            .steps = run.steps,
            .key = run.task->key,
            .item = task_item(model, job, 0)};
    run_free(&run);
    return status;
}

const char *pipeline_item(const struct model *model, const struct job *job, int index)
{
    return task_item(model, job, index / job->batch_size);
}

static void on_build(void *user, const char *program, int number, int total)
{
    (void)program;
    run_phase(user, PHASE_BUILD, number, total);
}

static void listen(struct run *run)
{
    device_on_cancel(run->device, run->events->cancelled, run->events->user);
    device_on_warning(run->device, run->events->warn, run->events->user);
    device_on_build(run->device, on_build, run);
    device_take_trouble(run->device);
}

static void stop_listening(struct device *device)
{
    device_prepare_end(device);
    device_on_build(device, NULL, NULL);
    device_on_warning(device, NULL, NULL);
    device_on_cancel(device, NULL, NULL);
}

/* All alike: where an image is made does not change it. */
static void prepare_all(struct device *const *devices, size_t count, const struct job *job)
{
    bool half = true;
    for (size_t i = 0; i < count; i++) {
        pipeline_prepare(devices[i], job);
        half = half && device_stores_half(devices[i]);
    }
    for (size_t i = 0; i < count && !half; i++) {
        device_store_half(devices[i], false);
        pipeline_choose_kernels(devices[i], job);
    }
}

/* What stands before sampling is done by the first. */
static enum clat_status run_on(struct device *const *devices, size_t count,
    const struct model *model, const struct job *job, const struct pipeline_events *events,
    struct pipeline_store *store, bool more, bool *begun)
{
    struct run run = {.device = devices[0],
        .model = model,
        .job = job,
        .events = events,
        .store = count == 1 ? store : NULL,
        .keeps = count == 1 && store && more};
    prepare_all(devices, count, job);
    if (events->precision && job_leaves_precision_open(job) && device_stores_half(devices[0]))
        events->precision(events->user, "f16");
    listen(&run);
    enum clat_status status = make_images(&run, devices, count, begun);
    if (status == CLAT_OK)
        keep_put(&run);
    run_free(&run);
    for (size_t i = 0; i < count; i++)
        stop_listening(devices[i]);
    return status;
}

enum clat_status pipeline_run_kept(struct device *const *devices, size_t count, struct model *model,
    const struct job *job, const struct pipeline_events *events, struct pipeline_store *store,
    bool more)
{
    bool begun = false;
    const struct pipeline_events *told = events ? events : &nobody;
    enum clat_status status = run_on(devices, count, model, job, told, store, more, &begun);
    while (!begun && count > 1 && crew_can_replace(status)) {
        char sentence[2304];
        snprintf(sentence, sizeof sentence, "%s: the other devices do the work", status_text());
        if (told->warn)
            told->warn(told->user, sentence);
        devices++;
        count--;
        status = run_on(devices, count, model, job, told, store, more, &begun);
    }
    return status;
}

enum clat_status pipeline_run_on(struct device *const *devices, size_t count, struct model *model,
    const struct job *job, const struct pipeline_events *events)
{
    return pipeline_run_kept(devices, count, model, job, events, NULL, false);
}

enum clat_status pipeline_run(struct device *device, struct model *model, const struct job *job,
    const struct pipeline_events *events)
{
    return pipeline_run_on(&device, 1, model, job, events);
}

void run_release(struct run *run)
{
    unet_free(run->device, &run->unet);
    autoencoder_free(run->device, &run->decoder);
    run->kept = 0;
}

void run_free(struct run *run)
{
    if (run->device)
        run_release(run);
    preview_close(run);
    scheduler_close(run->scheduler);
    free(run->uses);
    free(run->seeds);
    free(run->ids);
    free(run->context);
    free(run->beside);
    free(run->inputs.classes);
    pictures_free(&run->inputs.images);
    pictures_free(&run->inputs.masks);
    pictures_free(&run->inputs.label_maps);
    free(run->latents);
    free(run->decoded);
}

void run_phase(struct run *run, enum pipeline_phase phase, int done, int total)
{
    if (run->events->phase)
        run->events->phase(run->events->user, phase, done, total);
}

void run_warn(const struct run *run, const char *format, ...)
{
    char sentence[2560];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (run->events->warn)
        run->events->warn(run->events->user, sentence);
}

enum clat_status run_trace(const struct run *run, const char *name, int rank, const size_t *shape,
    const float *values, const int32_t *ids)
{
    if (!run->events->trace)
        return CLAT_OK;
    return run->events->trace(run->events->user, name, rank, shape, values, ids);
}

bool run_wants(const struct run *run, int index)
{
    return !run->events->wanted || run->events->wanted(run->events->user, index);
}

bool run_is_cancelled(const struct run *run)
{
    return run->events->cancelled && run->events->cancelled(run->events->user);
}
