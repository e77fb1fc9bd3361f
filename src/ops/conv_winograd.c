/* conv_winograd.c - 3x3 convolution, stride 1, with few multiplications, for CPUs:
 * cl/conv_winograd.cl. SPDX-License-Identifier: MIT
 *
 * F(4x4) multiplies 4 times less than the direct form, F(2x2) 2.25 times less, and their
 * transformed weights are 4 and 1.78 times the plain ones. The `late` form keeps the plain weights
 * and transforms them into scratch at every call: on large maps that is a small part of the call.
 */
#include "ops/conv.h"
#include "device/launch.h"

#include <stdio.h>

#define JOB_PIXELS 128 /* rows of a job of the product: they stay in the second-level cache */
#define JOB_OUTPUTS 256

/* How a layer is cut: tiles of m x m outputs, m + 2 points squared; the product's register tile is
 * rows tiles x panel channels; k input channels, a multiple of 16. */
struct cut {
    int m, points;
    int panel, panels, k, rows;
};

/* The widest panel that computes the fewest channels in vain. */
static int panel_of(const struct conv *conv)
{
    int best = 64;
    for (int panel = 48; panel >= 32; panel -= 16)
        if (conv_round_up(conv->out, panel) < conv_round_up(conv->out, best))
            best = panel;
    return best;
}

static struct cut cut_layer(const struct conv *conv)
{
    int m = conv->variant == CONV_WINOGRAD_2 ? 2 : 4, panel = panel_of(conv);
    return (struct cut){.m = m,
        .points = (m + 2) * (m + 2),
        .panel = panel,
        .panels = conv_round_up(conv->out, panel) / panel,
        .k = conv_round_up(conv->in, 16),
        .rows = panel == 64   ? 6
                : panel == 48 ? 8
                              : 12};
}

/* ---- weights
 * ------------------------------------------------------------------------------------- */

/* G of F(2x2) and F(4x4): how a kernel's three values become those of the points. */
static const double g2[4][3] = {{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}};
static const double g4[6][3] = {{1. / 4, 0, 0}, {-1. / 6, -1. / 6, -1. / 6},
    {-1. / 6, 1. / 6, -1. / 6}, {1. / 24, 1. / 12, 1. / 6}, {1. / 24, -1. / 12, 1. / 6}, {0, 0, 1}};

/* points = G kernel GT; the points stand `apart` floats from each other. */
static void transform_kernel(
    const double (*g)[3], int t, const float *kernel, float *points, size_t apart)
{
    double half[6][3];
    for (int i = 0; i < t; i++)
        for (int x = 0; x < 3; x++)
            half[i][x] = g[i][0] * kernel[x] + g[i][1] * kernel[3 + x] + g[i][2] * kernel[6 + x];
    for (int i = 0; i < t; i++)
        for (int j = 0; j < t; j++)
            points[(size_t)(i * t + j) * apart] =
                (float)(half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2]);
}

static size_t packed_transformed(const struct conv *conv)
{
    struct cut cut = cut_layer(conv);
    return (size_t)cut.points * cut.k * cut.panels * cut.panel;
}

/* [out][in][3][3] to [points][panels][k][panel] */
static void pack_transformed(const struct conv *conv, const float *weight, float *packed)
{
    static const float zero[9];
    struct cut cut = cut_layer(conv);
    size_t apart = (size_t)cut.k * cut.panels * cut.panel;
    for (int p = 0; p < cut.panels; p++)
        for (int c = 0; c < cut.k; c++)
            for (int lane = 0; lane < cut.panel; lane++) {
                int o = p * cut.panel + lane;
                bool exists = c < conv->in && o < conv->out;
                transform_kernel(cut.m == 2 ? g2 : g4, cut.m + 2,
                    exists ? weight + ((size_t)o * conv->in + c) * 9 : zero,
                    packed + ((size_t)p * cut.k + c) * cut.panel + lane, apart);
            }
}

