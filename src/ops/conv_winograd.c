/* conv_winograd.c - 3x3 convolution, stride 1, with a quarter of the multiplications, for CPUs:
 * cl/conv_winograd.cl. SPDX-License-Identifier: MIT
 *
 * Three ways from the padded input to y. In whole: transform the input and all weights into
 * scratch, one batched product, transform back; the weights cost 144 bytes of scratch per pair of
 * channels, made anew for every call. In blocks, for few input channels: the same weights, but each
 * job keeps its tiles in the cache from input to y. Fused: each job transforms the weights it needs
 * into the cache and ends with y. */
#include "ops/conv.h"
#include "device/launch.h"

#include <stdio.h>

#define OUTPUT 4       /* a tile is 4x4 pixels of output */
#define POINTS 36      /* and 36 points */
#define PAIR 12        /* of which the fused form takes so many at a time */
#define PAD 16         /* floats between points in scratch, as in cl/conv_winograd.cl */
#define WHOLE_ROWS 128 /* tiles of a job of the product: they stay in the second-level cache */
#define WHOLE_COLUMNS 256
#define BLOCK_TILES 24   /* tiles of a job in blocks, of at most */
#define BLOCK_INPUTS 128 /* channels: with panels of 64, 0.7 MB of scratch */
#define FUSED_TILES 64   /* tiles of a job of the fused form: with panels of 48, 0.4 MB of sums */
#define FUSED_DEPTH 64   /* channels whose weights are fetched ahead, 0.1 MB */
#define FEW_TILES 8 /* so few that their sums stay in the first-level cache, where weights of */
#define FEW_CHUNK 8 /* so few channels stay beside them */

/* How a layer is cut: the register tile is rows tiles x panel output channels; k input channels. */
struct cut {
    int panel, panels, k, rows;
};

/* Panels of 48 with 8 rows, 64 with 6, or 32 with 12, all of 24 registers. */
static int rows_of(int panel)
{
    return panel == 64 ? 6 : panel == 48 ? 8 : 12;
}

static bool is_fused(const struct conv *conv)
{
    return conv->variant == CONV_WINOGRAD_FUSED;
}

/* Eight rows divide the tiles of small maps, and 48 channels need less of the caches: taken where
 * that computes only little in vain; else the panel that computes least so. */
static int panel_of(const struct conv *conv)
{
    int best = 64, wasted = conv_round_up(conv->out, 48) - conv->out;
    if (wasted * (is_fused(conv) ? 16 : 50) <= conv->out)
        return 48;
    for (int panel = 48; panel >= 32; panel -= 16)
        if (conv_round_up(conv->out, panel) < conv_round_up(conv->out, best))
            best = panel;
    return best;
}

static struct cut cut_layer(const struct conv *conv)
{
    int panel = panel_of(conv);
    return (struct cut){.panel = panel,
        .panels = conv_round_up(conv->out, panel) / panel,
        .k = conv_round_up(conv->in, 16),
        .rows = rows_of(panel)};
}

static size_t count_weights(const struct conv *conv)
{
    return (size_t)9 * cut_layer(conv).k * conv_round_up(conv->out, 16);
}

static void pack(const struct conv *conv, const float *weight, const struct packed *packed)
{
    struct cut cut = cut_layer(conv);
    conv_pack_panels(conv, cut.panel, cut.k, true, weight, packed);
}

/* One call, and the band that it is at. */
struct work {
    const struct conv *conv;
    const struct conv_call *call;
    struct pool *pool;
    struct cut cut;
    enum { WHOLE, IN_BLOCKS, FUSED } form;
    struct tensor u; /* all weights' points, [1][POINTS][panels*k*panel + PAD], unless fused */
    int depth;       /* channels of v that lie together */
    int chunk;       /* fused: channels whose weights are transformed at a time */
    struct conv_band band;
    int down, across, tiles; /* tiles of an image, and of the band */
};

/* Channels are padded: rows a power of two apart would fall on few sets of the cache. */
static int padded(int channels)
{
    return channels + PAD;
}

/* A row of v: one cache line, or several and the padding. */
static int row_of_v(const struct work *work)
{
    return work->depth == 16 ? 16 : padded(work->depth);
}

static enum clat_status find_kernel(
    const struct work *work, const char *function, struct kernel **kernel)
{
    char options[64];
    snprintf(options, sizeof options, "-DVECTORS=%d -DROWS=%d%s", work->cut.panel / 16,
        work->cut.rows, HALF_OPTION(work->conv->half));
    return kernel_find(work->pool->device, "conv_winograd", function, options, kernel);
}

/* Tiles of a job of the transforms. */
static int tiles_per_job(const struct work *work)
{
    int per = work->tiles / (8 * device_facts(work->pool->device)->compute_units);
    return per < 1 ? 1 : per > 8 ? 8 : per;
}

