/* transformer.c - how the prompt enters a UNet. SPDX-License-Identifier: MIT */
#include "networks/transformer.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

#define GROUP_NORM_EPS 1e-6f /* not the UNet's own */
#define LAYER_NORM_EPS 1e-5f

/* ---- loading -------------------------------------------------------------------------------- */

static struct part part_of(const char *parent, const char *name, int out)
{
    return (struct part){path_in(parent, "%s", name), out};
}

static enum clat_status load_self_attention(
    struct loader *loader, const char *name, struct transformer_block *block)
{
    enum clat_status status;
    int c = block->channels;
    struct part qkv[] = {part_of(name, "attn1.to_q", c), part_of(name, "attn1.to_k", c),
        part_of(name, "attn1.to_v", c)};
    TRY(loader_norm(loader, path_in(name, "norm1").text, c, 0, LAYER_NORM_EPS, &block->norm1));
    TRY(loader_joined(loader, qkv, 3, c, false, &block->qkv1));
    TRY(loader_linear(
        loader, path_in(name, "attn1.to_out.0").text, c, c, true, ACTIVATION_NONE, &block->out1));
out:
    return status;
}

static enum clat_status load_cross_attention(
    struct loader *loader, const char *name, int context, struct transformer_block *block)
{
    enum clat_status status;
    int c = block->channels;
    struct part kv[] = {part_of(name, "attn2.to_k", c), part_of(name, "attn2.to_v", c)};
    TRY(loader_norm(loader, path_in(name, "norm2").text, c, 0, LAYER_NORM_EPS, &block->norm2));
    TRY(loader_linear(
        loader, path_in(name, "attn2.to_q").text, c, c, false, ACTIVATION_NONE, &block->q2));
    TRY(loader_joined(loader, kv, 2, context, false, &block->kv2));
    TRY(loader_linear(
        loader, path_in(name, "attn2.to_out.0").text, c, c, true, ACTIVATION_NONE, &block->out2));
out:
    return status;
}

static enum clat_status load_feed_forward(
    struct loader *loader, const char *name, struct transformer_block *block)
{
    enum clat_status status;
    int c = block->channels;
    TRY(loader_norm(loader, path_in(name, "norm3").text, c, 0, LAYER_NORM_EPS, &block->norm3));
    TRY(loader_linear(loader, path_in(name, "ff.net.0.proj").text, 4 * c, c, true, ACTIVATION_GEGLU,
        &block->ff_in));
    TRY(loader_linear(
        loader, path_in(name, "ff.net.2").text, c, 4 * c, true, ACTIVATION_NONE, &block->ff_out));
out:
    return status;
}

static enum clat_status load_block(struct loader *loader, struct path path,
    const struct transformer_shape *shape, struct transformer_block *block)
{
    enum clat_status status;
    *block = (struct transformer_block){.channels = shape->channels, .heads = shape->heads};
    TRY(load_self_attention(loader, path.text, block));
    TRY(load_cross_attention(loader, path.text, shape->context, block));
    TRY(load_feed_forward(loader, path.text, block));
out:
    return status;
}

enum clat_status transformer_load(struct loader *loader, struct path path,
    const struct transformer_shape *shape, struct transformer *transformer)
{
    enum clat_status status;
    const char *name = path.text;
    int c = shape->channels;
    *transformer = (struct transformer){.path = path, .shape = *shape};
    TRY(memory_new((size_t)shape->depth, sizeof *transformer->blocks, &transformer->blocks));
    TRY(loader_norm(
        loader, path_in(name, "norm").text, c, shape->groups, GROUP_NORM_EPS, &transformer->norm));
    TRY(loader_linear(
        loader, path_in(name, "proj_in").text, c, c, true, ACTIVATION_NONE, &transformer->proj_in));
    for (int i = 0; i < shape->depth; i++)
        TRY(load_block(
            loader, path_in(name, "transformer_blocks.%d", i), shape, &transformer->blocks[i]));
    TRY(loader_linear(loader, path_in(name, "proj_out").text, c, c, true, ACTIVATION_NONE,
        &transformer->proj_out));
out:
    return status;
}