static size_t packed_plain(const struct conv *conv)
{
    struct cut cut = cut_layer(conv);
    return (size_t)9 * cut.k * cut.panels * cut.panel;
}

static void pack_plain(const struct conv *conv, const float *weight, float *packed)
{
    struct cut cut = cut_layer(conv);
    conv_pack_panels(conv, cut.panel, cut.k, weight, packed);
}

/* ---- the call
 * ------------------------------------------------------------------------------------ */

/* One band on its way through the three kernels. */
struct work {
    const struct cut *cut;
    struct tensor p, v, u, q; /* padded input, its points, the weights', the products */
    int down, across, tiles;  /* tiles of an image, and of the band */
    int per;                  /* tiles of a job of the transforms */
};

static enum clat_status find_kernel(
    struct device *device, const struct cut *cut, const char *function, struct kernel **kernel)
{
    char options[64];
    snprintf(options, sizeof options, "-DOUTPUT=%d -DVECTORS=%d -DROWS=%d", cut->m, cut->panel / 16,
        cut->rows);
    return kernel_find(device, "conv_winograd", function, options, kernel);
}

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static int jobs_of(int count, int per)
{
    return (count + per - 1) / per;
}

static enum clat_status run_input(struct device *device, const struct work *work)
{
    enum clat_status status = CLAT_OK;
    const struct tensor *p = &work->p, *v = &work->v;
    struct kernel *kernel;
    TRY(find_kernel(device, work->cut, "input", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(p), ARG_INT(p->h), ARG_INT(p->w),
        ARG_INT(p->c), ARG_TENSOR(v), ARG_INT(v->w), ARG_INT(v->c), ARG_INT(work->tiles),
        ARG_INT(work->down), ARG_INT(work->across), ARG_INT(work->per),
        ARG_INT(jobs_of(work->tiles, work->per)), ARG_BUFFER(device_counter(device))));
out:
    return status;
}

static enum clat_status run_product(struct device *device, const struct work *work)
{
    enum clat_status status = CLAT_OK;
    const struct cut *cut = work->cut;
    int row_tiles = work->v.w / cut->rows, panel_block = JOB_OUTPUTS / cut->panel;
    int blocks_down = jobs_of(row_tiles, JOB_PIXELS / cut->rows);
    int row_block = jobs_of(row_tiles, blocks_down);
    if (cut->points * blocks_down < 4 * device_facts(device)->compute_units)
        panel_block = 1;
    int jobs = cut->points * jobs_of(row_tiles, row_block) * jobs_of(cut->panels, panel_block);
    struct kernel *kernel;
    TRY(find_kernel(device, cut, "product", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(&work->v), ARG_INT(work->v.w),
        ARG_INT(work->v.c), ARG_TENSOR(&work->u), ARG_INT(cut->k), ARG_INT(cut->panels),
        ARG_TENSOR(&work->q), ARG_INT(work->q.c), ARG_INT(row_block), ARG_INT(panel_block),
        ARG_INT(jobs), ARG_BUFFER(device_counter(device))));
out:
    return status;
}

static enum clat_status run_output(struct device *device, const struct work *work,
    const struct conv *conv, const struct conv_call *call, const struct conv_band *band)
{
    enum clat_status status = CLAT_OK;
    struct tensor y = conv_band_view(band, call->y), residual = {0}, time = {0};
    struct kernel *kernel;
    if (call->residual)
        residual = conv_band_view(band, call->residual);
    if (call->time)
        time = tensor_batch(call->time, band->image, band->images);
    TRY(find_kernel(device, work->cut, "output", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(&work->q), ARG_INT(work->q.w),
        ARG_INT(work->q.c), ARG_BUFFER(&conv->bias), ARG_TENSOR(call->time ? &time : NULL),
        ARG_INT(time.stride), ARG_TENSOR(call->residual ? &residual : NULL),
        ARG_INT(residual.stride), ARG_TENSOR(&y), ARG_INT(y.stride), ARG_INT(y.h), ARG_INT(y.w),
        ARG_INT(y.c), ARG_INT(work->tiles), ARG_INT(work->down), ARG_INT(work->across),
        ARG_INT(work->per), ARG_INT(jobs_of(work->tiles, work->per)),
        ARG_BUFFER(device_counter(device))));
out:
    return status;
}