/* v = BT d B of the padded input p */
static enum clat_status run_input(
    const struct work *work, const struct tensor *p, const struct tensor *v)
{
    enum clat_status status = CLAT_OK;
    struct device *device = work->pool->device;
    int per = tiles_per_job(work);
    struct kernel *kernel;
    TRY(find_kernel(work, "input", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(p), ARG_INT(p->h), ARG_INT(p->w),
        ARG_INT(p->c), ARG_TENSOR(v), ARG_INT(work->depth), ARG_INT(v->w), ARG_INT(v->c),
        ARG_INT(work->tiles), ARG_INT(work->down), ARG_INT(work->across), ARG_INT(per),
        ARG_INT(blocks_of(work->tiles, per)), ARG_BUFFER(device_counter(device))));
out:
    return status;
}

/* ---- in whole ------------------------------------------------------------------------------- */

/* u = G g GT */
static enum clat_status run_weights(struct work *work)
{
    enum clat_status status = CLAT_OK;
    struct device *device = work->pool->device;
    const struct cut *cut = &work->cut;
    struct kernel *kernel;
    TRY(pool_take(
        work->pool, POOL_BACK, 1, 1, POINTS, cut->panels * cut->k * cut->panel + PAD, &work->u));
    TRY(find_kernel(work, "weights", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_BUFFER(&work->conv->weight), ARG_INT(cut->k),
        ARG_INT(cut->panels), ARG_INT(work->conv->out), ARG_TENSOR(&work->u),
        ARG_INT(cut->panels * cut->k / 16), ARG_BUFFER(device_counter(device))));
out:
    return status;
}

/* q = v u, point by point */
static enum clat_status run_product(
    const struct work *work, const struct tensor *v, const struct tensor *q)
{
    enum clat_status status = CLAT_OK;
    struct device *device = work->pool->device;
    const struct cut *cut = &work->cut;
    int row_tiles = v->w / cut->rows, down = blocks_of(row_tiles, WHOLE_ROWS / cut->rows);
    int row_block = blocks_of(row_tiles, down), panel_block = WHOLE_COLUMNS / cut->panel;
    if (POINTS * down < 4 * device_facts(device)->compute_units)
        panel_block = 1;
    int jobs = POINTS * blocks_of(row_tiles, row_block) * blocks_of(cut->panels, panel_block);
    struct kernel *kernel;
    TRY(find_kernel(work, "product", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(v), ARG_INT(v->w), ARG_INT(v->c),
        ARG_TENSOR(&work->u), ARG_INT(cut->k), ARG_INT(cut->panels), ARG_TENSOR(q), ARG_INT(q->c),
        ARG_INT(row_block), ARG_INT(panel_block), ARG_INT(jobs),
        ARG_BUFFER(device_counter(device))));
out:
    return status;
}

/* y = AT q A and the rest */
static enum clat_status run_output(const struct work *work, const struct tensor *q)
{
    enum clat_status status = CLAT_OK;
    struct device *device = work->pool->device;
    struct conv_ending ending = conv_band_ending(&work->band, work->conv, work->call);
    int per = tiles_per_job(work);
    struct kernel *kernel;
    TRY(find_kernel(work, "output", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(q), ARG_INT(q->w), ARG_INT(q->c),
        ARG_INT(work->tiles), ARG_INT(work->down), ARG_INT(work->across), ARG_INT(per),
        ARGS_ENDING(ending), ARG_INT(blocks_of(work->tiles, per)),
        ARG_BUFFER(device_counter(device))));
out:
    return status;
}

static enum clat_status run_whole(const struct work *work, const struct tensor *v)
{
    enum clat_status status = CLAT_OK;
    struct tensor q;
    TRY(pool_take(
        work->pool, POOL_BACK, 1, POINTS, v->w, padded(work->cut.panels * work->cut.panel), &q));
    TRY(run_product(work, v, &q));
    TRY(run_output(work, &q));
out:
    return status;
}

/* ---- in blocks ------------------------------------------------------------------------------ */

static enum clat_status run_blocks(const struct work *work, const struct tensor *p)
{
    enum clat_status status = CLAT_OK;
    struct device *device = work->pool->device;
    const struct cut *cut = &work->cut;
    struct conv_ending ending = conv_band_ending(&work->band, work->conv, work->call);
    struct grid grid = grid_jobs(device);
    int block = BLOCK_TILES / cut->rows * cut->rows;
    struct tensor scratch;
    struct kernel *kernel;
    TRY(pool_take(work->pool, POOL_BACK, (int)grid.global[0], 1, POINTS,
        block * padded(cut->k) + padded(block * cut->panel), &scratch));
    TRY(find_kernel(work, "blocks", &kernel));
    TRY(launch(device, kernel, grid, ARG_TENSOR(p), ARG_INT(p->h), ARG_INT(p->w), ARG_INT(p->c),
        ARG_TENSOR(&work->u), ARG_INT(cut->panels), ARG_TENSOR(&scratch), ARG_INT(block),
        ARG_INT(work->tiles), ARG_INT(work->down), ARG_INT(work->across), ARGS_ENDING(ending),
        ARG_INT(blocks_of(work->tiles, block)), ARG_BUFFER(device_counter(device))));
out:
    return status;
}

