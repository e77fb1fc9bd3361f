/* bench.c - how long each stage of a model takes. SPDX-License-Identifier: MIT */
#include "pipeline/bench.h"
#include "base/clock.h"
#include "base/memory.h"
#include "networks/autoencoder.h"
#include "networks/ldmbert.h"
#include "pipeline/condition.h"
#include "sampling/rng.h"

#include <stdlib.h>
#include <string.h>

/* A network on the device with room for its activations, ready to be run. */
struct bench_subject {
    const struct trial *trial;
    struct device *device, *dry;
    const struct model *model;
    int h, w; /* latents */
    struct loader loader;
    struct pool pool;
    struct forward run;
    struct tensor x, y;
    struct ldmbert bert;
    struct unet unet;
    struct autoencoder decoder;
};

static void subject_close(struct bench_subject *subject)
{
    ldmbert_free(subject->device, &subject->bert);
    unet_free(subject->device, &subject->unet);
    autoencoder_free(subject->device, &subject->decoder);
    pool_close(&subject->pool);
    weights_close(subject->loader.weights);
    loader_close(&subject->loader);
    device_close(subject->dry);
}

static enum clat_status subject_open(struct bench_subject *subject, struct device *device,
    const struct model *model, int h, int w, enum component component)
{
    enum clat_status status;
    *subject = (struct bench_subject){.device = device, .model = model, .h = h, .w = w};
    subject->loader = (struct loader){.device = device, .pixels = h * w};
    subject->run.pool = &subject->pool;
    TRY(device_open_dry(device_facts(device), &subject->dry));
    TRY(model_weights(model, component, &subject->loader.weights));
out:
    return status;
}

/* Normal noise on the device. */
static enum clat_status fill_random(struct bench_subject *subject, const struct tensor *tensor)
{
    enum clat_status status;
    struct rng *rng = NULL;
    float *values = NULL;
    TRY(memory_new(1, sizeof *rng, &rng));
    TRY(memory_new(tensor_elements(tensor), sizeof *values, &values));
    rng_seed(rng, RNG_TORCH, 0);
    rng_normal(rng, values, tensor_elements(tensor));
    TRY(tensor_write(subject->device, tensor, values));
out:
    free(values);
    free(rng);
    return status;
}

static enum clat_status open_text(struct bench_subject *subject, struct bench_stage *stage)
{
    enum clat_status status;
    int tokens = model_context_tokens(subject->model), width = subject->model->text_encoder.d_model;
    struct pool *pool = &subject->pool;
    TRY(ldmbert_load(&subject->loader, &subject->model->text_encoder, &subject->bert));
    TRY(ldmbert_measure(&subject->bert, subject->dry, stage->batch, tokens, &stage->activations));
    TRY(pool_open(subject->device, stage->activations, pool));
    TRY(pool_take(pool, POOL_FRONT, stage->batch, 1, tokens, width, &subject->x));
    TRY(pool_take(pool, POOL_FRONT, stage->batch, 1, tokens, width, &subject->y));
    TRY(fill_random(subject, &subject->x));
out:
    return status;
}

static enum clat_status run_text(struct bench_subject *subject)
{
    return ldmbert_forward(&subject->run, &subject->bert, &subject->x, &subject->y);
}

static enum clat_status open_unet(struct bench_subject *subject, struct bench_stage *stage)
{
    enum clat_status status;
    const struct unet_config *config = &subject->model->unet;
    int n = stage->batch, h = subject->h, w = subject->w;
    int tokens = model_context_tokens(subject->model);
    struct pool *pool = &subject->pool;
    struct tensor context;
    TRY(unet_load(&subject->loader, config, &subject->unet));
    TRY(unet_measure(&subject->unet, subject->dry, n, h, w, tokens, 0, &stage->activations));
    TRY(pool_open(subject->device, stage->activations, pool));
    TRY(pool_take(pool, POOL_FRONT, n, h, w, config->in_channels, &subject->x));
    TRY(pool_take(pool, POOL_FRONT, n, h, w, config->out_channels, &subject->y));
    TRY(fill_random(subject, &subject->x));
    if (!tokens)
        return CLAT_OK;
    TRY(pool_take(pool, POOL_FRONT, n, 1, tokens, config->cross_attention_dim, &context));
    TRY(fill_random(subject, &context));
    TRY(unet_set_prompt(&subject->run, &subject->unet, &context));
out:
    return status;
}

static enum clat_status run_unet(struct bench_subject *subject)
{
    return unet_forward(&subject->run, &subject->unet, &subject->x, 500, &subject->y);
}

static enum clat_status open_decoder(struct bench_subject *subject, struct bench_stage *stage)
{
    enum clat_status status;
    const struct autoencoder_config *config = &subject->model->autoencoder;
    int n = stage->batch, h = subject->h, w = subject->w, scale = subject->model->latent_scale;
    struct pool *pool = &subject->pool;
    TRY(decoder_load(&subject->loader, config, &subject->decoder));
    TRY(autoencoder_measure(&subject->decoder, subject->dry, n, h, w, &stage->activations));
    TRY(pool_open(subject->device, stage->activations, pool));
    TRY(pool_take(pool, POOL_FRONT, n, h, w, config->latent_channels, &subject->x));
    TRY(pool_take(pool, POOL_FRONT, n, h * scale, w * scale, config->out_channels, &subject->y));
    TRY(fill_random(subject, &subject->x));
out:
    return status;
}

