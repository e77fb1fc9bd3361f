/* memory.c - what a job needs on the device, told before anything is allocated.
 * SPDX-License-Identifier: MIT
 *
 * Every network is loaded and run once on a dry device, which counts bytes and does nothing else. A
 * job's peak is the largest of its stages, each a network with its activations: text encoder or
 * encoder, UNet, decoder. Where several groups of images follow each other, UNet and decoder stay
 * side by side. */
#include "pipeline/condition.h"
#include "pipeline/run.h"
#include "device/prepare.h"
#include "sampling/denoiser.h"

#include <stdio.h>
#include <string.h>

#define GROUP_LIMIT 8 /* images in one UNet call */

static void count_tensor(void *user)
{
    ++*(size_t *)user;
}

/* A loader that counts tensors, on a dry device. */
static enum clat_status open_dry_loader(const struct model *model, enum component component,
    struct device *dry, int pixels, size_t *tensors, struct loader *loader)
{
    *tensors = 0;
    *loader =
        (struct loader){.device = dry, .pixels = pixels, .loaded = count_tensor, .user = tensors};
    return model_weights(model, component, &loader->weights);
}

/* Classes and label maps are looked up on the host. */
static enum clat_status measure_text(
    const struct model *model, struct device *dry, struct model_memory *memory)
{
    enum clat_status status;
    if (!model_has_text_encoder(model))
        return CLAT_OK;
    struct loader loader = {0};
    struct ldmbert bert = {0};
    TRY(open_dry_loader(model, COMPONENT_CONDITION, dry, 0, &memory->text_tensors, &loader));
    TRY(ldmbert_load(&loader, &model->text_encoder, &bert));
    memory->text_weights = device_memory_used(dry);
    TRY(ldmbert_measure(
        &bert, dry, PROMPT_BATCH, model_context_tokens(model), &memory->text_activations));
out:
    ldmbert_free(dry, &bert);
    weights_close(loader.weights);
    return status;
}

static enum clat_status measure_unet(const struct model *model, struct device *dry, int h, int w,
    int rows, int timesteps, struct model_memory *memory)
{
    enum clat_status status;
    struct loader loader = {0};
    struct unet unet = {0};
    TRY(open_dry_loader(model, COMPONENT_UNET, dry, h * w, &memory->unet_tensors, &loader));
    TRY(unet_load(&loader, &model->unet, &unet));
    memory->unet_weights = device_memory_used(dry);
    TRY(unet_measure(
        &unet, dry, rows, h, w, model_context_tokens(model), timesteps, &memory->unet_activations));
out:
    unet_free(dry, &unet);
    weights_close(loader.weights);
    return status;
}

static enum clat_status measure_decoder(
    const struct model *model, struct device *dry, int h, int w, struct model_memory *memory)
{
    enum clat_status status;
    struct loader loader = {0};
    struct autoencoder decoder = {0};
    TRY(open_dry_loader(
        model, COMPONENT_AUTOENCODER, dry, h * w, &memory->decoder_tensors, &loader));
    TRY(decoder_load(&loader, &model->autoencoder, &decoder));
    memory->decoder_weights = device_memory_used(dry);
    TRY(autoencoder_measure(&decoder, dry, 1, h, w, &memory->decoder_activations));
out:
    autoencoder_free(dry, &decoder);
    weights_close(loader.weights);
    return status;
}

