/* conv_winograd.c - 3x3 convolution, stride 1, with a quarter of the multiplications, for CPUs:
 * cl/conv_winograd.cl. SPDX-License-Identifier: MIT
 *
 * Two ways from the transformed input to y. In whole: transform all weights into scratch, one
 * batched product, transform back; the weights cost 144 bytes of scratch per pair of channels, made
 * anew for every call. Fused: each job transforms the weights it needs into the cache and ends with
 * y. */
#include "ops/conv.h"
#include "device/launch.h"

#include <stdio.h>

#define OUTPUT 4       /* a tile is 4x4 pixels of output */
#define POINTS 36      /* and 36 points */
#define PAD 16         /* floats between points in scratch, as in cl/conv_winograd.cl */
#define WHOLE_ROWS 128 /* tiles of a job of the product: they stay in the second-level cache */
#define WHOLE_COLUMNS 256
#define FUSED_TILES                                                                                \
    66 /* tiles and input channels of the fused form: with panels of 64, 1.2 MB of */
#define FUSED_DEPTH 64 /* scratch per job, for a second-level cache of 2 MB */

/* How a layer is cut: the register tile is rows tiles x panel output channels; k input channels. */
struct cut {
    int panel, panels, k, rows;
};

/* Panels of 48 with 8 rows, 64 with 6, or 32 with 12, all of 24 registers. Eight rows divide the
 * tiles of small maps, so 48 is taken where it fits within 2 %; else the one that computes least in
 * vain. */
static int panel_of(const struct conv *conv)
{
    int best = 64;
    if (conv_round_up(conv->out, 48) * 50 <= conv->out * 51)
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
        .rows = panel == 64   ? 6
                : panel == 48 ? 8
                              : 12};
}

static size_t count_weights(const struct conv *conv)
{
    struct cut cut = cut_layer(conv);
    return (size_t)9 * cut.k * cut.panels * cut.panel;
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
    bool fused;
    struct tensor u; /* all weights' points, [1][POINTS][panels*k*panel + PAD], if in whole */
    int depth;       /* channels of v that lie together */
    struct conv_band band;
    int down, across, tiles; /* tiles of an image, and of the band */
};

static int blocks(int count, int block)
{
    return (count + block - 1) / block;
}

/* Channels are padded: rows a power of two apart would fall on few sets of the cache. */
static int padded(int channels)
{
    return channels + PAD;
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
        ARG_INT(blocks(work->tiles, per)), ARG_BUFFER(device_counter(device))));
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
        ARG_INT(cut->panels), ARG_TENSOR(&work->u), ARG_INT(cut->panels * cut->k / 16),
        ARG_BUFFER(device_counter(device))));
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
    int row_tiles = v->w / cut->rows, down = blocks(row_tiles, WHOLE_ROWS / cut->rows);
    int row_block = blocks(row_tiles, down), panel_block = WHOLE_COLUMNS / cut->panel;
    if (POINTS * down < 4 * device_facts(device)->compute_units)
        panel_block = 1;
    int jobs = POINTS * blocks(row_tiles, row_block) * blocks(cut->panels, panel_block);
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
        ARGS_ENDING(ending), ARG_INT(blocks(work->tiles, per)),
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

/* ---- fused ---------------------------------------------------------------------------------- */

static enum clat_status run_fused(const struct work *work, const struct tensor *v)
{
    enum clat_status status = CLAT_OK;
    struct device *device = work->pool->device;
    const struct cut *cut = &work->cut;
    struct conv_ending ending = conv_band_ending(&work->band, work->conv, work->call);
    int row_tiles = v->w / cut->rows, down = blocks(row_tiles, FUSED_TILES / cut->rows);
    int block = blocks(row_tiles, down) * cut->rows, jobs = cut->panels * blocks(v->w, block);
    size_t items = grid_jobs(device).global[0];
    if (items > (size_t)jobs)
        items = jobs; /* no scratch for work-items without work */
    struct tensor scratch;
    struct kernel *kernel;
    TRY(pool_take(work->pool, POOL_BACK, (int)items, 1, POINTS,
        padded(work->depth * cut->panel) + padded(block * cut->panel), &scratch));
    TRY(find_kernel(work, "fused", &kernel));
    TRY(launch(device, kernel, grid1(items, 1), ARG_TENSOR(v), ARG_INT(v->w), ARG_INT(v->c),
        ARG_BUFFER(&work->conv->weight), ARG_INT(cut->k), ARG_TENSOR(&scratch),
        ARG_INT(work->depth), ARG_INT(block), ARG_INT(work->tiles), ARG_INT(work->down),
        ARG_INT(work->across), ARGS_ENDING(ending), ARG_INT(jobs),
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
    work->down = blocks(work->band.rows, OUTPUT);
    work->across = blocks(work->call->y->w, OUTPUT);
    work->tiles = images * work->down * work->across;
    TRY(pool_take(
        pool, POOL_BACK, images, work->down * OUTPUT + 2, work->across * OUTPUT + 2, k, &p));
    TRY(pool_take(pool, POOL_BACK, blocks(k, work->depth), POINTS,
        conv_round_up(work->tiles, work->cut.rows), padded(work->depth), &v));
    TRY(conv_gather(pool->device, work->conv, work->call, &work->band, &p));
    TRY(run_input(work, &p, &v));
    TRY(work->fused ? run_fused(work, &v) : run_whole(work, &v));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

/* Scratch of one row of output: v, q if there is one, p. */
static size_t row_floats(const struct work *work)
{
    const struct cut *cut = &work->cut;
    size_t across = blocks(work->call->y->w, OUTPUT);
    size_t v = (size_t)blocks(cut->k, work->depth) * padded(work->depth);
    size_t q = work->fused ? 0 : padded(cut->panels * cut->panel);
    return across * POINTS * (v + q) / OUTPUT + (across * OUTPUT + 2) * cut->k;
}

static enum clat_status run(
    struct pool *pool, const struct conv *conv, const struct conv_call *call, bool fused)
{
    enum clat_status status = CLAT_OK;
    struct work work = {
        .conv = conv, .call = call, .pool = pool, .cut = cut_layer(conv), .fused = fused};
    work.depth = fused && FUSED_DEPTH < work.cut.k ? FUSED_DEPTH : work.cut.k;
    work.band = conv_band_first(call->y, row_floats(&work), OUTPUT);
    if (!fused)
        TRY(run_weights(&work));
    do
        TRY(run_band(&work));
    while (conv_band_next(&work.band, call->y));
out:
    return status;
}

static enum clat_status run_whole_call(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    return run(pool, conv, call, false);
}

static enum clat_status run_fused_call(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    return run(pool, conv, call, true);
}

const struct conv_engine conv_winograd = {"winograd", 1, 0, count_weights, pack, run_whole_call};
const struct conv_engine conv_winograd_fused = {
    "winograd fused", 1, 0, count_weights, pack, run_fused_call};
