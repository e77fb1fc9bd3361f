/* golden_full.c - networks at their real size, on random weights, against the reference: the test
 * of the fast kernels at the shapes that they are for. SPDX-License-Identifier: MIT
 *
 * Run by `make check-full`. CLATENT_FULL_MODELS holds models made by the oracle's make_full.py
 * (those below, 8 GB together; a model that is not there is left out), CLATENT_FULL_GOLDENS the
 * folder of their reference values. */
#include "networks/autoencoder.h"
#include "networks/ldmbert.h"
#include "networks/unet.h"
#include "pipeline/pipeline.h"
#include "sampling/rng.h"
#include "formats/npy.h"
#include "check.h"
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKENS 77

static const char *const models[] = {
    "ldm-text2im-large-256", "ldm-super-resolution-4x-openimages", "ldm-celebahq-256"};

static struct device *device, *dry;
static struct weights *goldens;
static char folder[4096];

static struct tensor take(struct pool *pool, int n, int h, int w, int c)
{
    struct tensor tensor = {0};
    CHECK_OK(pool_take(pool, POOL_FRONT, n, h, w, c, &tensor));
    return tensor;
}

/* Reads `tensor` as planes or rows and compares it. */
static void compare(const char *name, const struct tensor *tensor)
{
    size_t count = tensor_elements(tensor);
    float *values = malloc(count * sizeof *values);
    bool rows = golden_find(goldens, name)->rank == 3;
    CHECK_OK(rows ? tensor_read(device, tensor, values) : tensor_read_nchw(device, tensor, values));
    const float *want = golden_floats(goldens, name);
    check_near(name, values, want, count, GOLDEN_LIMIT);
    fprintf(stderr, "%s: relative L2 distance %.3g\n", name, check_distance(values, want, count));
    free(values);
}

