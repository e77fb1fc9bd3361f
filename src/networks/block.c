/* block.c - resnet, transformer, attention and resampling blocks. SPDX-License-Identifier: MIT */
#include "networks/block.h"

#include <math.h>
#include <stdio.h>

#define TRANSFORMER_NORM_EPS 1e-6f /* of the group norm; its layer norms: 1e-5 */
#define LAYER_NORM_EPS 1e-5f

enum clat_status forward_tap(
    const struct forward *run, const struct tensor *tensor, const char *name, ...)
{
    if (!run->tap)
        return CLAT_OK;
    char text[200];
    va_list arguments;
    va_start(arguments, name);
    vsnprintf(text, sizeof text, name, arguments);
    va_end(arguments);
    return run->tap(run->user, text, tensor);
}

/* A temporary of x's pixels and `channels` channels. */
static enum clat_status temporary(
    const struct forward *run, const struct tensor *x, int channels, struct tensor *tensor)
{
    return pool_take(run->pool, POOL_BACK, x->n, x->h, x->w, channels, tensor);
}

/* The group norm of x (++ x2) as a scale and a shift per image and channel. */
static enum clat_status fold_norm(const struct forward *run, const struct norm *norm,
    const struct tensor *x, const struct tensor *x2, struct tensor *fold)
{
    enum clat_status status;
    TRY(pool_take(run->pool, POOL_BACK, x->n, 1, 2, norm->channels, fold));
    TRY(op_group_norm_fold(run->pool, norm, x, x2, fold));
out:
    return status;
}

/* ---- resnet -------------------------------------------------------------------------------------
 */

enum clat_status resnet_load(struct loader *loader, struct path path, int in, int out, int groups,
    float eps, int pixels, struct resnet *resnet)
{
    enum clat_status status;
    const char *name = path.text;
    *resnet = (struct resnet){.path = path, .in = in, .out = out, .time_first = -1};
    resnet->has_shortcut = in != out;
    TRY(loader_norm(loader, path_in(name, "norm1").text, in, groups, eps, &resnet->norm1));
    TRY(loader_conv(loader, path_in(name, "conv1").text, out, in, 1, 1, pixels, &resnet->conv1));
    TRY(loader_norm(loader, path_in(name, "norm2").text, out, groups, eps, &resnet->norm2));
    TRY(loader_conv(loader, path_in(name, "conv2").text, out, out, 1, 1, pixels, &resnet->conv2));
    if (resnet->has_shortcut)
        TRY(loader_linear(loader, path_in(name, "conv_shortcut").text, out, in, true,
            ACTIVATION_NONE, &resnet->shortcut));
out:
    return status;
}

void resnet_free(struct device *device, struct resnet *resnet)
{
    norm_free(device, &resnet->norm1);
    norm_free(device, &resnet->norm2);
    conv_free(device, &resnet->conv1);
    conv_free(device, &resnet->conv2);
    linear_free(device, &resnet->shortcut);
}

