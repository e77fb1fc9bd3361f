/* conv_gather.c - bands of output and the padded input they need. SPDX-License-Identifier: MIT */
#include "ops/conv.h"

#include <stdio.h>

/* Scratch of one band in floats (48 MB): large enough that packed weights are read only a few
 * times, small enough to stay in the last cache of a server CPU. */
#define BAND_FLOATS ((size_t)12 << 20)

static int at_most(size_t value, int limit)
{
    return value < (size_t)limit ? (int)value : limit;
}

/* Clips the band to what is left of y. */
static void band_clip(struct conv_band *band, const struct tensor *y)
{
    band->images = at_most(band->limit_images, y->n - band->image);
    band->rows = at_most(band->limit_rows, y->h - band->row);
}

struct conv_band conv_band_first(const struct tensor *y, size_t row_floats, int step)
{
    size_t rows = BAND_FLOATS / row_floats / step * step;
    if (rows == 0)
        rows = step;
    struct conv_band band = {.limit_images = 1, .limit_rows = at_most(rows, y->h)};
    if (band.limit_rows == y->h)
        band.limit_images = at_most(rows / y->h, y->n);
    if (band.limit_images == 0)
        band.limit_images = 1;
    band_clip(&band, y);
    return band;
}

bool conv_band_next(struct conv_band *band, const struct tensor *y)
{
    band->row += band->rows;
    if (band->row == y->h) {
        band->row = 0;
        band->image += band->images;
    }
    band_clip(band, y);
    return band->image < y->n;
}

/* The band's part of a tensor of y's shape. */
static struct tensor band_view(const struct conv_band *band, const struct tensor *tensor)
{
    struct tensor view = tensor_batch(tensor, band->image, band->images);
    view.offset += (size_t)band->row * view.w * view.stride;
    view.h = band->rows;
    return view;
}

struct conv_ending conv_band_ending(
    const struct conv_band *band, const struct conv *conv, const struct conv_call *call)
{
    struct conv_ending ending = {.bias = &conv->bias, .y = band_view(band, call->y)};
    if (call->time)
        ending.time = tensor_batch(call->time, band->image, band->images);
    if (call->residual)
        ending.residual = band_view(band, call->residual);
    return ending;
}

/* One of the two inputs into channels [first, first + fill) of p. */
static enum clat_status gather_one(struct device *device, const struct conv *conv,
    const struct conv_call *call, const struct conv_band *band, const struct tensor *input,
    int first, int fill, const struct tensor *p)
{
    enum clat_status status = CLAT_OK;
    struct kernel *kernel;
    char options[32];
    snprintf(
        options, sizeof options, "%s%s", call->fold ? "-DFOLD " : "", call->silu ? "-DSILU" : "");
    TRY(kernel_find(device, "conv_gather", "gather", options, &kernel));
    struct tensor x = tensor_batch(input, band->image, band->images), fold = {0};
    if (call->fold)
        fold = tensor_batch(call->fold, band->image, band->images);
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(&x), ARG_INT(x.h), ARG_INT(x.w),
        ARG_INT(x.c), ARG_INT(x.stride), ARG_TENSOR(call->fold ? &fold : NULL),
        ARG_INT(fold.stride), ARG_TENSOR(p), ARG_INT(p->h), ARG_INT(p->w), ARG_INT(p->c),
        ARG_INT(first), ARG_INT(fill), ARG_INT(band->row * conv->stride - conv->pad_before),
        ARG_INT(conv->pad_before), ARG_INT(call->upsample), ARG_INT(p->n * p->h),
        ARG_BUFFER(device_counter(device))));
out:
    return status;
}

enum clat_status conv_gather(struct device *device, const struct conv *conv,
    const struct conv_call *call, const struct conv_band *band, const struct tensor *p)
{
    enum clat_status status = CLAT_OK;
    int first = call->x2 ? call->x->c : 0;
    if (call->x2)
        TRY(gather_one(device, conv, call, band, call->x, 0, first, p));
    TRY(gather_one(
        device, conv, call, band, call->x2 ? call->x2 : call->x, first, p->c - first, p));
out:
    return status;
}
