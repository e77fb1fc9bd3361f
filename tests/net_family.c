/* net_family.c - the networks of every model of the family against the reference: UNet, first
 * stage, condition. SPDX-License-Identifier: MIT
 *
 * tests/data/family/NAME.pt (made by tests/tools/make_family.py) holds the reference's values for a
 * small model with the structure of the published one, and its weights under the names that the
 * networks ask for; if not, they are read from the checkpoint, tests/data/compvis/NAME.
 * CLATENT_FAMILY names a folder with all of the files below, each with its weights; without it
 * those marked `kept` are run. */
#include "networks/autoencoder.h"
#include "networks/embedder.h"
#include "networks/ldmbert.h"
#include "networks/unet.h"
#include "check.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANNELS 32 /* of the highest level, in all of them */
#define GROUPS 32

enum condition { NOTHING, CLASS, TEXT, LABELS, TENSOR };

/* A model as its yaml describes it. */
struct family {
    const char *name;
    bool kept;
    /* UNet: channels of level i are CHANNELS * multiple[i]; bit i of attention: level i has it */
    int in, out;
    int multiple[4]; /* ends with 0 */
    unsigned attention;
    int heads, head_width; /* one of them */
    int context, depth;    /* of the transformers; 0: AttentionBlocks */
    bool scale_shift, resnet_samplers;
    /* first stage: levels of CHANNELS each; bit i: level i has attention */
    enum autoencoder_kind kind;
    int levels, z, codes;
    unsigned ae_attention;
    bool middle;
    /* condition */
    enum condition condition;
    int size, length; /* classes, or vocabulary and tokens */
};
#define KL AUTOENCODER_KL
#define VQ AUTOENCODER_VQ
static const struct family models[] = {
    {"txt2img-f8-large", false, 4, 4, {1, 1, 2}, 7, 8, 0, 48, 1, false, false, KL, 4, 4, 0, 0, true,
        TEXT, 300, 77},
    {"text2img256", false, 3, 3, {1, 2}, 2, 0, 16, 40, 1, false, false, VQ, 3, 3, 256, 0, true,
        TEXT, 300, 77},
    {"cin256-v2", true, 3, 3, {1, 2}, 2, 1, 0, 24, 1, false, false, VQ, 3, 3, 256, 0, true, CLASS,
        1001, 1},
    {"cin256", true, 4, 4, {1, 1, 1}, 7, 0, 16, 24, 1, false, false, VQ, 4, 4, 300, 8, true, CLASS,
        1000, 1},
    {"inpainting_big", true, 7, 3, {1, 2, 1}, 6, 8, 0, 0, 0, false, true, VQ, 3, 3, 256, 0, false,
        TENSOR, 0, 0},
    {"semantic_synthesis256", true, 6, 3, {1, 2}, 0, 8, 0, 0, 0, false, false, VQ, 3, 3, 256, 0,
        true, LABELS, 182, 0},
    {"layout2img-openimages256", true, 3, 3, {1, 2}, 2, 0, 32, 40, 3, false, false, VQ, 3, 3, 256,
        0, true, TEXT, 512, 92},
    {"lsun_churches256", true, 4, 4, {1, 2, 1}, 7, 8, 0, 0, 0, true, true, KL, 4, 4, 0, 0, true,
        NOTHING, 0, 0},
    {"celeba256", false, 3, 3, {1, 1}, 2, 0, 16, 0, 0, false, false, VQ, 2, 3, 256, 0, true,
        NOTHING, 0, 0},
    {"bsr_sr", false, 6, 3, {1, 1}, 2, 0, 16, 0, 0, false, false, VQ, 2, 3, 256, 0, true, TENSOR, 0,
        0},
    {"rdm768x768", false, 16, 16, {1, 2}, 3, 0, 32, 32, 1, false, false, KL, 5, 16, 0, 16, true,
        TENSOR, 0, 0},
};

static struct device *device, *dry;
static struct weights *goldens; /* of the model that is tested; perhaps its weights, too */
static struct loader loader;    /* of the component that is tested */

