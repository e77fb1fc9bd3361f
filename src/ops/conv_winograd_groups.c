/* conv_winograd_groups.c - 3x3 convolution, stride 1, with a quarter of the multiplications, for
 * GPUs: cl/conv_winograd_groups.cl. SPDX-License-Identifier: MIT
 *
 * Weights are packed as conv_tiled.c packs them; transformed they are four times as many, so a pass
 * takes only so many panels of outputs that theirs fit in scratch. */
#include "ops/conv.h"
#include "ops/gemm.h"

#include <stdio.h>

#define OUTPUT 4                       /* a tile is 4x4 pixels of output */
#define POINTS 36                      /* and 36 points */
#define PASS_FLOATS ((size_t)12 << 20) /* transformed weights of a pass, 48 MB, or of one panel */
#define BALANCE                                                                                    \
    12 /* multiply-adds in the time of a byte: cards have 10 to 20, tiles reach 60 %               \
        */

/* One call, and the pass and the band that it is at. */
struct work {
    const struct conv *conv;
    const struct conv_call *call;
    struct pool *pool;
    int k;             /* input channels, whole steps */
    int panel, panels; /* of outputs: the first one, and how many */
    struct tensor u;   /* the weights of the pass */
    struct conv_band band;
    int down, across, tiles; /* tiles of an image, and of the band */
};

static int depth_of(int in)
{
    return conv_round_up(in, GEMM_GROUP_STEP);
}

/* Rows of a product as its tiles compute them. */
static double rows_of(int rows)
{
    return conv_round_up(rows, 16 * gemm_group_rows(rows));
}

bool conv_winograd_groups_pays(int out, int in, int pixels)
{
    int tiles = blocks_of(pixels, OUTPUT * OUTPUT);
    double pairs = (double)depth_of(in) * conv_round_up(out, GEMM_PANEL);
    double saved = (9 * rows_of(pixels) - POINTS * rows_of(tiles)) * pairs;
    double bytes = 2.0 * sizeof(float) * POINTS * (tiles * ((double)in + out) + pairs);
    return saved > BALANCE * bytes;
}

static enum clat_status run_weights(struct work *work)
{
    enum clat_status status;
    struct kernel *kernel;
    TRY(pool_take(work->pool, POOL_BACK, 1, POINTS, work->panels * work->k, GEMM_PANEL, &work->u));
    TRY(kernel_find(work->pool->device, "conv_winograd_groups", "weights",
        HALF_OPTION(work->conv->half), &kernel));
    TRY(launch(work->pool->device, kernel,
        grid2(GEMM_PANEL, (size_t)work->panels * work->k, GEMM_PANEL, 4),
        ARG_BUFFER(&work->conv->weight), ARG_INT(work->k), ARG_INT(work->panel),
        ARG_INT(work->panels), ARG_TENSOR(&work->u)));
out:
    return status;
}

static enum clat_status run_input(const struct work *work, const struct tensor *v)
{
    enum clat_status status;
    const struct conv_call *call = work->call;
    const struct conv_band *band = &work->band;
    struct tensor x = tensor_batch(call->x, band->image, band->images), x2 = {0}, fold = {0};
    struct kernel *kernel;
    char options[32];
    if (call->x2)
        x2 = tensor_batch(call->x2, band->image, band->images);
    if (call->fold)
        fold = tensor_batch(call->fold, band->image, band->images);
    snprintf(
        options, sizeof options, "%s%s", call->fold ? "-DFOLD " : "", call->silu ? "-DSILU" : "");
    TRY(kernel_find(work->pool->device, "conv_winograd_groups", "input", options, &kernel));
    TRY(launch(work->pool->device, kernel, grid2((size_t)work->k, (size_t)work->tiles, 32, 8),
        ARG_TENSOR(&x), ARG_INT(x.stride), ARG_INT(x.c), ARG_TENSOR(&x2), ARG_INT(x2.stride),
        ARG_TENSOR(&fold), ARG_INT(work->conv->in), ARG_INT(x.h), ARG_INT(x.w),
        ARG_INT(call->upsample), ARG_INT(band->row), ARG_TENSOR(v), ARG_INT(work->k),
        ARG_INT(work->tiles), ARG_INT(work->down), ARG_INT(work->across)));
out:
    return status;
}

