/* conv_direct.c - 3x3 convolution as nine shifted matrix products, for CPUs: cl/conv_direct.cl.
 * SPDX-License-Identifier: MIT */
#include "ops/conv.h"

#include <stdio.h>

#define BLOCK 16          /* register tiles of a job: their sums fit the first-level cache */
#define PASS_FLOATS 65536 /* weights of a pass: 256 KB, half a usual second-level cache */

/* How a layer is cut on a map: a register tile is rows pixels (width of them side by side) x panel
 * channels; k input channels per tap. */
struct cut {
    int panel, panels, k, rows, width;
};

static int panel_of(const struct conv *conv)
{
    return conv->out <= 16 ? 16 : 32;
}

static int padded_inputs(const struct conv *conv)
{
    return conv_round_up(conv->in, 4);
}

/* Pixels computed for a h x w map with tiles of this shape. */
static int covered(int h, int w, int tile_h, int tile_w)
{
    return conv_round_up(h, tile_h) * conv_round_up(w, tile_w);
}

static struct cut cut_layer(const struct conv *conv, int h, int w)
{
    struct cut cut = {.panel = panel_of(conv), .k = padded_inputs(conv)};
    cut.panels = conv_round_up(conv->out, cut.panel) / cut.panel;
    cut.rows = cut.panel == 16 ? 16 : 8;
    cut.width = covered(h, w, cut.rows / 8, 8) <= covered(h, w, cut.rows / 4, 4) ? 8 : 4;
    return cut;
}

static size_t count_weights(const struct conv *conv)
{
    return (size_t)9 * padded_inputs(conv) * conv_round_up(conv->out, panel_of(conv));
}

static void pack(const struct conv *conv, const float *weight, const struct packed *packed)
{
    conv_pack_panels(conv, panel_of(conv), padded_inputs(conv), false, weight, packed);
}

/* Taps per pass: as many as the second-level cache takes. */
static int taps_of(const struct cut *cut)
{
    int tap = cut->k * cut->panel;
    return 9 * tap <= PASS_FLOATS ? 9 : 3 * tap <= PASS_FLOATS ? 3 : 1;
}

static enum clat_status find_kernel(
    struct device *device, const struct cut *cut, bool half, struct kernel **kernel)
{
    char options[64];
    snprintf(options, sizeof options, "-DVECTORS=%d -DROWS=%d%s", cut->panel / 16, cut->rows,
        HALF_OPTION(half));
    return kernel_find(device, "conv_direct", "direct", options, kernel);
}

/* Rows or columns of input that `size` of output need. */
static int input_size(const struct conv *conv, int size)
{
    return (size - 1) * conv->stride + 3;
}

static enum clat_status run_band(struct pool *pool, const struct conv *conv,
    const struct conv_call *call, const struct conv_band *band, const struct cut *cut)
{
    enum clat_status status = CLAT_OK;
    struct device *device = pool->device;
    struct pool_mark mark = pool_mark(pool);
    struct conv_ending ending = conv_band_ending(band, conv, call);
    int tile_h = cut->rows / cut->width, images = band->images;
    int high = conv_round_up(band->rows, tile_h), wide = conv_round_up(call->y->w, cut->width);
    int blocks = (images * (high / tile_h) * (wide / cut->width) + BLOCK - 1) / BLOCK;
    struct grid grid = grid_jobs(device);
    struct tensor p, partial;
    struct kernel *kernel;
    TRY(pool_take(
        pool, POOL_BACK, images, input_size(conv, high), input_size(conv, wide), cut->k, &p));
    TRY(pool_take(pool, POOL_BACK, (int)grid.global[0], BLOCK, cut->rows, cut->panel, &partial));
    TRY(conv_gather(device, conv, call, band, &p));
    TRY(find_kernel(device, cut, conv->half, &kernel));
    TRY(launch(device, kernel, grid, ARG_TENSOR(&p), ARG_INT(p.h), ARG_INT(p.w), ARG_INT(p.c),
        ARG_INT(conv->stride), ARG_INT(images), ARG_BUFFER(&conv->weight), ARG_INT(cut->width),
        ARG_TENSOR(&partial), ARG_INT(taps_of(cut)), ARG_INT(BLOCK), ARGS_ENDING(ending),
        ARG_INT(cut->panels * blocks), ARG_BUFFER(device_counter(device))));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

static enum clat_status run(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    enum clat_status status = CLAT_OK;
    const struct tensor *y = call->y;
    struct cut cut = cut_layer(conv, y->h, y->w);
    size_t row_floats =
        (size_t)conv->stride * input_size(conv, conv_round_up(y->w, cut.width)) * cut.k;
    struct conv_band band = conv_band_first(y, row_floats, cut.rows / cut.width);
    do
        TRY(run_band(pool, conv, call, &band, &cut));
    while (conv_band_next(&band, y));
out:
    return status;
}

const struct conv_engine conv_direct = {
    "direct", 2, 0, CONV_NEEDS_NOTHING, count_weights, pack, run};
