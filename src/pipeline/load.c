/* load.c - components onto the device, with progress. SPDX-License-Identifier: MIT */
#include "device/prepare.h"
#include "pipeline/run.h"

static void tensor_loaded(void *user)
{
    struct run *run = user;
    device_prepare_next(run->device);
    run->loaded++;
    run_phase(
        run, run->phase, run->loaded < run->to_load ? run->loaded : run->to_load, run->to_load);
}

enum clat_status loading_open(struct loading *loading, struct run *run, enum component component,
    enum pipeline_phase phase, size_t tensors)
{
    run_begin(run, component);
    *loading = (struct loading){.run = run,
        .half = device_stores_half(run->device),
        .loader = {.device = run->device,
            .pixels = run->h * run->w,
            .loaded = tensor_loaded,
            .user = run}};
    device_store_half(run->device, run_stores_half(run, component));
    run->phase = phase;
    run->loaded = 0;
    run->to_load = (int)tensors;
    run_phase(run, phase, 0, run->to_load);
    return model_weights(run->model, component, &loading->loader.weights);
}

void loading_close(struct loading *loading)
{
    if (loading->run)
        device_store_half(loading->run->device, loading->half);
    weights_close(loading->loader.weights);
    loader_close(&loading->loader);
}

enum clat_status run_load_unet(struct run *run)
{
    enum clat_status status;
    struct loading loading = {0};
    if (run->unet.conv_in.in)
        return CLAT_OK;
    TRY(loading_open(&loading, run, COMPONENT_UNET, PHASE_LOAD_UNET, run->memory.unet_tensors));
    loading.loader.streams = run->rungs.streams;
    TRY(unet_load(&loading.loader, &run->model->unet, &run->unet));
out:
    loading_close(&loading);
    return status;
}

enum clat_status run_load_decoder(struct run *run)
{
    enum clat_status status;
    struct loading loading = {0};
    if (run->decoder.conv_in.in)
        return CLAT_OK;
    TRY(loading_open(
        &loading, run, COMPONENT_AUTOENCODER, PHASE_LOAD_DECODER, run->memory.decoder_tensors));
    TRY(decoder_load(&loading.loader, &run->model->autoencoder, &run->decoder));
    if (run->rungs.bands)
        decoder_use_bands(&run->decoder);
out:
    loading_close(&loading);
    return status;
}