static enum clat_status run_product(
    const struct work *work, const struct tensor *v, const struct tensor *q)
{
    enum clat_status status;
    struct kernel *kernel;
    char options[32];
    int images = work->band.images, columns = work->panels * GEMM_PANEL;
    const struct group_product shape = {
        TUNED_GEMM, images, work->tiles / images, work->k, columns, 1};
    int rows = gemm_group_cut(work->pool->device, &shape).rows;
    snprintf(options, sizeof options, "-DROWS=%d", rows);
    TRY(kernel_find(work->pool->device, "conv_winograd_groups", "product", options, &kernel));
    TRY(launch(work->pool->device, kernel, gemm_group_grid(work->tiles, rows, columns, POINTS),
        ARG_TENSOR(v), ARG_INT(work->tiles), ARG_INT(work->k), ARG_TENSOR(&work->u),
        ARG_INT(work->panels), ARG_TENSOR(q)));
out:
    return status;
}

static enum clat_status run_output(const struct work *work, const struct tensor *q)
{
    enum clat_status status;
    struct conv_ending ending = conv_band_ending(&work->band, work->conv, work->call);
    struct kernel *kernel;
    TRY(kernel_find(work->pool->device, "conv_winograd_groups", "output", "", &kernel));
    TRY(launch(work->pool->device, kernel, grid2((size_t)q->c, (size_t)work->tiles, 32, 8),
        ARG_TENSOR(q), ARG_INT(q->c), ARG_INT(work->panel * GEMM_PANEL), ARG_INT(work->tiles),
        ARG_INT(work->down), ARG_INT(work->across), ARGS_ENDING(ending)));
out:
    return status;
}

static enum clat_status run_band(struct work *work)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(work->pool);
    int columns = work->panels * GEMM_PANEL;
    struct tensor v, q;
    work->down = blocks_of(work->band.rows, OUTPUT);
    work->across = blocks_of(work->call->y->w, OUTPUT);
    work->tiles = work->band.images * work->down * work->across;
    TRY(pool_take(work->pool, POOL_BACK, 1, POINTS, work->tiles, work->k, &v));
    TRY(pool_take(work->pool, POOL_BACK, 1, POINTS, work->tiles, columns, &q));
    TRY(run_input(work, &v));
    TRY(run_product(work, &v, &q));
    TRY(run_output(work, &q));
out:
    pool_release(work->pool, POOL_BACK, mark);
    return status;
}

/* All pixels of some panels of outputs. */
static enum clat_status run_pass(struct work *work)
{
    enum clat_status status;
    const struct tensor *y = work->call->y;
    struct pool_mark mark = pool_mark(work->pool);
    size_t across = (size_t)blocks_of(y->w, OUTPUT);
    size_t row_floats = across * POINTS * (work->k + work->panels * GEMM_PANEL) / OUTPUT;
    TRY(run_weights(work));
    work->band = conv_band_first(y, row_floats, OUTPUT);
    do
        TRY(run_band(work));
    while (conv_band_next(&work->band, y));
out:
    pool_release(work->pool, POOL_BACK, mark);
    return status;
}

/* Panels of a pass, at most. */
static int most_panels(int k)
{
    size_t most = PASS_FLOATS / ((size_t)POINTS * k * GEMM_PANEL);
    return most < 1 ? 1 : most > 64 ? 64 : (int)most;
}

static enum clat_status run(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    enum clat_status status = CLAT_OK;
    struct work work = {.conv = conv, .call = call, .pool = pool, .k = depth_of(conv->in)};
    int panels = blocks_of(conv->out, GEMM_PANEL), most = most_panels(work.k);
    int each = blocks_of(panels, blocks_of(panels, most));
    for (; work.panel < panels; work.panel += each) {
        int left = panels - work.panel;
        work.panels = left < each ? left : each;
        TRY(run_pass(&work));
    }
out:
    return status;
}

const struct conv_engine conv_winograd_groups = {
    "winograd in groups", 1, 0, CONV_NEEDS_NOTHING, conv_tiled_count, conv_tiled_pack, run};