/* ---- fused ---------------------------------------------------------------------------------- */

static enum clat_status run_fused(const struct work *work, const struct tensor *v)
{
    enum clat_status status = CLAT_OK;
    struct device *device = work->pool->device;
    const struct cut *cut = &work->cut;
    struct conv_ending ending = conv_band_ending(&work->band, work->conv, work->call);
    int row_tiles = v->w / cut->rows, down = blocks_of(row_tiles, FUSED_TILES / cut->rows);
    int block = blocks_of(row_tiles, down) * cut->rows, jobs = cut->panels * blocks_of(v->w, block);
    size_t items = grid_jobs(device).global[0];
    if (items > (size_t)jobs)
        items = jobs; /* no scratch for work-items without work */
    struct tensor scratch;
    struct kernel *kernel;
    TRY(pool_take(work->pool, POOL_BACK, (int)items, 1, 1,
        PAIR * padded(work->chunk * cut->panel) + POINTS * padded(block * cut->panel), &scratch));
    TRY(find_kernel(work, "fused", &kernel));
    TRY(launch(device, kernel, grid1(items, 1), ARG_TENSOR(v), ARG_INT(work->depth), ARG_INT(v->w),
        ARG_INT(v->c), ARG_BUFFER(&work->conv->weight), ARG_INT(cut->k), ARG_TENSOR(&scratch),
        ARG_INT(FUSED_DEPTH), ARG_INT(work->chunk), ARG_INT(block), ARG_INT(work->tiles),
        ARG_INT(work->down), ARG_INT(work->across), ARGS_ENDING(ending), ARG_INT(jobs),
        ARG_BUFFER(device_counter(device))));
out:
    return status;
}

/* ---- both ----------------------------------------------------------------------------------- */

static enum clat_status run_band(struct work *work)
{
    enum clat_status status = CLAT_OK;
    struct pool *pool = work->pool;
    struct pool_mark mark = pool_mark(pool);
    int k = work->cut.k, images = work->band.images;
    struct tensor p, v;
    work->down = blocks_of(work->band.rows, OUTPUT);
    work->across = blocks_of(work->call->y->w, OUTPUT);
    work->tiles = images * work->down * work->across;
    TRY(pool_take(
        pool, POOL_BACK, images, work->down * OUTPUT + 2, work->across * OUTPUT + 2, k, &p));
    TRY(conv_gather(pool->device, work->conv, work->call, &work->band, &p));
    if (work->form == IN_BLOCKS) {
        TRY(run_blocks(work, &p));
    } else {
        TRY(pool_take(pool, POOL_BACK, blocks_of(k, work->depth), POINTS,
            conv_round_up(work->tiles, work->cut.rows), row_of_v(work), &v));
        TRY(run_input(work, &p, &v));
        TRY(work->form == FUSED ? run_fused(work, &v) : run_whole(work, &v));
    }
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

/* Scratch of one row of output: v, q if there is one, p. */
static size_t row_floats(const struct work *work)
{
    const struct cut *cut = &work->cut;
    size_t across = blocks_of(work->call->y->w, OUTPUT), v = 0, q = 0;
    if (work->form != IN_BLOCKS)
        v = (size_t)blocks_of(cut->k, work->depth) * row_of_v(work);
    if (work->form == WHOLE)
        q = padded(cut->panels * cut->panel);
    return across * POINTS * (v + q) / OUTPUT + (across * OUTPUT + 2) * cut->k;
}

/* How the fused form groups channels: see cl/conv_winograd.cl. */
static void group_channels(struct work *work)
{
    const struct tensor *y = work->call->y;
    size_t tiles = (size_t)y->n * blocks_of(y->h, OUTPUT) * blocks_of(y->w, OUTPUT);
    work->depth = tiles <= FEW_TILES ? 16 : FUSED_DEPTH;
    work->chunk = tiles <= FEW_TILES ? FEW_CHUNK : FUSED_DEPTH;
}

static void choose_form(struct work *work)
{
    work->depth = work->cut.k;
    work->form = work->cut.k <= BLOCK_INPUTS ? IN_BLOCKS : WHOLE;
    if (is_fused(work->conv)) {
        work->form = FUSED;
        group_channels(work);
    }
}

static enum clat_status run(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    enum clat_status status = CLAT_OK;
    struct work work = {.conv = conv, .call = call, .pool = pool, .cut = cut_layer(conv)};
    choose_form(&work);
    work.band = conv_band_first(call->y, row_floats(&work), OUTPUT);
    if (work.form != FUSED)
        TRY(run_weights(&work));
    do
        TRY(run_band(&work));
    while (conv_band_next(&work.band, call->y));
out:
    return status;
}

const struct conv_engine conv_winograd = {
    "winograd", 1, 0, CONV_NEEDS_NOTHING, count_weights, pack, run};
const struct conv_engine conv_winograd_fused = {
    "winograd fused", 1, 0, CONV_NEEDS_NOTHING, count_weights, pack, run};