enum clat_status resnet_forward(const struct forward *run, const struct resnet *resnet,
    const struct tensor *x, const struct tensor *x2, const struct tensor *time,
    const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor hidden, fold1, fold2, shortcut, shift;
    const struct tensor *skip = x;

    TRY(temporary(run, x, resnet->out, &hidden));
    TRY(fold_norm(run, &resnet->norm1, x, x2, &fold1));
    if (time)
        shift = tensor_channels(time, resnet->time_first, resnet->out);
    TRY(op_conv(run->pool, &resnet->conv1,
        &(struct conv_call){.x = x,
            .x2 = x2,
            .fold = &fold1,
            .silu = true,
            .time = time ? &shift : NULL,
            .y = &hidden}));
    if (resnet->has_shortcut) {
        TRY(temporary(run, x, resnet->out, &shortcut));
        TRY(op_linear(run->pool, &resnet->shortcut, x, x2, NULL, &shortcut));
        skip = &shortcut;
    }
    TRY(fold_norm(run, &resnet->norm2, &hidden, NULL, &fold2));
    TRY(op_conv(run->pool, &resnet->conv2,
        &(struct conv_call){.x = &hidden, .fold = &fold2, .silu = true, .residual = skip, .y = y}));
    TRY(forward_tap(run, y, "%s", resnet->path.text));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* ---- transformer ---------------------------------------------------------------------------- */

static struct part part_of(const char *parent, const char *name, int out)
{
    return (struct part){path_in(parent, "%s", name), out};
}

static enum clat_status self_attention_load(
    struct loader *loader, const char *block, struct transformer *made)
{
    enum clat_status status;
    int c = made->channels;
    struct part qkv[] = {part_of(block, "attn1.to_q", c), part_of(block, "attn1.to_k", c),
        part_of(block, "attn1.to_v", c)};
    TRY(loader_norm(loader, path_in(block, "norm1").text, c, 0, LAYER_NORM_EPS, &made->norm1));
    TRY(loader_joined(loader, qkv, 3, c, false, &made->qkv1));
    TRY(loader_linear(
        loader, path_in(block, "attn1.to_out.0").text, c, c, true, ACTIVATION_NONE, &made->out1));
out:
    return status;
}

static enum clat_status cross_attention_load(
    struct loader *loader, const char *block, int context, struct transformer *made)
{
    enum clat_status status;
    int c = made->channels;
    struct part kv[] = {part_of(block, "attn2.to_k", c), part_of(block, "attn2.to_v", c)};
    TRY(loader_norm(loader, path_in(block, "norm2").text, c, 0, LAYER_NORM_EPS, &made->norm2));
    TRY(loader_linear(
        loader, path_in(block, "attn2.to_q").text, c, c, false, ACTIVATION_NONE, &made->q2));
    TRY(loader_joined(loader, kv, 2, context, false, &made->kv2));
    TRY(loader_linear(
        loader, path_in(block, "attn2.to_out.0").text, c, c, true, ACTIVATION_NONE, &made->out2));
out:
    return status;
}

static enum clat_status feed_forward_load(
    struct loader *loader, const char *block, struct transformer *made)
{
    enum clat_status status;
    int c = made->channels;
    TRY(loader_norm(loader, path_in(block, "norm3").text, c, 0, LAYER_NORM_EPS, &made->norm3));
    TRY(loader_linear(loader, path_in(block, "ff.net.0.proj").text, 4 * c, c, true,
        ACTIVATION_GEGLU, &made->ff_in));
    TRY(loader_linear(
        loader, path_in(block, "ff.net.2").text, c, 4 * c, true, ACTIVATION_NONE, &made->ff_out));
out:
    return status;
}

enum clat_status transformer_load(struct loader *loader, struct path path, int channels, int heads,
    int context, int groups, struct transformer *transformer)
{
    enum clat_status status;
    const char *name = path.text;
    struct path block = path_in(name, "transformer_blocks.0");
    *transformer = (struct transformer){.path = path, .channels = channels, .heads = heads};
    TRY(loader_norm(loader, path_in(name, "norm").text, channels, groups, TRANSFORMER_NORM_EPS,
        &transformer->norm));
    TRY(loader_linear(loader, path_in(name, "proj_in").text, channels, channels, true,
        ACTIVATION_NONE, &transformer->proj_in));
    TRY(self_attention_load(loader, block.text, transformer));
    TRY(cross_attention_load(loader, block.text, context, transformer));
    TRY(feed_forward_load(loader, block.text, transformer));
    TRY(loader_linear(loader, path_in(name, "proj_out").text, channels, channels, true,
        ACTIVATION_NONE, &transformer->proj_out));
out:
    return status;
}

void transformer_free(struct device *device, struct transformer *transformer)
{
    struct transformer *t = transformer;
    struct norm *norms[] = {&t->norm, &t->norm1, &t->norm2, &t->norm3};
    struct linear *linears[] = {&t->proj_in, &t->proj_out, &t->qkv1, &t->out1, &t->q2, &t->kv2,
        &t->out2, &t->ff_in, &t->ff_out};
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++)
        norm_free(device, norms[i]);
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++)
        linear_free(device, linears[i]);
}

enum clat_status transformer_set_prompt(
    const struct forward *run, struct transformer *transformer, const struct tensor *context)
{
    enum clat_status status;
    TRY(pool_take(run->pool, POOL_FRONT, context->n, context->h, context->w,
        2 * transformer->channels, &transformer->prompt));
    TRY(op_linear(run->pool, &transformer->kv2, context, NULL, NULL, &transformer->prompt));
out:
    return status;
}

