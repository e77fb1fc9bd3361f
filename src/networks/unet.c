/* unet.c - the noise predictor. SPDX-License-Identifier: MIT
 *
 * The pool while it runs: the prompts' keys and values and all skips stand on the front, each
 * resnet's and attention's temporaries on the back. Going up, the hidden tensor swaps between two
 * buffers that are large enough for every level. */
#include "networks/unet.h"
#include "networks/embedder.h"
#include "base/memory.h"

#include <stdlib.h>

int unet_time_width(const struct unet_config *config)
{
    return 4 * config->block_out_channels[0];
}

int unet_size_step(const struct unet_config *config)
{
    return 1 << (config->levels - 1);
}

/* ---- the prompt and the classes, once ------------------------------------------------------- */

static enum clat_status level_set_prompt(
    const struct forward *run, struct unet_level *level, const struct tensor *context)
{
    enum clat_status status = CLAT_OK;
    if (!level->transformers)
        return CLAT_OK;
    TRY(parking_return(run->pool->device, &level->parking));
    for (int j = 0; j < level->layers; j++)
        TRY(transformer_set_prompt(run, &level->transformers[j], context));
    TRY(parking_leave(run->pool->device, &level->parking));
out:
    return status;
}

enum clat_status unet_set_prompt(
    const struct forward *run, struct unet *unet, const struct tensor *context)
{
    enum clat_status status;
    for (int i = 0; i < unet->config.levels; i++) {
        TRY(level_set_prompt(run, &unet->down[i], context));
        TRY(level_set_prompt(run, &unet->up[i], context));
    }
    TRY(level_set_prompt(run, &unet->middle, context));
out:
    return status;
}

static enum clat_status take_classes(const struct forward *run, struct unet *unet, int n)
{
    return pool_take(
        run->pool, POOL_FRONT, n, 1, 1, unet_time_width(&unet->config), &unet->classes);
}

enum clat_status unet_set_classes(const struct forward *run, struct unet *unet,
    struct weights *weights, const int32_t *classes, int n)
{
    enum clat_status status;
    float *values = NULL;
    int width = unet_time_width(&unet->config);
    TRY(memory_new((size_t)n, sizeof *values * (size_t)width, &values));
    TRY(class_rows(weights, "class_embedding.weight", unet->config.num_class_embeds, width, classes,
        n, values));
    TRY(take_classes(run, unet, n));
    TRY(tensor_write(run->pool->device, &unet->classes, values));
out:
    free(values);
    return status;
}

/* ---- one evaluation ------------------------------------------------------------------------- */

/* Every output of the way down, in order; the way up takes them from the end. */
#define SKIPS (CONFIG_LEVELS * 32)
struct skips {
    struct tensor items[SKIPS];
    int count;
};

static enum clat_status skip_new(
    const struct forward *run, struct skips *skips, int n, int h, int w, int c)
{
    if (skips->count == SKIPS)
        return status_set(CLAT_ERROR_INPUT, "the UNet has more than %d layers", SKIPS);
    return pool_take(run->pool, POOL_FRONT, n, h, w, c, &skips->items[skips->count++]);
}

static enum clat_status enter(const struct forward *run, const struct unet *unet,
    const struct tensor *sample, struct skips *skips)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor centred;
    const struct tensor *x = sample;
    TRY(skip_new(run, skips, x->n, x->h, x->w, unet->conv_in.out));
    if (unet->config.center_input_sample) {
        TRY(pool_take(run->pool, POOL_BACK, x->n, x->h, x->w, x->c, &centred));
        TRY(op_affine(run->pool, sample, 2, -1, &centred));
        x = &centred;
    }
    TRY(op_conv(run->pool, &unet->conv_in, &(struct conv_call){.x = x, .y = skips->items}));
    TRY(forward_tap(run, skips->items, "conv_in"));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* The attention behind resnet j. */
static enum clat_status attend(const struct forward *run, const struct unet_level *level, int j,
    const struct tensor *x, const struct tensor *y)
{
    if (level->attention == UNET_TRANSFORMER)
        return transformer_forward(run, &level->transformers[j], x, y);
    return self_attention_forward(run, &level->attentions[j], x, y);
}

