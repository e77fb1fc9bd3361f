/* conv_narrow.c - 3x3 convolution to at most 16 channels, for CPUs: cl/conv_narrow.cl.
 * SPDX-License-Identifier: MIT */
#include "ops/conv.h"

#define PIXELS 4  /* that are computed together, side by side */
#define OUTPUTS 4 /* channels that are computed together */

static int padded_inputs(const struct conv *conv)
{
    return conv_round_up(conv->in, 16);
}

static size_t count_weights(const struct conv *conv)
{
    return (size_t)9 * padded_inputs(conv) * conv_round_up(conv->out, OUTPUTS);
}

/* [out][in][9] to [out][9][k] */
static void pack(const struct conv *conv, const float *weight, const struct packed *packed)
{
    int k = padded_inputs(conv);
    size_t place = 0;
    for (int o = 0; o < conv_round_up(conv->out, OUTPUTS); o++)
        for (int tap = 0; tap < 9; tap++)
            for (int c = 0; c < k; c++)
                packed_put(packed, place++,
                    o < conv->out && c < conv->in ? weight[((size_t)o * conv->in + c) * 9 + tap]
                                                  : 0.0f);
}

/* Rows or columns of input that `size` of output need. */
static int input_size(const struct conv *conv, int size)
{
    return (size - 1) * conv->stride + 3;
}

static enum clat_status run_band(struct pool *pool, const struct conv *conv,
    const struct conv_call *call, const struct conv_band *band)
{
    enum clat_status status = CLAT_OK;
    struct device *device = pool->device;
    struct pool_mark mark = pool_mark(pool);
    struct conv_ending ending = conv_band_ending(band, conv, call);
    int wide = conv_round_up(call->y->w, PIXELS);
    struct tensor p;
    struct kernel *kernel;
    TRY(pool_take(pool, POOL_BACK, band->images, input_size(conv, band->rows),
        input_size(conv, wide), padded_inputs(conv), &p));
    TRY(conv_gather(device, conv, call, band, &p));
    TRY(kernel_find(device, "conv_narrow", "narrow", HALF_OPTION(conv->half), &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(&p), ARG_INT(p.h), ARG_INT(p.w),
        ARG_INT(p.c), ARG_INT(conv->stride), ARG_BUFFER(&conv->weight), ARGS_ENDING(ending),
        ARG_INT(band->images * band->rows), ARG_BUFFER(device_counter(device))));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

static enum clat_status run(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    enum clat_status status = CLAT_OK;
    size_t row_floats = (size_t)conv->stride * input_size(conv, conv_round_up(call->y->w, PIXELS)) *
                        padded_inputs(conv);
    struct conv_band band = conv_band_first(call->y, row_floats, 1);
    do
        TRY(run_band(pool, conv, call, &band));
    while (conv_band_next(&band, call->y));
out:
    return status;
}

const struct conv_engine conv_narrow = {
    "narrow", 2, 16, CONV_NEEDS_NOTHING, count_weights, pack, run};