static struct unet_config unet_config_of(const struct family *family)
{
    struct unet_config config = {.in_channels = family->in,
        .out_channels = family->out,
        .layers_per_block = 1,
        .cross_attention_dim = family->context,
        .time_scale_shift = family->scale_shift,
        .resnet_samplers = family->resnet_samplers,
        .downsample_padding = 1,
        .norm_num_groups = GROUPS,
        .norm_eps = 1e-5f,
        .flip_sin_to_cos = true};
    enum unet_attention kind = family->context ? UNET_TRANSFORMER : UNET_ATTENTION;
    while (config.levels < 4 && family->multiple[config.levels])
        config.levels++;
    config.middle_attention = kind;
    for (int i = 0; i < config.levels; i++) {
        int channels = CHANNELS * family->multiple[i];
        config.block_out_channels[i] = channels;
        config.down_attention[i] = family->attention >> i & 1 ? kind : UNET_NO_ATTENTION;
        config.up_attention[config.levels - 1 - i] = config.down_attention[i];
        config.attention_heads[i] = family->heads ? family->heads : channels / family->head_width;
        config.transformer_layers[i] = family->depth;
    }
    return config;
}

static struct autoencoder_config autoencoder_config_of(const struct family *family)
{
    struct autoencoder_config config = {.kind = family->kind,
        .in_channels = 3,
        .out_channels = 3,
        .latent_channels = family->z,
        .z_channels = family->z,
        .num_vq_embeddings = family->codes,
        .levels = family->levels,
        .middle_attention = family->middle,
        .layers_per_block = 1,
        .norm_num_groups = GROUPS,
        .scaling_factor = 1};
    for (int i = 0; i < config.levels; i++) {
        config.block_out_channels[i] = CHANNELS;
        config.down_attention[i] = family->ae_attention >> i & 1;
        config.up_attention[config.levels - 1 - i] = config.down_attention[i];
    }
    return config;
}

static struct tensor take(struct pool *pool, int n, int h, int w, int c)
{
    struct tensor tensor = {0};
    CHECK_OK(pool_take(pool, POOL_FRONT, n, h, w, c, &tensor));
    return tensor;
}

/* Axis of a golden [n][c][h][w]. */
static int extent(const char *name, int axis)
{
    return (int)golden_find(goldens, name)->shape[axis];
}

static void compare(const struct family *family, const char *name, const float *found)
{
    char label[128];
    snprintf(label, sizeof label, "%s: %s", family->name, name);
    check_near(label, found, golden_floats(goldens, name), golden_count(golden_find(goldens, name)),
        GOLDEN_LIMIT);
    weights_done(goldens);
}

/* Reads planes and compares them. */
static void compare_planes(
    const struct family *family, const char *name, const struct tensor *tensor)
{
    float *values = malloc(tensor_elements(tensor) * sizeof *values);
    CHECK_OK(tensor_read_nchw(device, tensor, values));
    compare(family, name, values);
    free(values);
}

static const int32_t *golden_ints(const char *name)
{
    return (const int32_t *)golden_find(goldens, name)->data;
}

/* ---- the UNet ------------------------------------------------------------------------------- */

