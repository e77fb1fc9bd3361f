/* attention_wide.c - attention of wide heads: products, softmax, products.
 * SPDX-License-Identifier: MIT
 *
 * Per image and head k and v are packed once as weights of a product; then, for a band of tokens at
 * a time, s = q kT, p = softmax(scale s), y = p v. The scores of a band are all that is kept of the
 * matrix: 8 MiB for 4096 keys.
 *
 * On a matrix unit (gemm.h) an error of a score is one of an exponent: relative L2 of y about 5e-6
 * for each standard deviation of the scores.
 *
 * More keys than KEYS_AT_ONCE come in chunks, so that memory does not grow with them: y is summed
 * over the chunks relative to the largest score so far, and scaled down where a chunk raises it
 * (online softmax, Milakov and Gimelshein, arXiv 1805.02867). */
#include "ops/attention.h"
#include "ops/gemm.h"
#include "device/launch.h"

#define BAND 512 /* tokens */
#define KEYS_AT_ONCE 16384
#define CHUNK 8192 /* keys, of those that are more */

#define KEY_DEPTH 32 /* of cl/attention_wide_groups.cl: columns of k, and work-items for a row */
#define ROW_ITEMS 128

/* Memory for one head. */
struct scratch {
    bool tiles;                 /* products on the matrix unit */
    int chunk;                  /* keys in one */
    struct tensor keys, values; /* of a chunk, packed */
    struct tensor scores;       /* [BAND][chunk] */
    struct tensor sums;         /* [tokens][width]: y so far, in turn with y itself */
    struct tensor state;        /* [tokens][2]: largest score and total so far */
};

static enum clat_status take_scratch(
    struct pool *pool, const struct attention *a, struct scratch *scratch)
{
    int band = a->tokens < BAND ? a->tokens : BAND;
    int chunk = a->keys > KEYS_AT_ONCE ? CHUNK : a->keys;
    enum clat_status status;
    bool tiles = gemm_tile_packs(pool->device);
    scratch->tiles = tiles;
    scratch->chunk = chunk;
    TRY(pool_take(pool, POOL_BACK, 1, 1, tiles ? gemm_tile_depth(a->width) : a->width,
        gemm_columns(chunk, false), &scratch->keys));
    TRY(pool_take(pool, POOL_BACK, 1, 1, tiles ? gemm_tile_depth(chunk) : chunk,
        gemm_columns(a->width, false), &scratch->values));
    TRY(pool_take(pool, POOL_BACK, 1, 1, band, chunk, &scratch->scores));
    if (chunk < a->keys) {
        TRY(pool_take(pool, POOL_BACK, 1, 1, a->tokens, a->width, &scratch->sums));
        TRY(pool_take(pool, POOL_BACK, 1, 1, a->tokens, 2, &scratch->state));
    }
out:
    return status;
}

/* Packs k or v (keys x width), `columns` of the weights in all. */
static enum clat_status pack_panels(struct device *device, const char *function,
    const struct tensor *matrix, int columns, const struct tensor *packed)
{
    int jobs = gemm_columns(columns, false) / 16;
    struct kernel *kernel;
    enum clat_status status;
    TRY(kernel_find(device, "attention_wide", function, "", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(matrix), ARG_INT(matrix->stride),
        ARG_INT((int)tensor_pixels(matrix)), ARG_INT(matrix->c), ARG_TENSOR(packed), ARG_INT(jobs),
        ARG_BUFFER(device_counter(device))));
out:
    return status;
}

/* The same in work-groups, on the grid for k or for v. */
static enum clat_status pack_groups(struct device *device, const char *function, struct grid grid,
    const struct tensor *matrix, const struct tensor *packed)
{
    struct kernel *kernel;
    enum clat_status status;
    TRY(kernel_find(device, "attention_wide_groups", function, "", &kernel));
    TRY(launch(device, kernel, grid, ARG_TENSOR(matrix), ARG_INT(matrix->stride),
        ARG_INT((int)tensor_pixels(matrix)), ARG_INT(matrix->c), ARG_TENSOR(packed)));
out:
    return status;
}

static bool in_groups(const struct device *device)
{
    return !device_facts(device)->is_cpu;
}

static enum clat_status pack(struct device *device, const struct tensor *k, const struct tensor *v,
    const struct scratch *scratch)
{
    enum clat_status status;
    if (scratch->tiles) {
        TRY(gemm_tile_pack_tensor(device, k, false, &scratch->keys));
        TRY(gemm_tile_pack_tensor(device, v, true, &scratch->values));
    } else if (in_groups(device)) {
        size_t keys = tensor_pixels(k), panels = (size_t)gemm_columns((int)keys, false);
        TRY(pack_groups(device, "pack_keys",
            grid2(panels, (size_t)blocks_of(k->c, KEY_DEPTH) * 4, 64, 4), k, &scratch->keys));
        TRY(pack_groups(device, "pack_values",
            grid2((size_t)gemm_columns(v->c, false), keys, 64, 4), v, &scratch->values));
    } else {
        TRY(pack_panels(device, "pack_keys", k, (int)tensor_pixels(k), &scratch->keys));
        TRY(pack_panels(device, "pack_values", v, v->c, &scratch->values));
    }
out:
    return status;
}

static enum clat_status multiply(
    struct pool *pool, const struct scratch *scratch, const struct product *product)
{
    return scratch->tiles ? gemm_tile_run(pool, product) : gemm_run(pool, product);
}

static enum clat_status softmax(struct device *device, const struct tensor *scores, float scale)
{
    struct kernel *kernel;
    enum clat_status status;
    TRY(kernel_find(device, "attention_wide", "softmax_rows", "", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(scores), ARG_INT(scores->stride),
        ARG_INT(scores->c), ARG_FLOAT(scale), ARG_INT((int)tensor_pixels(scores)),
        ARG_BUFFER(device_counter(device))));
out:
    return status;
}

