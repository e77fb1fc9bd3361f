/* conv_unit.c - 3x3 convolution on a matrix unit: cl/conv_unit.cl. SPDX-License-Identifier: MIT
 *
 * Factors are pairs of bf16 as in gemm_tile.c: packed weights take the bytes of float ones. */
#include "ops/conv.h"
#include "ops/packed.h"
#include "base/shares.h"
#include "device/launch.h"
#include "ops/gemm.h"

#define BLOCK 32               /* places of a block, and outputs of a panel */
#define STEP 32                /* input channels */
#define STEP_WORDS 1024        /* of a panel's weights */
#define PAD 16                 /* words between pixels: rows of a tile fall on different sets */
#define SLACK 16               /* pixels that the last tile may read behind its image */
#define PASS_WORDS (160 << 10) /* weights of a pass: 640 KB of a second-level cache */
#define BLOCK_LIMIT 32         /* blocks of a job: their sums take 128 KB */
#define JOBS_PER_UNIT 4

static int steps_of(const struct conv *conv)
{
    return blocks_of(conv->in, STEP);
}

static size_t count_weights(const struct conv *conv)
{
    return (size_t)blocks_of(conv->out, BLOCK) * 9 * steps_of(conv) * STEP_WORDS;
}

/* Output o, tap t: its 32 channels of each step. */
static void pack_tap(const struct conv *conv, const float *weight, int o, int tap, uint32_t *words)
{
    for (int c = 0; c < conv->in; c += STEP, words += STEP_WORDS) {
        float values[STEP] = {0};
        for (int i = 0; i < STEP && c + i < conv->in; i++)
            values[i] = weight[((size_t)o * conv->in + c + i) * 9 + tap];
        gemm_tile_pack_column(values, words);
    }
}

struct packing {
    const struct conv *conv;
    const float *weight;
    uint32_t *words;
};

static void pack_output(const struct packing *packing, int o)
{
    size_t tap_words = (size_t)steps_of(packing->conv) * STEP_WORDS;
    uint32_t *words =
        packing->words + (size_t)(o / BLOCK) * 9 * tap_words + o % BLOCK / 16 * 256 + o % 16;
    for (int tap = 0; tap < 9; tap++)
        pack_tap(packing->conv, packing->weight, o, tap, words + tap * tap_words);
}

/* Outputs that do not exist are zero. */
static void pack_panels(void *user, size_t first, size_t last)
{
    const struct packing *packing = user;
    size_t panel_words = (size_t)9 * steps_of(packing->conv) * STEP_WORDS;
    for (size_t i = first * panel_words;
         last * BLOCK > (size_t)packing->conv->out && i < last * panel_words; i++)
        packing->words[i] = 0;
    for (size_t o = first * BLOCK; o < last * BLOCK && o < (size_t)packing->conv->out; o++)
        pack_output(packing, (int)o);
}

static void pack(const struct conv *conv, const float *weight, const struct packed *packed)
{
    struct packing packing = {conv, weight, packed->memory};
    shares_run((size_t)blocks_of(conv->out, BLOCK), pack_panels, &packing);
}

/* How a band is cut. */
struct cut {
    int steps, pixel; /* of the input channels; words of a pixel */
    int wide, places; /* pixels to a row of the padded input; places of an image's outputs */
    int image_blocks, blocks, block; /* of an image, of all, of a job */
    int panels, taps, jobs;
};

static struct cut cut_band(
    const struct conv *conv, const struct conv_band *band, int width, int units)
{
    struct cut cut = {.steps = steps_of(conv), .wide = width + 2};
    cut.pixel = cut.steps * STEP + PAD;
    cut.places = (band->rows - 1) * cut.wide + width;
    cut.image_blocks = blocks_of(cut.places, BLOCK);
    cut.blocks = band->images * cut.image_blocks;
    cut.panels = blocks_of(conv->out, BLOCK);
    int parts = blocks_of(cut.blocks, BLOCK_LIMIT);
    while (cut.panels * parts < JOBS_PER_UNIT * units && parts * 2 <= cut.blocks)
        parts *= 2;
    cut.block = blocks_of(cut.blocks, parts);
    cut.jobs = cut.panels * blocks_of(cut.blocks, cut.block);
    int tap = cut.steps * STEP_WORDS;
    cut.taps = 9 * tap <= PASS_WORDS ? 9 : 3 * tap <= PASS_WORDS ? 3 : 1;
    return cut;
}

static enum clat_status find_kernel(
    struct device *device, const char *function, struct kernel **kernel)
{
    return kernel_find(device, "conv_unit", function, UNIT_OPTION(device_facts(device)), kernel);
}

/* The padded input as pairs of bf16. */
static enum clat_status run_split(
    struct device *device, const struct tensor *p, const struct tensor *a)
{
    enum clat_status status;
    struct kernel *kernel;
    TRY(find_kernel(device, "split", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(p), ARG_INT(p->c), ARG_TENSOR(a),
        ARG_INT(a->c), ARG_INT((int)tensor_pixels(p)), ARG_BUFFER(device_counter(device))));
out:
    return status;
}

static enum clat_status run_band(struct pool *pool, const struct conv *conv,
    const struct conv_call *call, const struct conv_band *band)
{
    enum clat_status status;
    struct device *device = pool->device;
    struct pool_mark mark = pool_mark(pool);
    struct conv_ending ending = conv_band_ending(band, conv, call);
    struct cut cut = cut_band(conv, band, call->y->w, device_facts(device)->compute_units);
    int image_pixels = (band->rows + 2) * cut.wide;
    struct grid grid = grid_jobs(device);
    struct tensor p, a, partial;
    struct kernel *kernel;
    TRY(pool_take(pool, POOL_BACK, 1, 1, band->images * image_pixels + SLACK, cut.pixel, &a));
    TRY(pool_take(pool, POOL_BACK, (int)grid.global[0], cut.block, BLOCK, BLOCK, &partial));
    TRY(pool_take(pool, POOL_BACK, band->images, band->rows + 2, cut.wide, cut.steps * STEP, &p));
    TRY(conv_gather(device, conv, call, band, &p));
    TRY(run_split(device, &p, &a));
    TRY(find_kernel(device, "unit", &kernel));
    TRY(launch(device, kernel, grid, ARG_TENSOR(&a), ARG_INT(cut.pixel), ARG_INT(image_pixels),
        ARG_INT(cut.wide), ARG_INT(cut.places), ARG_INT(cut.image_blocks), ARG_INT(cut.blocks),
        ARG_INT(cut.steps), ARG_BUFFER(&conv->weight), ARG_TENSOR(&partial), ARG_INT(cut.taps),
        ARG_INT(cut.block), ARGS_ENDING(ending), ARG_INT(cut.jobs),
        ARG_BUFFER(device_counter(device))));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

static enum clat_status run(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    enum clat_status status;
    size_t row_floats = (size_t)(call->y->w + 2) * (2 * steps_of(conv) * STEP + PAD);
    struct conv_band band = conv_band_first(call->y, row_floats, 1);
    do
        TRY(run_band(pool, conv, call, &band));
    while (conv_band_next(&band, call->y));
out:
    return status;
}

const struct conv_engine conv_unit = {
    "matrix unit", 1, 0, CONV_NEEDS_TILES, count_weights, pack, run};
