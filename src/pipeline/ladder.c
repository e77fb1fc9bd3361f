/* ladder.c - what a job gives up when memory is short, and how it goes on after a fault.
 * SPDX-License-Identifier: MIT
 *
 * Memory is short if the prediction says so, or if an allocation fails: then less may be used than
 * was asked for at that time. The rungs, each told in a warning: decoding waits until all images
 * are sampled; fewer images at a time; the decoder in bands; the UNet's weights from the host,
 * level by level, where the device has memory of its own; weights of 16 bits, if the job leaves
 * `precision` open; another device, if it leaves `device` open. Below the last one the job is
 * refused. No rung but that of 16 bits changes a picture.
 *
 * After a fault, UNet and decoder are released, and the stage that failed is done again from what
 * is on the host: with less memory, with other kernels, in a new context (once), or with float
 * weights where half ones gave no numbers. */
#include "base/system_memory.h"
#include "pipeline/condition.h"
#include "selftest/first_use.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_LIMIT 8 /* images in one UNet call */

/* ---- what there is -------------------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* With what earlier jobs have left, which can be given back. */
static size_t memory_of_system(const struct run *run)
{
    size_t left = system_memory_available("");
    return left > SIZE_MAX - run->kept ? SIZE_MAX : left + run->kept;
}

/* A CPU device shares the system's memory with everything else that runs. */
static size_t memory_free(const struct run *run)
{
    const struct device_facts *facts = device_facts(run->device);
    size_t used = device_memory_used(run->device) - run->kept;
    size_t left = facts->global_memory > used ? facts->global_memory - used : 0;
    if (facts->on_host)
        left = smaller(left, memory_of_system(run) / (size_t)(run->crew ? run->crew : 1));
    return run->rungs.budget ? smaller(left, run->rungs.budget) : left;
}

/* Activations stand in one buffer, with offsets below 2^32 elements. */
static bool fits(const struct run *run, size_t bytes, size_t activations, size_t limit)
{
    return bytes <= limit && activations <= device_facts(run->device)->largest_buffer &&
           activations / sizeof(float) < (size_t)UINT32_MAX;
}

static bool sampling_fits(const struct run *run, size_t limit)
{
    return fits(run, run->memory.sampling, run->memory.unet_activations, limit);
}

static bool decoding_fits(const struct run *run, size_t limit)
{
    return fits(run, run->memory.decoding, run->memory.decoder_activations, limit);
}

static bool all_fits(const struct run *run, size_t limit)
{
    return run->memory.peak <= limit && sampling_fits(run, limit) && decoding_fits(run, limit);
}