/* The same of one chunk of many: scales what is summed so far, and after the last chunk divides. */
static enum clat_status softmax_chunk(struct device *device, const struct tensor *scores,
    float scale, const struct tensor *state, const struct tensor *sums, bool last)
{
    struct kernel *kernel;
    enum clat_status status;
    TRY(kernel_find(device, "attention_wide", "softmax_chunk", "", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(scores), ARG_INT(scores->stride),
        ARG_INT(scores->c), ARG_FLOAT(scale), ARG_TENSOR(state), ARG_TENSOR(sums),
        ARG_INT(sums ? sums->stride : 0), ARG_INT(sums ? sums->c : 0), ARG_INT(last),
        ARG_INT((int)tensor_pixels(scores)), ARG_BUFFER(device_counter(device))));
out:
    return status;
}

/* Both of these in work-groups. */
static enum clat_status softmax_groups(struct device *device, const struct tensor *scores,
    float scale, const struct tensor *state, const struct tensor *sums, bool last)
{
    struct kernel *kernel;
    enum clat_status status;
    TRY(kernel_find(device, "attention_wide_groups", "softmax", "", &kernel));
    TRY(launch(device, kernel, grid1(tensor_pixels(scores) * ROW_ITEMS, ROW_ITEMS),
        ARG_TENSOR(scores), ARG_INT(scores->stride), ARG_INT(scores->c), ARG_FLOAT(scale),
        ARG_TENSOR(state), ARG_TENSOR(sums), ARG_INT(tensor_stride(sums)),
        ARG_INT(sums ? sums->c : 0), ARG_INT(last)));
out:
    return status;
}

/* Rows [first, first + count) of a head of one image. */
static struct tensor rows_of(const struct tensor *tensor, const struct attention *a, int image,
    int head, int first, int count)
{
    struct tensor one = tensor_batch(tensor, image, 1);
    struct tensor rows = tensor_channels(&one, head * a->width, a->width);
    rows.offset += (size_t)first * (size_t)rows.stride;
    rows.h = 1;
    rows.w = count;
    return rows;
}

/* Some tokens of one head against one chunk of its keys. */
struct step {
    struct tensor q, y;
    struct tensor sums;  /* what to add to; memory NULL on the first chunk */
    struct tensor state; /* of these tokens */
    int keys;            /* in the chunk */
    bool only, first, last;
};

static enum clat_status attend(
    struct pool *pool, const struct attention *a, struct scratch *scratch, struct step *step)
{
    enum clat_status status;
    struct device *device = pool->device;
    struct tensor scores = scratch->scores;
    const struct tensor *sums = step->first ? NULL : &step->sums;
    scores.w = step->q.w;
    scores.c = scores.stride = step->keys;
    struct product by_keys = {
        .x = &step->q, .weight = &scratch->keys, .y = &scores, .out = step->keys};
    struct product by_values = {
        .x = &scores, .weight = &scratch->values, .residual = sums, .y = &step->y, .out = a->width};
    TRY(multiply(pool, scratch, &by_keys));
    if (in_groups(device))
        TRY(softmax_groups(
            device, &scores, a->scale, step->only ? NULL : &step->state, sums, step->last));
    else
        TRY(step->only ? softmax(device, &scores, a->scale)
                       : softmax_chunk(device, &scores, a->scale, &step->state, sums, step->last));
    TRY(multiply(pool, scratch, &by_values));
out:
    return status;
}

/* Rows [first, first + count) of the memory for one head. */
static struct tensor scratch_rows(const struct tensor *tensor, int first, int count)
{
    struct tensor rows = *tensor;
    rows.offset += (size_t)first * (size_t)rows.stride;
    rows.w = count;
    return rows;
}

/* All tokens of a head against the keys from `start` on. After an even count of further chunks the
 * sums are in y, after an odd one in scratch->sums. */
static enum clat_status attend_chunk(struct pool *pool, const struct attention *a,
    struct scratch *scratch, int image, int head, int start)
{
    enum clat_status status;
    int left = a->keys - start, keys = left < scratch->chunk ? left : scratch->chunk;
    int chunks = (left + scratch->chunk - 1) / scratch->chunk; /* with this one */
    struct tensor k = rows_of(a->k, a, image, head, start, keys);
    struct tensor v = rows_of(a->v, a, image, head, start, keys);
    TRY(pack(pool->device, &k, &v, scratch));
    for (int first = 0; first < a->tokens; first += BAND) {
        int count = a->tokens - first < BAND ? a->tokens - first : BAND;
        struct step step = {.q = rows_of(a->q, a, image, head, first, count),
            .y = rows_of(a->y, a, image, head, first, count),
            .keys = keys,
            .only = keys == a->keys,
            .first = start == 0,
            .last = chunks == 1};
        if (!step.only) {
            struct tensor sums = scratch_rows(&scratch->sums, first, count), y = step.y;
            step.state = scratch_rows(&scratch->state, first, count);
            step.sums = chunks % 2 ? sums : y;
            step.y = chunks % 2 ? y : sums;
        }
        TRY(attend(pool, a, scratch, &step));
    }
out:
    return status;
}

enum clat_status attention_wide(struct pool *pool, const struct attention *a)
{
    struct pool_mark mark = pool_mark(pool);
    struct scratch scratch;
    enum clat_status status;
    TRY(take_scratch(pool, a, &scratch));
    for (int image = 0; image < a->images; image++)
        for (int head = 0; head < a->heads; head++)
            for (int start = 0; start < a->keys; start += scratch.chunk)
                TRY(attend_chunk(pool, a, &scratch, image, head, start));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}
