/* conv_tiled.c - 3x3 convolution as a product in work-groups: cl/conv_tiled.cl.
 * SPDX-License-Identifier: MIT
 *
 * Tiles, and parts of the 9*in steps where tiles are few, as gemm_groups.c has them. */
#include "ops/conv.h"
#include "ops/gemm.h"

#include <stdio.h>

#define FEW 4      /* input channels, whose taps share steps */
#define FEW_ROWS 4 /* of a work-item then: 36 multiply-adds wait for the store of their sum */

static int padded_inputs(const struct conv *conv)
{
    return conv_round_up(conv->in, GEMM_GROUP_STEP);
}

size_t conv_tiled_count(const struct conv *conv)
{
    return (size_t)9 * padded_inputs(conv) * conv_round_up(conv->out, GEMM_PANEL);
}

/* [out][in][9] to [panels][9][padded inputs][GEMM_PANEL] */
void conv_tiled_pack(const struct conv *conv, const float *weight, const struct packed *packed)
{
    conv_pack_panels(conv, GEMM_PANEL, padded_inputs(conv), false, weight, packed);
}

/* The input as one tensor of whole quads. */
static enum clat_status join_input(
    struct pool *pool, const struct conv *conv, const struct conv_call *call, struct tensor *joined)
{
    const struct tensor *x = call->x;
    int wide = conv_round_up(conv->in, 4);
    struct kernel *kernel;
    enum clat_status status;
    TRY(pool_take(pool, POOL_BACK, x->n, x->h, x->w, wide, joined));
    TRY(kernel_find(pool->device, "conv_tiled", "joined", "", &kernel));
    TRY(launch(pool->device, kernel, grid2((size_t)wide, tensor_pixels(x), 64, 4),
        CONV_ARGS_SOURCE(conv, call), ARG_TENSOR(joined), ARG_INT(joined->stride)));
out:
    return status;
}

/* The product; into `partial`, if that is given, in its n parts. */
static enum clat_status multiply(struct device *device, const struct conv *conv,
    const struct conv_call *call, const struct tensor *x, const struct tensor *partial,
    const struct group_cut *cut)
{
    int pixels = (int)tensor_pixels(call->y);
    int columns = conv_round_up(conv->out, GEMM_PANEL);
    struct kernel *kernel;
    enum clat_status status;
    char options[64];
    snprintf(options, sizeof options, "-DROWS=%d%s", cut->rows, HALF_OPTION(conv->half));
    TRY(kernel_find(device, "conv_tiled", "tiled", options, &kernel));
    TRY(launch(device, kernel, gemm_group_grid(pixels, cut->rows, columns, cut->parts),
        ARG_TENSOR(x), ARG_INT(x->h), ARG_INT(x->w), ARG_INT(x->c), ARG_INT(x->stride),
        ARG_INT(call->upsample), ARG_BUFFER(&conv->weight), ARG_INT(padded_inputs(conv)),
        ARG_INT(call->y->h), ARG_INT(call->y->w), ARG_INT(conv->stride), ARG_INT(conv->pad_before),
        CONV_ARGS_END(conv, call), ARG_TENSOR(partial), ARG_INT(cut->steps)));
out:
    return status;
}

/* The product of up to four channels. */
static enum clat_status multiply_few(struct device *device, const struct conv *conv,
    const struct conv_call *call, const struct tensor *x, int rows)
{
    int pixels = (int)tensor_pixels(call->y), columns = conv_round_up(conv->out, GEMM_PANEL);
    struct kernel *kernel;
    enum clat_status status;
    char options[64];
    snprintf(options, sizeof options, "-DROWS=%d%s", rows, HALF_OPTION(conv->half));
    TRY(kernel_find(device, "conv_tiled", "few", options, &kernel));
    TRY(launch(device, kernel, gemm_group_grid(pixels, rows, columns, 1), ARG_TENSOR(x),
        ARG_INT(x->h), ARG_INT(x->w), ARG_INT(x->c), ARG_INT(x->stride), ARG_INT(call->upsample),
        ARG_BUFFER(&conv->weight), ARG_INT(padded_inputs(conv)), ARG_INT(call->y->h),
        ARG_INT(call->y->w), ARG_INT(conv->stride), ARG_INT(conv->pad_before),
        CONV_ARGS_END(conv, call)));
out:
    return status;
}

enum clat_status conv_tiled_end(struct device *device, const struct conv *conv,
    const struct conv_call *call, const struct tensor *partial)
{
    struct kernel *kernel;
    enum clat_status status;
    size_t quads = (size_t)conv_round_up(conv->out, 4) / 4;
    TRY(kernel_find(device, "conv_tiled", "tiled_end", "", &kernel));
    TRY(launch(device, kernel, grid2(quads, tensor_pixels(call->y), 64, 4), ARG_TENSOR(partial),
        ARG_INT(partial->n), ARG_INT(partial->c), CONV_ARGS_END(conv, call)));
out:
    return status;
}

static enum clat_status run(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    struct device *device = pool->device;
    struct tensor joined, partial, *sums = NULL;
    const struct tensor *x = call->x;
    int pixels = (int)tensor_pixels(call->y), columns = conv_round_up(conv->out, GEMM_PANEL);
    int images = call->y->n, steps = 9 * padded_inputs(conv) / GEMM_GROUP_STEP;
    const struct group_product shape = {
        TUNED_CONV_TILED, images, pixels / images, conv->in, columns, steps};
    struct group_cut cut = gemm_group_cut(device, &shape);
    struct pool_mark mark = pool_mark(pool);
    enum clat_status status;
    if (call->x2 || call->fold || call->silu || conv->in % 4) {
        TRY(join_input(pool, conv, call, &joined));
        x = &joined;
    }
    if (conv->in <= FEW) {
        TRY(multiply_few(device, conv, call, x, cut.rows < FEW_ROWS ? cut.rows : FEW_ROWS));
        goto out;
    }
    if (cut.parts > 1) {
        TRY(pool_take(pool, POOL_BACK, cut.parts, 1, pixels, columns, &partial));
        sums = &partial;
    }
    TRY(multiply(device, conv, call, x, sums, &cut));
    if (sums)
        TRY(conv_tiled_end(device, conv, call, sums));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

const struct conv_engine conv_tiled = {
    "tiled", 2, 0, CONV_NEEDS_NOTHING, conv_tiled_count, conv_tiled_pack, run};