static double mebibytes(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

static enum clat_status refuse(const struct run *run, size_t limit)
{
    const struct model_memory *memory = &run->memory;
    return status_set(CLAT_ERROR_MEMORY,
        "an image of %d x %d pixels needs %.0f MiB on '%s' (text encoder %.0f; UNet %.0f and its "
        "activations %.0f; decoder %.0f and %.0f), but %.0f MiB are free, %.0f in one buffer: "
        "choose %s, or another device",
        run->width, run->height, mebibytes(memory->peak), device_facts(run->device)->name,
        mebibytes(memory->text_weights + memory->text_activations), mebibytes(memory->unet_weights),
        mebibytes(memory->unet_activations), mebibytes(memory->decoder_weights),
        mebibytes(memory->decoder_activations), mebibytes(limit),
        mebibytes(device_facts(run->device)->largest_buffer),
        run->model->task == TASK_SUPER_RESOLUTION ? "a smaller image"
                                                  : "a smaller height and width");
}

/* ---- rungs ---------------------------------------------------------------------------------- */

static bool is_exact(const struct run *run, enum component component)
{
    const char *products = run->job->float32_matmul_precision;
    return (run->rungs.exact >> component & 1) ||
           (component == COMPONENT_AUTOENCODER && !(products && strcmp(products, "high") == 0));
}

bool run_stores_half(const struct run *run, enum component component)
{
    return device_stores_half(run->device) && component != COMPONENT_AUTOENCODER &&
           !is_exact(run, component);
}

void run_begin(struct run *run, enum component component)
{
    run->stage = component;
    pipeline_choose_kernels(run->device, run->job);
    if (is_exact(run, component))
        device_allow_matrix_unit(run->device, false);
}

static void change_precision(struct run *run, bool half)
{
    device_store_half(run->device, half);
    pipeline_choose_kernels(run->device, run->job);
    if (run->events->precision)
        run->events->precision(run->events->user, half ? "f16" : "f32");
}

static bool can_store_half(const struct run *run)
{
    return job_leaves_precision_open(run->job) && !run->crew && !run->rungs.exact &&
           !device_stores_half(run->device);
}

/* One rung down; false on the last one. A sampling loop that is going on keeps its images. */
static bool step_down(struct run *run, size_t limit)
{
    struct rungs *rungs = &run->rungs;
    if (run->kept || run->keeps) {
        run_release(run);
        run->keeps = false;
    } else if (run->request.several)
        rungs->apart = true;
    else if (!sampling_fits(run, limit) && run->group > 1 && !run->held)
        run->group = (run->group + 1) / 2;
    else if (!decoding_fits(run, limit) && !rungs->bands)
        rungs->bands = true;
    else if (!sampling_fits(run, limit) && !rungs->streams && !device_facts(run->device)->on_host)
        rungs->streams = true;
    else if (can_store_half(run))
        change_precision(run, true);
    else
        return false;
    return true;
}

/* The next device, as if the job began on it. */
static bool move(struct run *run)
{
    char before[sizeof device_facts(run->device)->name];
    snprintf(before, sizeof before, "%s", device_facts(run->device)->name);
    if (!job_leaves_device_open(run->job) || device_move(run->device) != CLAT_OK)
        return false;
    run_warn(run, "'%s' has too little memory: '%s' takes its place", before,
        device_facts(run->device)->name);
    bool half = device_stores_half(run->device);
    pipeline_prepare(run->device, run->job);
    if (device_stores_half(run->device) != half)
        change_precision(run, !half);
    run->rungs = (struct rungs){.exact = run->rungs.exact};
    run->group = run->images < GROUP_LIMIT ? run->images : GROUP_LIMIT;
    return true;
}

/* ---- the plan ------------------------------------------------------------------------------- */

/* `uses` is a list to be freed. */
static enum clat_status predict(struct run *run)
{
    struct memory_request *request = &run->request;
    free(run->uses);
    run->uses = NULL;
    request->uses = &run->uses;
    request->use_count = &run->use_count;
    request->images = run->held ? run->held : run->group;
    bool both = run->group < run->images || run->crew || run->keeps || run->kept;
    request->several = !request->alone && both && !run->rungs.apart;
    request->half = device_stores_half(run->device);
    request->bands = run->rungs.bands;
    for (int component = 0; component < COMPONENTS; component++)
        request->exact |= (unsigned)is_exact(run, (enum component)component) << component;
    request->streams = run->rungs.streams;
    return model_memory(run->model, device_facts(run->device), request, &run->memory);
}

/* The rungs that were taken since, in one line. */
static void tell(const struct run *run, const struct rungs *before, int group, bool half)
{
    char words[320] = "";
    size_t at = 0;
    if (run->rungs.apart && !before->apart)
        at += (size_t)sprintf(words + at, ", all sampling before the first decoding");
    if (run->group < group)
        at += (size_t)sprintf(words + at, ", %d at a time", run->group);
    if (run->rungs.bands && !before->bands)
        at += (size_t)sprintf(words + at, ", decoding in bands");
    if (run->rungs.streams && !before->streams)
        at += (size_t)sprintf(words + at, ", weights from the host in each step");
    if (device_stores_half(run->device) && !half)
        at += (size_t)sprintf(words + at, ", weights of 16 bits");
    if (at)
        run_warn(run, "memory is short on '%s' (%.0f MiB are free): %s",
            device_facts(run->device)->name, mebibytes(memory_free(run)), words + 2);
}

/* As far down as it must. */
static enum clat_status fit(struct run *run)
{
    enum clat_status status;
    struct rungs before = run->rungs;
    int group = run->group;
    bool half = device_stores_half(run->device);
    TRY(predict(run));
    while (!all_fits(run, memory_free(run))) {
        size_t limit = memory_free(run);
        if (!step_down(run, limit) && !move(run))
            return refuse(run, limit);
        TRY(predict(run));
    }
    tell(run, &before, group, half);
out:
    return status;
}

/* A plan that fits, all of whose kernels were found right: where some are replaced, it is made
 * again. */
static enum clat_status plan(struct run *run)
{
    enum clat_status status;
    struct rungs *rungs = &run->rungs;
    do {
        TRY(fit(run));
        rungs->refused = device_facts(run->device)->refused;
        TRY(first_use_check(run->device, run->uses, run->use_count));
    } while (rungs->refused != device_facts(run->device)->refused);
out:
    return status;
}

/* The first plan: a device that is lost over its trials is set up anew, as later. */
static enum clat_status begin(struct run *run)
{
    enum clat_status status = plan(run);
    run_recovers(run, &status);
    return status;
}

void run_make_room(struct run *run, size_t bytes)
{
    if (run->kept && memory_free(run) - run->kept < bytes)
        run_release(run);
}

enum clat_status run_check_memory(struct run *run)
{
    run->request = (struct memory_request){.height = run->height,
        .width = run->width,
        .guided = run->guided,
        .timesteps = run->plan.count - run->plan.first,
        .prepares = run->device,
        .encodes = run->inputs.images.count && run->task->encodes};
    run->group = run->images < GROUP_LIMIT ? run->images : GROUP_LIMIT;
    return begin(run);
}

enum clat_status run_check_autoencoder(struct run *run, bool encodes)
{
    run->request = (struct memory_request){
        .height = run->height, .width = run->width, .encodes = encodes, .alone = true};
    run->group = 1;
    return begin(run);
}

/* ---- after a fault -------------------------------------------------------------------------- */

/* Whether any component still has weights of 16 bits. */
static bool has_half(const struct run *run)
{
    return (model_has_text_encoder(run->model) && run_stores_half(run, COMPONENT_CONDITION)) ||
           (model_has(run->model, COMPONENT_UNET) && run_stores_half(run, COMPONENT_UNET));
}

/* The stage that gave no numbers is done with 32 bits; false if it was. */
static bool raise_precision(struct run *run)
{
    const struct device_facts *facts = device_facts(run->device);
    bool half = run_stores_half(run, run->stage);
    if (!half && facts->matrix_unit == MATRIX_UNIT_NONE && facts->unit.kind == UNIT_NONE)
        return false;
    run_warn(run, "%s; with %s of 16 bits: those of 32 take their place", status_text(),
        half ? "weights" : "factors");
    run->rungs.exact |= 1u << run->stage;
    if (half && !has_half(run))
        change_precision(run, false);
    return true;
}

/* True if the device is fit for another try. */
static bool repair(struct run *run, enum device_trouble trouble, enum clat_status *status)
{
    struct rungs *rungs = &run->rungs;
    if (trouble == TROUBLE_LOST && !rungs->rebuilt) {
        run_warn(run, "%s: the device is set up anew, and the work goes on", status_text());
        rungs->rebuilt = true;
        *status = device_reopen(run->device);
        return *status == CLAT_OK;
    }
    if (trouble == TROUBLE_REFUSED)
        return device_facts(run->device)->refused != rungs->refused;
    if (trouble == TROUBLE_MEMORY && *status == CLAT_ERROR_MEMORY) {
        rungs->budget = smaller(device_memory_short(run->device), run->memory.peak) - 1;
        return true;
    }
    if (*status == CLAT_ERROR_CHECK)
        return raise_precision(run);
    return false;
}

bool run_recovers(struct run *run, enum clat_status *status)
{
    if (*status == CLAT_OK)
        return false;
    enum device_trouble trouble = device_take_trouble(run->device);
    run_release(run);
    if (!repair(run, trouble, status))
        return false;
    *status = plan(run);
    return *status == CLAT_OK;
}