static void check_text_encoder(void)
{
    struct golden_model opened;
    struct ldmbert bert;
    struct pool pool;
    size_t bytes;
    golden_model_open(&opened, folder, NULL, COMPONENT_CONDITION, device);
    CHECK_OK(ldmbert_load(&opened.loader, &opened.model->text_encoder, &bert));
    CHECK_OK(ldmbert_measure(&bert, dry, 1, TOKENS, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    int32_t ids[TOKENS];
    memcpy(ids, golden_find(goldens, "bert/ids")->data, sizeof ids);
    struct tensor x = take(&pool, 1, 1, TOKENS, bert.config.d_model);
    struct tensor y = take(&pool, 1, 1, TOKENS, bert.config.d_model);
    float *values = malloc(tensor_elements(&x) * sizeof *values);
    CHECK_OK(ldmbert_embed(opened.loader.weights, &bert.config, ids, 1, TOKENS, values));
    CHECK_OK(tensor_write(device, &x, values));
    CHECK_OK(ldmbert_forward(&(struct forward){.pool = &pool}, &bert, &x, &y));
    compare("bert/out", &y);
    free(values);
    pool_close(&pool);
    ldmbert_free(device, &bert);
    golden_model_close(&opened);
}

/* The context was drawn by the reference's generator, seed 2. */
static void write_context(const struct tensor *context)
{
    struct rng rng;
    float *values = malloc(tensor_elements(context) * sizeof *values);
    rng_seed(&rng, RNG_TORCH, 2);
    rng_normal(&rng, values, tensor_elements(context));
    CHECK(values[0] == -1.0408011674880981f && values[2] == -1.3041903972625732f,
        "the context starts with %.9g", (double)values[0]);
    CHECK_OK(tensor_write(device, context, values));
    free(values);
}

/* What UNets with transformers need besides the sample. */
static void set_prompt(const struct forward *run, struct unet *unet)
{
    struct tensor context = take(run->pool, 1, 1, TOKENS, unet->config.cross_attention_dim);
    write_context(&context);
    CHECK_OK(unet_set_prompt(run, unet, &context));
}

static void check_unet(void)
{
    struct golden_model opened;
    struct unet unet;
    struct pool pool;
    struct forward run = {.pool = &pool};
    const struct weight *shape = golden_find(goldens, "unet/in");
    int h = (int)shape->shape[2], w = (int)shape->shape[3];
    size_t bytes;
    golden_model_open(&opened, folder, NULL, COMPONENT_UNET, device);
    CHECK_OK(unet_load(&opened.loader, &opened.model->unet, &unet));
    CHECK_OK(unet_measure(&unet, dry, 1, h, w, TOKENS, 0, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    struct tensor x = take(&pool, 1, h, w, unet.config.in_channels);
    struct tensor y = take(&pool, 1, h, w, unet.config.out_channels);
    if (unet.config.cross_attention_dim)
        set_prompt(&run, &unet);
    CHECK_OK(tensor_write_nchw(device, &x, golden_floats(goldens, "unet/in")));
    CHECK_OK(unet_forward(&run, &unet, &x, 981, &y));
    compare("unet/out_t981", &y);
    pool_close(&pool);
    unet_free(device, &unet);
    golden_model_close(&opened);
}

static void decode(const struct autoencoder *decoder)
{
    struct pool pool;
    const struct weight *shape = golden_find(goldens, "ae/z");
    int h = (int)shape->shape[2], w = (int)shape->shape[3];
    int scale = autoencoder_scale(&decoder->config);
    size_t bytes;
    CHECK_OK(autoencoder_measure(decoder, dry, 1, h, w, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    struct tensor z = take(&pool, 1, h, w, decoder->config.latent_channels);
    struct tensor image = take(&pool, 1, h * scale, w * scale, 3);
    CHECK_OK(tensor_write_nchw(device, &z, golden_floats(goldens, "ae/z")));
    CHECK_OK(decoder_forward(&(struct forward){.pool = &pool}, decoder, &z, &image));
    compare("ae/decoded", &image);
    pool_close(&pool);
}

/* In whole, and in bands of some rows. */
static void check_decoder(void)
{
    struct golden_model opened;
    struct autoencoder decoder;
    golden_model_open(&opened, folder, NULL, COMPONENT_AUTOENCODER, device);
    CHECK_OK(decoder_load(&opened.loader, &opened.model->autoencoder, &decoder));
    decode(&decoder);
    decoder.bands.limit = 0;
    decoder.bands.bytes = 1 << 21;
    decode(&decoder);
    autoencoder_free(device, &decoder);
    golden_model_close(&opened);
}

/* A job of two steps takes what is predicted, to 5 %: what `inspect` tells. */
static void check_job(void)
{
    static char text[] = "a castle", *prompt[] = {text};
    char *image = strdup(check_scratch("small.npy"));
    float *pixels = calloc(3 * 64 * 64, sizeof *pixels);
    uint64_t seed = 1;
    struct model *model;
    struct job job = {.num_inference_steps = 2,
        .precision = "f32",
        .guidance_scale = 1,
        .strength = 1,
        .seeds = &seed,
        .seed_count = 1,
        .batch_size = 1};
    struct memory_request request = {.images = 1};
    struct model_memory memory;
    CHECK_OK(npy_write(image, pixels, 4, (size_t[]){1, 3, 64, 64}));
    CHECK_OK(model_open(folder, NULL, &model));
    if (model->task == TASK_TEXT_TO_IMAGE)
        job.prompts = (struct texts){prompt, 1};
    if (model->task == TASK_SUPER_RESOLUTION)
        job.images = (struct texts){&image, 1};
    request.height = request.width = model_default_size(model);
    CHECK_OK(model_memory(model, device_facts(device), &request, &memory));
    size_t before = device_memory_used(device);
    device_memory_peak_reset(device);
    CHECK_OK(pipeline_run(device, model, &job, NULL));
    double taken = (double)(device_memory_peak(device) - before), told = (double)memory.peak;
    fprintf(stderr, "memory of a job: %.1f MiB, predicted %.1f\n", taken / 1048576, told / 1048576);
    CHECK(taken <= 1.05 * told && taken >= 0.95 * told, "%.3f of it", taken / told);
    model_close(model);
    free(pixels);
    free(image);
}

static void check_model(const char *name)
{
    char path[4096];
    snprintf(folder, sizeof folder, "%s/%s", getenv("CLATENT_FULL_MODELS"), name);
    if (access(folder, F_OK) != 0)
        return;
    fprintf(stderr, "%s\n", name);
    snprintf(path, sizeof path, "%s/%s/goldens.safetensors", getenv("CLATENT_FULL_GOLDENS"), name);
    goldens = golden_open(path);
    if (weights_find(goldens, "bert/out"))
        check_text_encoder();
    check_unet();
    check_decoder();
    check_job();
    weights_close(goldens);
}

int main(void)
{
    if (!getenv("CLATENT_FULL_MODELS") || !getenv("CLATENT_FULL_GOLDENS"))
        check_skip("CLATENT_FULL_MODELS and CLATENT_FULL_GOLDENS do not name the folders");
    device = golden_device();
    golden_schedulers();
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(models[i]);
    device_close(dry);
    device_close(device);
    return check_result();
}