static enum clat_status measure_encoder(
    const struct model *model, struct device *dry, int h, int w, struct model_memory *memory)
{
    enum clat_status status;
    struct loader loader = {0};
    struct autoencoder encoder = {0};
    TRY(open_dry_loader(
        model, COMPONENT_AUTOENCODER, dry, h * w, &memory->encoder_tensors, &loader));
    TRY(encoder_load(&loader, &model->autoencoder, &encoder));
    memory->encoder_weights = device_memory_used(dry);
    TRY(autoencoder_measure(&encoder, dry, 1, h, w, &memory->encoder_activations));
out:
    autoencoder_free(dry, &encoder);
    weights_close(loader.weights);
    return status;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

enum clat_status model_memory(const struct model *model, const struct device_facts *facts,
    const struct memory_request *request, struct model_memory *memory)
{
    enum clat_status status;
    struct device *dry = NULL;
    int h = request->height / model->latent_scale, w = request->width / model->latent_scale;
    *memory = (struct model_memory){0};
    TRY(device_open_dry(facts, &dry));
    device_store_half(dry, request->half);
    if (!request->alone)
        TRY(measure_text(model, dry, memory));
    if (request->encodes)
        TRY(measure_encoder(model, dry, h, w, memory));
    if (!request->alone && model_has(model, COMPONENT_UNET))
        TRY(measure_unet(model, dry, h, w, request->images * (request->guided ? 2 : 1),
            request->timesteps, memory));
    if (!(request->alone && request->encodes))
        TRY(measure_decoder(model, dry, h, w, memory));
    size_t sampling = memory->unet_weights + memory->unet_activations;
    size_t decoding = memory->decoder_weights + memory->decoder_activations;
    if (request->several) {
        sampling += memory->decoder_weights;
        decoding += memory->unet_weights;
    }
    memory->peak = larger(sampling, decoding);
    memory->peak = larger(memory->peak, memory->text_weights + memory->text_activations);
    memory->peak = larger(memory->peak, memory->encoder_weights + memory->encoder_activations);
    if (request->prepares)
        device_prepare(request->prepares, dry);
out:
    device_close(dry);
    return status;
}

/* What the system has free for programs, in bytes; SIZE_MAX if it does not say. */
static size_t system_memory_available(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    unsigned long long kilobytes = 0;
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file))
        found = sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1;
    if (file)
        fclose(file);
    return found ? (size_t)kilobytes * 1024 : SIZE_MAX;
}

/* A CPU device shares the system's memory with everything else that runs. */
static size_t memory_free(const struct device *device)
{
    const struct device_facts *facts = device_facts(device);
    size_t used = device_memory_used(device);
    size_t left = facts->global_memory > used ? facts->global_memory - used : 0;
    size_t available = facts->is_cpu ? system_memory_available() : SIZE_MAX;
    return left < available ? left : available;
}

static double mebibytes(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* Activations stand in one buffer, with offsets below 2^32 elements. */
static bool activations_fit(const struct model_memory *memory, const struct device_facts *facts)
{
    size_t most = larger(memory->unet_activations, memory->decoder_activations);
    return most <= facts->largest_buffer && most / sizeof(float) < (size_t)UINT32_MAX;
}

static enum clat_status refuse(const struct run *run, size_t limit)
{
    const struct model_memory *memory = &run->memory;
    return status_set(CLAT_ERROR_MEMORY,
        "an image of %d x %d pixels needs %.0f MiB on '%s' (text encoder %.0f; UNet %.0f and its "
        "activations %.0f; decoder %.0f and %.0f), but %.0f MiB are free, %.0f in one buffer: "
        "choose a smaller height and width, or another device",
        run->width, run->height, mebibytes(memory->peak), device_facts(run->device)->name,
        mebibytes(memory->text_weights + memory->text_activations), mebibytes(memory->unet_weights),
        mebibytes(memory->unet_activations), mebibytes(memory->decoder_weights),
        mebibytes(memory->decoder_activations), mebibytes(limit),
        mebibytes(device_facts(run->device)->largest_buffer));
}

/* Halves the group until it fits; one image that does not fit is refused. */
enum clat_status run_check_memory(struct run *run)
{
    enum clat_status status;
    const struct device_facts *facts = device_facts(run->device);
    size_t limit = memory_free(run->device);
    struct memory_request request = {.height = run->height,
        .width = run->width,
        .guided = run->guided,
        .half = device_stores_half(run->device),
        .timesteps = run->plan.count - run->plan.first,
        .prepares = run->device,
        .encodes = run->inputs.images.count && run->task->encodes};
    run->group = run->images < GROUP_LIMIT ? run->images : GROUP_LIMIT;
    for (;; run->group = (run->group + 1) / 2) {
        request.images = run->group;
        request.several = run->group < run->images;
        TRY(model_memory(run->model, facts, &request, &run->memory));
        if (run->memory.peak <= limit && activations_fit(&run->memory, facts))
            return CLAT_OK;
        if (run->group == 1)
            return refuse(run, limit);
    }
out:
    return status;
}

enum clat_status run_check_autoencoder(struct run *run, bool encodes)
{
    enum clat_status status;
    size_t limit = memory_free(run->device);
    struct memory_request request = {.height = run->height,
        .width = run->width,
        .half = device_stores_half(run->device),
        .encodes = encodes,
        .alone = true};
    TRY(model_memory(run->model, device_facts(run->device), &request, &run->memory));
    if (run->memory.peak > limit)
        return refuse(run, limit);
out:
    return status;
}
