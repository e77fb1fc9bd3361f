/* conv_plain.c - 3x3 convolution as its formula: cl/conv.cl. SPDX-License-Identifier: MIT */
#include "ops/conv.h"

static size_t count_weights(const struct conv *conv)
{
    return (size_t)9 * conv->in * conv->out;
}

/* [out][in][9] to [9][in][out] */
static void pack(const struct conv *conv, const float *weight, const struct packed *packed)
{
    conv_pack_panels(conv, conv->out, conv->in, false, weight, packed);
}

static enum clat_status run(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    enum clat_status status = CLAT_OK;
    struct device *device = pool->device;
    const struct tensor *x = call->x, *x2 = call->x2, *y = call->y;
    struct grid grid = grid2((size_t)conv->out, tensor_pixels(y), 16, 4);
    struct kernel *kernel;
    TRY(kernel_find(device, "conv", "plain", HALF_OPTION(conv->half), &kernel));
    TRY(launch(device, kernel, grid, ARG_TENSOR(x), ARG_INT(x->h), ARG_INT(x->w), ARG_INT(x->c),
        ARG_INT(x->stride), ARG_TENSOR(x2), ARG_INT(x2 ? x2->stride : 0), ARG_TENSOR(call->fold),
        ARG_INT(conv->in), ARG_INT(call->silu), ARG_INT(call->upsample), ARG_BUFFER(&conv->weight),
        ARG_BUFFER(&conv->bias), ARG_TENSOR(call->time),
        ARG_INT(call->time ? call->time->stride : 0), ARG_TENSOR(call->residual),
        ARG_INT(call->residual ? call->residual->stride : 0), ARG_TENSOR(y), ARG_INT(y->stride),
        ARG_INT(y->h), ARG_INT(y->w), ARG_INT(y->c), ARG_INT((int)tensor_pixels(y)),
        ARG_INT(conv->stride), ARG_INT(conv->pad_before)));
out:
    return status;
}

const struct conv_engine conv_plain = {"plain", 2, 0, CONV_NEEDS_NOTHING, count_weights, pack, run};