static void unet_at(const struct family *family, struct unet *unet, double timestep,
    const char *want, struct golden_tap *tap)
{
    bool concatenated = family->in > family->out;
    int h = extent("unet/x", 2), w = extent("unet/x", 3);
    int tokens = family->context ? extent("cond/out", 1) : 0;
    struct pool pool;
    size_t bytes;
    CHECK_OK(unet_measure(unet, dry, 1, h, w, tokens, 0, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    struct forward run = {.pool = &pool, .tap = tap ? golden_compare : NULL, .user = tap};
    struct tensor x = take(&pool, 1, h, w, family->in), y = take(&pool, 1, h, w, family->out);
    struct tensor noisy = tensor_channels(&x, 0, family->out);
    struct tensor rest = tensor_channels(&x, family->out, family->in - family->out);
    CHECK_OK(tensor_write_nchw(device, &noisy, golden_floats(goldens, "unet/x")));
    if (concatenated)
        CHECK_OK(tensor_write_nchw(device, &rest, golden_floats(goldens, "cond/out")));
    if (family->context) {
        struct tensor context = take(&pool, 1, 1, tokens, family->context);
        CHECK_OK(tensor_write(device, &context, golden_floats(goldens, "cond/out")));
        CHECK_OK(unet_set_prompt(&run, unet, &context));
    }
    CHECK_OK(unet_forward(&run, unet, &x, timestep, &y));
    CHECK(pool.peak == bytes, "measured %zu bytes, taken %zu", bytes, pool.peak);
    compare_planes(family, want, &y);
    pool_close(&pool);
}

/* Reference values "PREFIX...", all of which must have been compared. */
static void check_tapped(const struct golden_tap *tap)
{
    int count = 0;
    for (size_t i = 0; i < weights_count(tap->goldens); i++)
        count += strncmp(weights_at(tap->goldens, i)->name, tap->prefix, strlen(tap->prefix)) == 0;
    CHECK(tap->compared == count, "%s: %d of %d blocks were compared", tap->prefix, tap->compared,
        count);
}

static void check_unet(const struct family *family)
{
    struct unet_config config = unet_config_of(family);
    struct golden_tap tap = {device, goldens, "act/unet.", 0};
    struct unet unet;
    if (CHECK_OK(unet_load(&loader, &config, &unet))) {
        unet_at(family, &unet, 981, "unet/out_t981", &tap);
        check_tapped(&tap);
        unet_at(family, &unet, 1, "unet/out_t1", NULL);
    }
    unet_free(device, &unet);
}

/* ---- the first stage ------------------------------------------------------------------------ */

static void run_half(const struct family *family, const struct autoencoder *half, const char *in,
    const char *out, struct golden_tap *tap)
{
    const char *latents_name = half->encodes ? out : in;
    int h = extent(latents_name, 2), w = extent(latents_name, 3);
    int scale = autoencoder_scale(&half->config);
    struct pool pool;
    size_t bytes;
    CHECK_OK(autoencoder_measure(half, dry, 1, h, w, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    struct forward run = {.pool = &pool, .tap = tap ? golden_compare : NULL, .user = tap};
    struct tensor latents = take(&pool, 1, h, w, extent(latents_name, 1));
    struct tensor image = take(&pool, 1, h * scale, w * scale, 3);
    const struct tensor *from = half->encodes ? &image : &latents;
    const struct tensor *to = half->encodes ? &latents : &image;
    CHECK_OK(tensor_write_nchw(device, from, golden_floats(goldens, in)));
    CHECK_OK((half->encodes ? encoder_forward : decoder_forward)(&run, half, from, to));
    CHECK(pool.peak == bytes, "measured %zu bytes, taken %zu", bytes, pool.peak);
    compare_planes(family, out, to);
    pool_close(&pool);
}

/* Random latents of 2 x 13 x 6, decoded; image [2][13*f][6*f][3]. */
static void decode_random(const struct family *family, const struct autoencoder *decoder,
    float *image, struct golden_tap *tap)
{
    int scale = autoencoder_scale(&decoder->config);
    struct pool pool;
    size_t bytes;
    CHECK_OK(autoencoder_measure(decoder, dry, 2, 13, 6, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    struct forward run = {.pool = &pool, .tap = tap ? golden_compare : NULL, .user = tap};
    struct tensor latents = take(&pool, 2, 13, 6, family->z);
    struct tensor picture = take(&pool, 2, 13 * scale, 6 * scale, 3);
    float *values = malloc(tensor_elements(&latents) * sizeof *values);
    check_random(values, tensor_elements(&latents), 5);
    CHECK_OK(tensor_write(device, &latents, values));
    CHECK_OK(decoder_forward(&run, decoder, &latents, &picture));
    CHECK(pool.peak == bytes, "measured %zu bytes, taken %zu", bytes, pool.peak);
    CHECK_OK(tensor_read(device, &picture, image));
    free(values);
    pool_close(&pool);
}

/* The same in bands as in whole: in one band, and in bands of eight rows. */
static void check_bands(const struct family *family, struct autoencoder *decoder)
{
    int scale = autoencoder_scale(&decoder->config);
    size_t count = (size_t)(2 * 13 * 6 * 3 * scale * scale);
    float *whole = malloc(count * sizeof *whole), *bands = malloc(count * sizeof *bands);
    decode_random(family, decoder, whole, NULL);
    decoder->bands.limit = 0;
    for (int i = 0; i < 2; i++, decoder->bands.bytes = 1) {
        struct golden_tap tap = {device, goldens, "act/vae.", 0};
        float furthest = 0;
        decode_random(family, decoder, bands, NULL);
        for (size_t j = 0; j < count; j++)
            furthest = fmaxf(furthest, fabsf(whole[j] - bands[j]));
        CHECK(furthest <= 2e-5f, "%s: bands differ by %g", family->name, (double)furthest);
        check_near("in bands", bands, whole, count, 1e-5);
        run_half(family, decoder, "ae/z", "ae/decoded", &tap);
        check_tapped(&tap);
    }
    free(whole);
    free(bands);
}

static void check_indices(const struct family *family, const struct autoencoder *decoder)
{
    int h = extent("ae/z", 2), w = extent("ae/z", 3);
    const int32_t *want = golden_ints("ae/indices");
    struct pool pool;
    CHECK_OK(pool_open(device, 1 << 20, &pool));
    struct tensor z = take(&pool, 1, h, w, family->z), codes = take(&pool, 1, h, w, family->z);
    struct tensor indices = take(&pool, 1, h, w, 1);
    float *found = malloc(tensor_elements(&indices) * sizeof *found);
    CHECK_OK(tensor_write_nchw(device, &z, golden_floats(goldens, "ae/z")));
    CHECK_OK(op_quantize(&pool, &decoder->codebook, &z, &codes, &indices));
    CHECK_OK(tensor_read(device, &indices, found));
    for (int i = 0; i < h * w; i++)
        CHECK((int32_t)found[i] == want[i], "%s: pixel %d: code %g, expected %d", family->name, i,
            (double)found[i], (int)want[i]);
    free(found);
    pool_close(&pool);
}

static void check_first_stage(const struct family *family)
{
    struct autoencoder_config config = autoencoder_config_of(family);
    struct golden_tap tap = {device, goldens, "act/vae.", 0};
    struct autoencoder encoder, decoder;
    if (CHECK_OK(encoder_load(&loader, &config, &encoder)))
        run_half(family, &encoder, "ae/in", "ae/encoded", NULL);
    if (CHECK_OK(decoder_load(&loader, &config, &decoder))) {
        run_half(family, &decoder, "ae/z", "ae/decoded", &tap);
        check_tapped(&tap);
        check_bands(family, &decoder);
        if (family->kind == VQ)
            check_indices(family, &decoder);
    }
    autoencoder_free(device, &encoder);
    autoencoder_free(device, &decoder);
}

/* ---- the condition -------------------------------------------------------------------------- */

static void check_class(const struct family *family)
{
    struct class_embedder_config config = {family->size, family->context};
    float *values = malloc(2 * (size_t)family->context * sizeof *values);
    const int32_t none[] = {family->size};
    CHECK_OK(class_embedder_check(&loader, &config));
    CHECK_OK(class_embed(loader.weights, &config, golden_ints("cond/labels"), 2, values));
    compare(family, "cond/out", values);
    CHECK(class_embed(loader.weights, &config, none, 1, values) == CLAT_ERROR_INPUT,
        "there is no class %d", family->size);
    free(values);
}

static void check_label_map(const struct family *family)
{
    struct spatial_rescaler_config config = {2, family->size, 3, false};
    int h = extent("cond/labels", 0), w = extent("cond/labels", 1);
    size_t count = (size_t)h * (size_t)w;
    float *values = malloc(count * sizeof *values);
    int32_t *labels = malloc(count * sizeof *labels);
    memcpy(labels, golden_ints("cond/labels"), count * sizeof *labels);
    CHECK_OK(spatial_rescaler_check(&loader, &config));
    CHECK_OK(label_map_embed(loader.weights, &config, labels, h, w, values));
    compare(family, "cond/out", values);
    CHECK(label_map_embed(loader.weights, &config, labels, h, w - 1, values) == CLAT_ERROR_INPUT,
        "a width that is no multiple of 4");
    labels[count - 1] = family->size;
    CHECK(label_map_embed(loader.weights, &config, labels, h, w, values) == CLAT_ERROR_INPUT,
        "a label that is too large");
    free(labels);
    free(values);
}

static void check_text(const struct family *family)
{
    struct ldmbert_config config = {.vocab_size = family->size,
        .max_position_embeddings = family->length,
        .layers = 1,
        .heads = 8,
        .head_dim = 64,
        .d_model = family->context,
        .ffn_dim = 4 * family->context};
    struct ldmbert bert;
    struct pool pool;
    size_t bytes;
    CHECK_OK(ldmbert_load(&loader, &config, &bert));
    CHECK_OK(ldmbert_measure(&bert, dry, 2, family->length, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    struct tensor x = take(&pool, 2, 1, family->length, family->context);
    struct tensor y = take(&pool, 2, 1, family->length, family->context);
    float *values = malloc(tensor_elements(&x) * sizeof *values);
    CHECK_OK(
        ldmbert_embed(loader.weights, &config, golden_ints("cond/ids"), 2, family->length, values));
    CHECK_OK(tensor_write(device, &x, values));
    CHECK_OK(ldmbert_forward(&(struct forward){.pool = &pool}, &bert, &x, &y));
    CHECK_OK(tensor_read(device, &y, values));
    compare(family, "cond/out", values);
    free(values);
    pool_close(&pool);
    ldmbert_free(device, &bert);
}

/* The grid of 8192 tokens has 90 corners a side. */
static void check_layout(void)
{
    const struct layout_box boxes[] = {{.category = 7, .x = 0, .y = 0, .width = 1, .height = 1},
        {.category = 3, .x = 0.5f, .y = 0.25f, .width = 0.25f, .height = 0.5f, .occluded = true},
        {.category = 0, .x = 1, .y = 1, .group = true, .inside = true}};
    /* rint(44.5) = 44, rint(22.25) = 22, rint(66.75) = 67 */
    const int32_t want[] = {
        7, 0, 8099, 3 + 2 * 400, 22 * 90 + 44, 67 * 90 + 67, 9 * 400, 8099, 8099, 8191, 8191, 8191};
    struct layout_box many[31] = {{0}};
    int32_t tokens[92];
    CHECK(layout_capacity(92) == 30, "92 tokens hold %d boxes", layout_capacity(92));
    CHECK_OK(layout_tokens(boxes, 3, 400, 8192, 92, tokens));
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        CHECK(tokens[i] == want[i], "token %zu: %d, expected %d", i, (int)tokens[i], (int)want[i]);
    CHECK(tokens[89] == 8191 && tokens[90] == 0 && tokens[91] == 8099, "the whole picture is seen");
    CHECK(layout_tokens(many, 31, 400, 8192, 92, tokens) == CLAT_ERROR_INPUT, "31 boxes");
    many[0].category = 400;
    CHECK(layout_tokens(many, 1, 400, 8192, 92, tokens) == CLAT_ERROR_INPUT, "category 400");
    many[0] = (struct layout_box){.x = 0.5f, .width = 0.75f};
    CHECK(layout_tokens(many, 1, 400, 8192, 92, tokens) == CLAT_ERROR_INPUT, "outside");
    many[0] =
        (struct layout_box){.category = 599, .inside = true, .depiction = true, .group = true};
    many[0].occluded = true;
    CHECK(layout_tokens(many, 1, 600, 8192, 92, tokens) == CLAT_ERROR_INPUT, "too many categories");
}

/* ---- all of a model ------------------------------------------------------------------------- */

/* The weights of a component: the goldens' own file, or the checkpoint. */
static void check_component(const struct family *family, const char *checkpoint,
    enum component component, void (*check)(const struct family *family))
{
    struct golden_model opened = {.loader = {.device = device, .weights = goldens}};
    bool own = weights_find(goldens, "conv_in.weight") != NULL;
    if (!own)
        golden_model_open(&opened, checkpoint, NULL, component, device);
    loader = opened.loader;
    check(family);
    loader_close(&loader);
    opened.loader.staging = NULL;
    if (!own)
        golden_model_close(&opened);
}

static void check_model(const char *folder, const struct family *family)
{
    static void (*const conditions[])(const struct family *) = {
        [CLASS] = check_class, [TEXT] = check_text, [LABELS] = check_label_map, [TENSOR] = NULL};
    char path[4096], checkpoint[4096], name[64];
    snprintf(path, sizeof path, "%s/%s.pt", folder, family->name);
    snprintf(name, sizeof name, "compvis/%s", family->name);
    snprintf(checkpoint, sizeof checkpoint, "%s", check_data(name));
    goldens = golden_open(path);
    if (conditions[family->condition])
        check_component(family, checkpoint, COMPONENT_CONDITION, conditions[family->condition]);
    check_component(family, checkpoint, COMPONENT_UNET, check_unet);
    check_component(family, checkpoint, COMPONENT_AUTOENCODER, check_first_stage);
    weights_close(goldens);
}

static void check_models(void)
{
    const char *all = getenv("CLATENT_FAMILY");
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (all || models[i].kept)
            check_model(all ? all : check_data("family"), &models[i]);
}

int main(void)
{
    device = golden_device();
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    check_layout();
    check_models();
    device_force_shape(device, false); /* the portable kernels, which GPUs run */
    device_close(dry);
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    check_models();
    device_close(dry);
    device_close(device);
    return check_result();
}
