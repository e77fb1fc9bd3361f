/* attention_wide.c - attention of wide heads on a CPU: products, softmax, products.
 * SPDX-License-Identifier: MIT
 *
 * Per image and head k and v are packed once as weights of a product; then, for a band of tokens at
 * a time, s = q kT, p = softmax(scale s), y = p v. The scores of a band are all that is kept of the
 * matrix: 8 MiB for 4096 keys. */
#include "ops/attention.h"
#include "ops/gemm.h"
#include "device/launch.h"

#define BAND 512 /* tokens */

/* Memory for one head. */
struct scratch {
    struct tensor keys, values; /* packed */
    struct tensor scores;       /* [BAND][keys] */
};

static enum clat_status take_scratch(
    struct pool *pool, const struct attention *a, struct scratch *scratch)
{
    int band = a->tokens < BAND ? a->tokens : BAND;
    enum clat_status status;
    TRY(pool_take(pool, POOL_BACK, 1, 1, a->width, gemm_columns(a->keys, false), &scratch->keys));
    TRY(pool_take(pool, POOL_BACK, 1, 1, a->keys, gemm_columns(a->width, false), &scratch->values));
    TRY(pool_take(pool, POOL_BACK, 1, 1, band, a->keys, &scratch->scores));
out:
    return status;
}

/* Packs k or v (keys x width), `columns` of the weights in all. */
static enum clat_status pack(struct device *device, const char *function,
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

static enum clat_status attend_head(
    struct device *device, const struct attention *a, struct scratch *scratch, int image, int head)
{
    struct tensor k = rows_of(a->k, a, image, head, 0, a->keys);
    struct tensor v = rows_of(a->v, a, image, head, 0, a->keys);
    enum clat_status status;
    TRY(pack(device, "pack_keys", &k, a->keys, &scratch->keys));
    TRY(pack(device, "pack_values", &v, a->width, &scratch->values));
    for (int first = 0; first < a->tokens; first += BAND) {
        int count = a->tokens - first < BAND ? a->tokens - first : BAND;
        struct tensor q = rows_of(a->q, a, image, head, first, count);
        struct tensor y = rows_of(a->y, a, image, head, first, count);
        struct tensor scores = scratch->scores;
        scores.w = count;
        struct product by_keys = {.x = &q, .weight = &scratch->keys, .y = &scores, .out = a->keys};
        struct product by_values = {
            .x = &scores, .weight = &scratch->values, .y = &y, .out = a->width};
        TRY(gemm_run(device, &by_keys));
        TRY(softmax(device, &scores, a->scale));
        TRY(gemm_run(device, &by_values));
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
            TRY(attend_head(pool->device, a, &scratch, image, head));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}