static enum clat_status run_decoder(struct bench_subject *subject)
{
    return decoder_forward(&subject->run, &subject->decoder, &subject->x, &subject->y);
}

static const struct trial {
    const char *name;
    enum component component;
    int batch;
    enum clat_status (*open)(struct bench_subject *subject, struct bench_stage *stage);
    enum clat_status (*run)(struct bench_subject *subject);
} trials[BENCH_STAGES] = {
    {"text_encoder", COMPONENT_CONDITION, 1, open_text, run_text},
    {"unet", COMPONENT_UNET, 2, open_unet, run_unet},
    {"decoder", COMPONENT_AUTOENCODER, 1, open_decoder, run_decoder},
};

/* The embedding of a class and the rescaler of a label map are no networks. */
static bool is_there(const struct model *model, const struct trial *trial)
{
    return trial->component == COMPONENT_CONDITION ? model_has_text_encoder(model)
                                                   : model_has(model, trial->component);
}

static const struct trial *find_trial(const struct model *model, const char *name)
{
    for (int i = 0; i < BENCH_STAGES; i++)
        if (strcmp(trials[i].name, name) == 0 && is_there(model, &trials[i]))
            return &trials[i];
    return NULL;
}

/* ---- one network ---------------------------------------------------------------------------- */

enum clat_status bench_open(struct device *device, const struct model *model, int height, int width,
    struct bench_stage *stage, struct bench_subject **out)
{
    enum clat_status status = CLAT_OK;
    struct bench_subject *subject = NULL;
    const struct trial *trial = find_trial(model, stage->name);
    int h = (height ? height : model_default_size(model)) / model->latent_scale;
    int w = (width ? width : model_default_size(model)) / model->latent_scale;
    double start = clock_seconds();
    size_t before = device_memory_used(device);
    bool half = device_stores_half(device);
    *out = NULL;
    if (!trial)
        FAIL(CLAT_ERROR_USAGE, "the model has no %s", stage->name);
    TRY(memory_new(1, sizeof *subject, &subject));
    TRY(subject_open(subject, device, model, h, w, trial->component));
    subject->trial = trial;
    if (trial->component == COMPONENT_AUTOENCODER)
        device_store_half(device, false);
    TRY(trial->open(subject, stage));
    TRY(device_finish(device));
    stage->load_seconds = clock_seconds() - start;
    stage->weights = device_memory_used(device) - before - stage->activations;
    *out = subject;
    subject = NULL;
out:
    device_store_half(device, half);
    bench_close(subject);
    return status;
}

enum clat_status bench_once(struct bench_subject *subject, double *seconds)
{
    enum clat_status status;
    double start = clock_seconds();
    TRY(subject->trial->run(subject));
    TRY(device_finish(subject->device));
    *seconds = clock_seconds() - start;
out:
    return status;
}

void bench_close(struct bench_subject *subject)
{
    if (subject)
        subject_close(subject);
    free(subject);
}

/* ---- all of a model ------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum clat_status time_runs(struct bench_subject *subject, struct bench_stage *stage)
{
    enum clat_status status;
    double *seconds = NULL, first, work;
    TRY(memory_new((size_t)stage->runs, sizeof *seconds, &seconds));
    TRY(bench_once(subject, &first)); /* builds kernels, touches memory */
    work = device_work(subject->device);
    for (int i = 0; i < stage->runs; i++)
        TRY(bench_once(subject, &seconds[i]));
    stage->flop = (device_work(subject->device) - work) / stage->runs;
    qsort(seconds, (size_t)stage->runs, sizeof *seconds, by_value);
    stage->seconds = seconds[stage->runs / 2];
out:
    free(seconds);
    return status;
}

/* One run more, op by op. */
static enum clat_status meter_run(struct bench_subject *subject, struct bench_stage *stage)
{
    enum clat_status status;
    struct meter_row *rows = NULL;
    size_t count;
    double seconds;
    TRY(meter_start(subject->device));
    TRY(bench_once(subject, &seconds));
    TRY(meter_stop(subject->device, &stage->ops, &stage->op_count));
out:
    meter_stop(subject->device, &rows, &count); /* after a failure; what it gives is not wanted */
    free(rows);
    return status;
}

static enum clat_status bench_stage(struct device *device, const struct model *model, int height,
    int width, struct bench_stage *stage)
{
    enum clat_status status;
    struct bench_subject *subject;
    TRY(bench_open(device, model, height, width, stage, &subject));
    TRY(time_runs(subject, stage));
    TRY(meter_run(subject, stage));
out:
    bench_close(subject);
    return status;
}

enum clat_status bench_model(struct device *device, const struct model *model, int height,
    int width, int runs, struct bench_stage stages[BENCH_STAGES], int *count)
{
    enum clat_status status = CLAT_OK;
    *count = 0;
    for (int i = 0; i < BENCH_STAGES; i++) {
        if (!is_there(model, &trials[i]))
            continue;
        struct bench_stage *stage = &stages[(*count)++];
        *stage = (struct bench_stage){
            .name = trials[i].name, .batch = trials[i].batch, .runs = runs > 0 ? runs : 1};
        TRY(bench_stage(device, model, height, width, stage));
    }
out:
    return status;
}

void bench_free(struct bench_stage *stages, int count)
{
    for (int i = 0; i < count; i++)
        free(stages[i].ops);
}