/* Channels are padded by 16: rows a power of two apart would fall on few lines of the cache. */
static int point_stride(int channels)
{
    return channels + 16;
}

static enum clat_status run_band(struct pool *pool, const struct conv *conv,
    const struct conv_call *call, const struct conv_band *band, struct work *work)
{
    enum clat_status status = CLAT_OK;
    struct device *device = pool->device;
    const struct cut *cut = work->cut;
    struct pool_mark mark = pool_mark(pool);
    int units = device_facts(device)->compute_units;
    work->down = jobs_of(band->rows, cut->m);
    work->across = jobs_of(call->y->w, cut->m);
    work->tiles = band->images * work->down * work->across;
    work->per = clamp(work->tiles / (8 * units), 1, 8);
    int room = conv_round_up(work->tiles, cut->rows);
    TRY(pool_take(pool, POOL_BACK, band->images, work->down * cut->m + 2, work->across * cut->m + 2,
        cut->k, &work->p));
    TRY(pool_take(pool, POOL_BACK, 1, cut->points, room, point_stride(cut->k), &work->v));
    TRY(pool_take(
        pool, POOL_BACK, 1, cut->points, room, point_stride(cut->panels * cut->panel), &work->q));
    TRY(conv_gather(device, conv, call, band, &work->p));
    TRY(run_input(device, work));
    TRY(run_product(device, work));
    TRY(run_output(device, work, conv, call, band));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

/* Scratch of one row of output. */
static size_t row_floats(const struct cut *cut, int width)
{
    size_t across = jobs_of(width, cut->m);
    size_t points = across * cut->points *
                    (size_t)(point_stride(cut->k) + point_stride(cut->panels * cut->panel));
    return points / cut->m + (across * cut->m + 2) * cut->k;
}

static enum clat_status run_bands(
    struct pool *pool, const struct conv *conv, const struct conv_call *call, struct work *work)
{
    enum clat_status status = CLAT_OK;
    const struct tensor *y = call->y;
    struct conv_band band = conv_band_first(y, row_floats(work->cut, y->w), work->cut->m);
    do
        TRY(run_band(pool, conv, call, &band, work));
    while (conv_band_next(&band, y));
out:
    return status;
}

/* Transformed weights as they were packed. */
static enum clat_status run(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    struct cut cut = cut_layer(conv);
    struct work work = {.cut = &cut, .u = {.memory = conv->weight.memory}};
    return run_bands(pool, conv, call, &work);
}

/* Transformed weights in scratch, made now. */
static enum clat_status run_late(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    enum clat_status status = CLAT_OK;
    struct device *device = pool->device;
    struct cut cut = cut_layer(conv);
    struct work work = {.cut = &cut};
    struct kernel *kernel;
    TRY(pool_take(pool, POOL_BACK, cut.points, cut.panels, cut.k, cut.panel, &work.u));
    TRY(find_kernel(device, &cut, "weights", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_BUFFER(&conv->weight), ARG_INT(cut.k),
        ARG_INT(cut.panels), ARG_TENSOR(&work.u), ARG_INT(cut.panels * cut.k / 16),
        ARG_BUFFER(device_counter(device))));
    TRY(run_bands(pool, conv, call, &work));
out:
    return status;
}

const struct conv_engine conv_winograd_2 = {
    "winograd 2x2", false, packed_transformed, pack_transformed, run};
const struct conv_engine conv_winograd_4 = {
    "winograd 4x4", false, packed_transformed, pack_transformed, run};
const struct conv_engine conv_winograd_4_late = {
    "winograd 4x4 late", false, packed_plain, pack_plain, run_late};
