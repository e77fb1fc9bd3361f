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
    const struct memory_request *request, struct model_memory *memory)
{
    enum clat_status status;
    struct loader loader = {0};
    struct unet unet = {0};
    int rows = request->images * (request->guided ? 2 : 1);
    TRY(open_dry_loader(model, COMPONENT_UNET, dry, h * w, &memory->unet_tensors, &loader));
    loader.streams = request->streams;
    TRY(unet_load(&loader, &model->unet, &unet));
    memory->unet_weights = device_memory_used(dry) + unet_largest_level(&unet);
    TRY(unet_measure(&unet, dry, rows, h, w, model_context_tokens(model), request->timesteps,
        &memory->unet_activations));
out:
    unet_free(dry, &unet);
    weights_close(loader.weights);
    return status;
}

static enum clat_status measure_decoder(const struct model *model, struct device *dry, int h, int w,
    bool bands, struct model_memory *memory)
{
    enum clat_status status;
    struct loader loader = {0};
    struct autoencoder decoder = {0};
    TRY(open_dry_loader(
        model, COMPONENT_AUTOENCODER, dry, h * w, &memory->decoder_tensors, &loader));
    TRY(decoder_load(&loader, &model->autoencoder, &decoder));
    if (bands)
        decoder_use_bands(&decoder);
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

/* What is loaded from now on is this component. */
static void begin(
    struct device *dry, const struct memory_request *request, enum component component)
{
    bool exact = request->exact >> component & 1;
    device_store_half(dry, request->half && !exact && component != COMPONENT_AUTOENCODER);
    device_allow_matrix_unit(dry, !exact);
}

enum clat_status model_memory(const struct model *model, const struct device_facts *facts,
    const struct memory_request *request, struct model_memory *memory)
{
    enum clat_status status;
    struct device *dry = NULL;
    int h = request->height / model->latent_scale, w = request->width / model->latent_scale;
    *memory = (struct model_memory){0};
    TRY(device_open_dry(facts, &dry));
    begin(dry, request, COMPONENT_CONDITION);
    if (!request->alone)
        TRY(measure_text(model, dry, memory));
    begin(dry, request, COMPONENT_AUTOENCODER);
    if (request->encodes)
        TRY(measure_encoder(model, dry, h, w, memory));
    begin(dry, request, COMPONENT_UNET);
    if (!request->alone && model_has(model, COMPONENT_UNET))
        TRY(measure_unet(model, dry, h, w, request, memory));
    begin(dry, request, COMPONENT_AUTOENCODER);
    if (!(request->alone && request->encodes))
        TRY(measure_decoder(model, dry, h, w, request->bands, memory));
    memory->sampling = memory->unet_weights + memory->unet_activations;
    memory->decoding = memory->decoder_weights + memory->decoder_activations;
    if (request->several) {
        memory->sampling += memory->decoder_weights;
        memory->decoding += memory->unet_weights;
    }
    memory->peak = larger(memory->sampling, memory->decoding);
    memory->peak = larger(memory->peak, memory->text_weights + memory->text_activations);
    memory->peak = larger(memory->peak, memory->encoder_weights + memory->encoder_activations);
    if (request->uses)
        TRY(device_uses(dry, request->uses, request->use_count));
    if (request->prepares)
        device_prepare(request->prepares, dry);
out:
    device_close(dry);
    return status;
}