/* y = x + out1(attention of x's own tokens) */
static enum clat_status self_attention(const struct forward *run, const struct transformer *block,
    const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor normed, qkv, mixed;
    int c = block->channels;
    TRY(temporary(run, x, c, &normed));
    TRY(temporary(run, x, 3 * c, &qkv));
    TRY(op_layer_norm(run->pool, &block->norm1, x, &normed));
    TRY(op_linear(run->pool, &block->qkv1, &normed, NULL, NULL, &qkv));
    struct tensor q = tensor_channels(&qkv, 0, c), k = tensor_channels(&qkv, c, c);
    struct tensor v = tensor_channels(&qkv, 2 * c, c);
    mixed = normed;
    TRY(op_attention(
        run->pool, &q, &k, &v, block->heads, 1 / sqrtf((float)(c / block->heads)), false, &mixed));
    TRY(op_linear(run->pool, &block->out1, &mixed, NULL, x, y));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* y = x + out2(attention of x to the prompt's tokens) */
static enum clat_status cross_attention(const struct forward *run, const struct transformer *block,
    const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor normed, q, mixed;
    int c = block->channels;
    struct tensor k = tensor_channels(&block->prompt, 0, c);
    struct tensor v = tensor_channels(&block->prompt, c, c);
    TRY(temporary(run, x, c, &normed));
    TRY(temporary(run, x, c, &q));
    TRY(op_layer_norm(run->pool, &block->norm2, x, &normed));
    TRY(op_linear(run->pool, &block->q2, &normed, NULL, NULL, &q));
    mixed = normed;
    TRY(op_attention(
        run->pool, &q, &k, &v, block->heads, 1 / sqrtf((float)(c / block->heads)), false, &mixed));
    TRY(op_linear(run->pool, &block->out2, &mixed, NULL, x, y));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* y = x + ff_out(value * GELU(gate)) */
static enum clat_status feed_forward(const struct forward *run, const struct transformer *block,
    const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor normed, wide;
    TRY(temporary(run, x, block->channels, &normed));
    TRY(temporary(run, x, 4 * block->channels, &wide));
    TRY(op_layer_norm(run->pool, &block->norm3, x, &normed));
    TRY(op_linear(run->pool, &block->ff_in, &normed, NULL, NULL, &wide));
    TRY(op_linear(run->pool, &block->ff_out, &wide, NULL, x, y));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

enum clat_status transformer_forward(const struct forward *run,
    const struct transformer *transformer, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor a, b, fold;
    TRY(temporary(run, x, transformer->channels, &a));
    TRY(temporary(run, x, transformer->channels, &b));
    TRY(fold_norm(run, &transformer->norm, x, NULL, &fold));
    TRY(op_group_norm_apply(run->pool, x, NULL, &fold, ACTIVATION_NONE, &b));
    TRY(op_linear(run->pool, &transformer->proj_in, &b, NULL, NULL, &a));
    TRY(self_attention(run, transformer, &a, &b));
    TRY(cross_attention(run, transformer, &b, &a));
    TRY(feed_forward(run, transformer, &a, &b));
    TRY(forward_tap(run, &b, "%s.transformer_blocks.0", transformer->path.text));
    TRY(op_linear(run->pool, &transformer->proj_out, &b, NULL, x, y));
    TRY(forward_tap(run, y, "%s", transformer->path.text));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* ---- the autoencoder's attention ------------------------------------------------------------ */

enum clat_status attention_load(struct loader *loader, struct path path, int channels, int groups,
    float eps, struct attention *attention)
{
    enum clat_status status;
    const char *name = path.text;
    struct part qkv[] = {part_of(name, "to_q", channels), part_of(name, "to_k", channels),
        part_of(name, "to_v", channels)};
    *attention = (struct attention){.path = path, .channels = channels};
    TRY(loader_norm(
        loader, path_in(name, "group_norm").text, channels, groups, eps, &attention->group_norm));
    TRY(loader_joined(loader, qkv, 3, channels, true, &attention->qkv));
    TRY(loader_linear(loader, path_in(name, "to_out.0").text, channels, channels, true,
        ACTIVATION_NONE, &attention->out));
out:
    return status;
}

void attention_free(struct device *device, struct attention *attention)
{
    norm_free(device, &attention->group_norm);
    linear_free(device, &attention->qkv);
    linear_free(device, &attention->out);
}

enum clat_status attention_forward(const struct forward *run, const struct attention *attention,
    const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor normed, qkv, mixed, fold;
    int c = attention->channels;
    TRY(temporary(run, x, c, &normed));
    TRY(temporary(run, x, 3 * c, &qkv));
    TRY(fold_norm(run, &attention->group_norm, x, NULL, &fold));
    TRY(op_group_norm_apply(run->pool, x, NULL, &fold, ACTIVATION_NONE, &normed));
    TRY(op_linear(run->pool, &attention->qkv, &normed, NULL, NULL, &qkv));
    struct tensor q = tensor_channels(&qkv, 0, c), k = tensor_channels(&qkv, c, c);
    struct tensor v = tensor_channels(&qkv, 2 * c, c);
    mixed = normed;
    TRY(op_attention(run->pool, &q, &k, &v, 1, 1 / sqrtf((float)c), false, &mixed));
    TRY(op_linear(run->pool, &attention->out, &mixed, NULL, x, y));
    TRY(forward_tap(run, y, "%s", attention->path.text));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* ---- resampling, and the end of a network --------------------------------------------------- */

enum clat_status downsample_forward(const struct forward *run, const struct conv *conv,
    const char *path, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    TRY(op_conv(run->pool, conv, &(struct conv_call){.x = x, .y = y}));
    TRY(forward_tap(run, y, "%s", path));
out:
    return status;
}

enum clat_status upsample_forward(const struct forward *run, const struct conv *conv,
    const char *path, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    if (y->h == 2 * x->h && y->w == 2 * x->w) {
        TRY(op_conv(run->pool, conv, &(struct conv_call){.x = x, .upsample = true, .y = y}));
    } else {
        struct tensor resized;
        TRY(pool_take(run->pool, POOL_BACK, x->n, y->h, y->w, x->c, &resized));
        TRY(op_resize_nearest(run->pool, x, &resized));
        TRY(op_conv(run->pool, conv, &(struct conv_call){.x = &resized, .y = y}));
    }
    TRY(forward_tap(run, y, "%s", path));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

enum clat_status head_forward(const struct forward *run, const struct norm *norm,
    const struct conv *conv, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor fold;
    TRY(fold_norm(run, norm, x, NULL, &fold));
    TRY(op_conv(run->pool, conv, &(struct conv_call){.x = x, .fold = &fold, .silu = true, .y = y}));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}