static void free_block(struct device *device, struct transformer_block *b)
{
    struct norm *norms[] = {&b->norm1, &b->norm2, &b->norm3};
    struct linear *linears[] = {
        &b->qkv1, &b->out1, &b->q2, &b->kv2, &b->out2, &b->ff_in, &b->ff_out};
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++)
        norm_free(device, norms[i]);
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++)
        linear_free(device, linears[i]);
}

void transformer_free(struct device *device, struct transformer *transformer)
{
    for (int i = 0; transformer->blocks && i < transformer->shape.depth; i++)
        free_block(device, &transformer->blocks[i]);
    free(transformer->blocks);
    transformer->blocks = NULL;
    norm_free(device, &transformer->norm);
    linear_free(device, &transformer->proj_in);
    linear_free(device, &transformer->proj_out);
}

/* ---- running -------------------------------------------------------------------------------- */

enum clat_status transformer_set_prompt(
    const struct forward *run, struct transformer *transformer, const struct tensor *context)
{
    enum clat_status status = CLAT_OK;
    for (int i = 0; i < transformer->shape.depth; i++) {
        struct transformer_block *block = &transformer->blocks[i];
        TRY(pool_take(run->pool, POOL_FRONT, context->n, context->h, context->w,
            2 * block->channels, &block->prompt));
        TRY(op_linear(run->pool, &block->kv2, context, NULL, NULL, &block->prompt));
    }
out:
    return status;
}

/* y = x + out1(attention of x's own tokens) */
static enum clat_status self_attention(const struct forward *run,
    const struct transformer_block *block, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor normed, qkv, mixed;
    int c = block->channels;
    TRY(forward_temporary(run, x, c, &normed));
    TRY(forward_temporary(run, x, 3 * c, &qkv));
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
static enum clat_status cross_attention(const struct forward *run,
    const struct transformer_block *block, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor normed, q, mixed;
    int c = block->channels;
    struct tensor k = tensor_channels(&block->prompt, 0, c);
    struct tensor v = tensor_channels(&block->prompt, c, c);
    TRY(forward_temporary(run, x, c, &normed));
    TRY(forward_temporary(run, x, c, &q));
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
static enum clat_status feed_forward(const struct forward *run,
    const struct transformer_block *block, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor normed, wide;
    TRY(forward_temporary(run, x, block->channels, &normed));
    TRY(forward_temporary(run, x, 4 * block->channels, &wide));
    TRY(op_layer_norm(run->pool, &block->norm3, x, &normed));
    TRY(op_linear(run->pool, &block->ff_in, &normed, NULL, NULL, &wide));
    TRY(op_linear(run->pool, &block->ff_out, &wide, NULL, x, y));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* x to y; x is used up. */
static enum clat_status block_forward(const struct forward *run,
    const struct transformer_block *block, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    TRY(self_attention(run, block, x, y));
    TRY(cross_attention(run, block, y, x));
    TRY(feed_forward(run, block, x, y));
out:
    return status;
}

enum clat_status transformer_forward(const struct forward *run,
    const struct transformer *transformer, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor tokens[2],
        fold; /* each block reads one of them and leaves its own in the other */
    TRY(forward_temporary(run, x, transformer->shape.channels, &tokens[0]));
    TRY(forward_temporary(run, x, transformer->shape.channels, &tokens[1]));
    TRY(forward_fold(run, &transformer->norm, x, NULL, &fold));
    TRY(op_group_norm_apply(run->pool, x, NULL, &fold, ACTIVATION_NONE, &tokens[1]));
    TRY(op_linear(run->pool, &transformer->proj_in, &tokens[1], NULL, NULL, &tokens[0]));
    int turn = 0;
    for (int i = 0; i < transformer->shape.depth; i++, turn = !turn) {
        TRY(block_forward(run, &transformer->blocks[i], &tokens[turn], &tokens[!turn]));
        TRY(forward_tap(
            run, &tokens[!turn], "%s.transformer_blocks.%d", transformer->path.text, i));
    }
    TRY(op_linear(run->pool, &transformer->proj_out, &tokens[turn], NULL, x, y));
    TRY(forward_tap(run, y, "%s", transformer->path.text));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}