/* Resnet, then the attention if the level has one. */
static enum clat_status layer_forward(const struct forward *run, const struct unet_level *level,
    int j, const struct tensor *x, const struct tensor *skip, const struct tensor *time,
    const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor between;
    if (level->attention == UNET_NO_ATTENTION)
        return resnet_forward(run, &level->resnets[j], x, skip, time, y);
    TRY(pool_take(run->pool, POOL_BACK, y->n, y->h, y->w, y->c, &between));
    TRY(resnet_forward(run, &level->resnets[j], x, skip, time, &between));
    TRY(attend(run, level, j, &between, y));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* Rows or columns of the next level down. */
static int halved(const struct unet_config *config, int size)
{
    return config->resnet_samplers || !config->downsample_padding ? size / 2 : (size + 1) / 2;
}

static enum clat_status down_forward(const struct forward *run, const struct unet *unet,
    const struct unet_level *level, const struct tensor *time, struct skips *skips)
{
    enum clat_status status = CLAT_OK;
    const struct tensor *x = &skips->items[skips->count - 1];
    for (int j = 0; j < level->layers; j++, x++) {
        TRY(skip_new(run, skips, x->n, x->h, x->w, level->channels));
        TRY(layer_forward(run, level, j, x, NULL, time, x + 1));
    }
    if (level->has_sampler) {
        TRY(skip_new(run, skips, x->n, halved(&unet->config, x->h), halved(&unet->config, x->w),
            level->channels));
        TRY(unet->config.resnet_samplers
                ? resnet_forward(run, &level->resampler, x, NULL, time, x + 1)
                : downsample_forward(run, &level->sampler, level->sampler_path.text, x, x + 1));
    }
out:
    return status;
}

/* Two buffers of one size; each new tensor stands in the one that the last does not. */
struct swap {
    struct tensor buffers[2];
    struct tensor hidden; /* the last one made */
    int turn;
};

static struct tensor swap_next(struct swap *swap, int h, int w, int c)
{
    struct tensor tensor = swap->buffers[swap->turn ^= 1];
    tensor.h = h, tensor.w = w, tensor.c = c, tensor.stride = c;
    return tensor;
}

/* Channels that a tensor of the sample's size needs so that every hidden tensor of the way up fits.
 */
static int widest_hidden(
    const struct unet *unet, const struct skips *skips, const struct tensor *sample)
{
    size_t largest = 0, pixels = (size_t)sample->h * (size_t)sample->w;
    int first =
        skips->count; /* the skip that a level ends with; its upsampler has the next one's size */
    for (int i = 0; i < unet->config.levels; i++) {
        const struct unet_level *level = &unet->up[i];
        first -= level->layers;
        const struct tensor *size = &skips->items[level->has_sampler ? first - 1 : first];
        size_t elements = (size_t)size->h * (size_t)size->w * (size_t)level->channels;
        largest = elements > largest ? elements : largest;
    }
    return (int)((largest + pixels - 1) / pixels);
}

static enum clat_status middle_forward(const struct forward *run, const struct unet_level *middle,
    const struct tensor *time, const struct tensor *x, struct swap *swap)
{
    enum clat_status status;
    struct tensor a = swap_next(swap, x->h, x->w, x->c), b = swap_next(swap, x->h, x->w, x->c);
    TRY(resnet_forward(run, &middle->resnets[0], x, NULL, time, &a));
    if (middle->attention == UNET_NO_ATTENTION) {
        swap->hidden = b;
        TRY(resnet_forward(run, &middle->resnets[1], &a, NULL, time, &swap->hidden));
    } else {
        TRY(attend(run, middle, 0, &a, &b));
        swap->hidden = swap_next(swap, x->h, x->w, x->c);
        TRY(resnet_forward(run, &middle->resnets[1], &b, NULL, time, &swap->hidden));
    }
    TRY(forward_tap(run, &swap->hidden, "mid_block"));
out:
    return status;
}

static enum clat_status up_forward(const struct forward *run, const struct unet *unet,
    const struct unet_level *level, const struct tensor *time, struct skips *skips,
    struct swap *swap)
{
    enum clat_status status = CLAT_OK;
    for (int j = 0; j < level->layers; j++) {
        const struct tensor *skip = &skips->items[--skips->count];
        struct tensor y = swap_next(swap, skip->h, skip->w, level->channels);
        TRY(layer_forward(run, level, j, &swap->hidden, skip, time, &y));
        swap->hidden = y;
    }
    if (level->has_sampler) {
        const struct tensor *next = &skips->items[skips->count - 1];
        struct tensor y = swap_next(swap, next->h, next->w, level->channels);
        TRY(unet->config.resnet_samplers
                ? resnet_forward(run, &level->resampler, &swap->hidden, NULL, time, &y)
                : upsample_forward(
                      run, &level->sampler, level->sampler_path.text, &swap->hidden, &y));
        swap->hidden = y;
    }
out:
    return status;
}

/* A resnet that doubles cannot give an odd size. */
static enum clat_status check_size(const struct unet *unet, const struct tensor *sample)
{
    int step = unet_size_step(&unet->config);
    if (unet->config.resnet_samplers && (sample->h % step || sample->w % step))
        return status_set(CLAT_ERROR_INPUT,
            "the UNet takes latents whose sides are multiples of %d, not %d x %d", step, sample->h,
            sample->w);
    return CLAT_OK;
}

enum clat_status unet_forward(const struct forward *run, const struct unet *unet,
    const struct tensor *sample, double timestep, const struct tensor *output)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct skips skips = {.count = 0};
    struct swap swap = {.turn = 0};
    struct tensor time;
    TRY(check_size(unet, sample));
    TRY(unet_time(run, unet, sample->n, timestep, &time));
    TRY(enter(run, unet, sample, &skips));
    for (int i = 0; i < unet->config.levels; i++) {
        TRY(parking_return(run->pool->device, &unet->down[i].parking));
        TRY(down_forward(run, unet, &unet->down[i], &time, &skips));
        TRY(parking_leave(run->pool->device, &unet->down[i].parking));
    }

    int widest = widest_hidden(unet, &skips, sample);
    for (int i = 0; i < 2; i++)
        TRY(pool_take(
            run->pool, POOL_BACK, sample->n, sample->h, sample->w, widest, &swap.buffers[i]));
    TRY(parking_return(run->pool->device, &unet->middle.parking));
    TRY(middle_forward(run, &unet->middle, &time, &skips.items[skips.count - 1], &swap));
    TRY(parking_leave(run->pool->device, &unet->middle.parking));
    for (int i = 0; i < unet->config.levels; i++) {
        TRY(parking_return(run->pool->device, &unet->up[i].parking));
        TRY(up_forward(run, unet, &unet->up[i], &time, &skips, &swap));
        TRY(parking_leave(run->pool->device, &unet->up[i].parking));
    }
    TRY(head_forward(run, &unet->norm_out, &unet->conv_out, &swap.hidden, output));
    TRY(forward_tap(run, output, "conv_out"));
out:
    pool_release(run->pool, POOL_FRONT, mark);
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* A timestep that was not planned takes most. */
enum clat_status unet_measure(struct unet *unet, struct device *dry, int n, int h, int w,
    int tokens, int timesteps, size_t *bytes)
{
    enum clat_status status;
    struct pool pool = {0};
    struct forward run = {.pool = &pool};
    struct tensor sample, output, context;
    TRY(pool_open(dry, 0, &pool));
    TRY(pool_take(&pool, POOL_FRONT, n, h, w, unet->config.in_channels, &sample));
    TRY(pool_take(&pool, POOL_FRONT, n, h, w, unet->config.out_channels, &output));
    if (unet->config.cross_attention_dim) {
        TRY(pool_take(&pool, POOL_FRONT, n, 1, tokens, unet->config.cross_attention_dim, &context));
        TRY(unet_set_prompt(&run, unet, &context));
    }
    if (unet->config.num_class_embeds)
        TRY(take_classes(&run, unet, n));
    TRY(unet_set_timesteps(&run, unet, NULL, timesteps));
    TRY(unet_forward(
        &run, unet, &sample, 0, &output)); /* planned, if any is: what a run does first */
    TRY(unet_forward(&run, unet, &sample, 1, &output));
    *bytes = pool.peak;
out:
    pool_close(&pool);
    return status;
}
