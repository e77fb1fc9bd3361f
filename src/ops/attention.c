/* attention.c - which kernel computes an attention. SPDX-License-Identifier: MIT
 *
 * Heads of usual width are one kernel, on a CPU with the queries in the lanes; wider ones are
 * products over bands of tokens (attention_wide.c). All else takes the portable kernel. */
#include "ops/attention.h"
#include "device/fallback.h"
#include "device/launch.h"
#include "device/meter.h"
#include "device/tuning.h"

#include <limits.h>
#include <stdio.h>

#define LANES_WIDEST 160 /* beyond it 32 tokens and a block of keys leave the first-level cache */
#define BLOCK_KEYS 128   /* about so many in a block of the CPU kernel */

/* ---- queries in the lanes ------------------------------------------------------------------- */

/* Keys in a tile: 13, or 11 where that computes fewer beyond the last. Each height is a program of
 * its own, which takes the driver a second to build. */
static int choose_keys(int keys)
{
    if (keys < 13)
        return keys < 11 ? keys : 11;
    return blocks_of(keys, 11) * 11 < blocks_of(keys, 13) * 13 ? 11 : 13;
}

/* Columns of the head in a tile; every width is a multiple of 8. */
static int choose_rows(int width)
{
    return width % 10 == 0 ? 10 : width % 12 == 0 ? 12 : 8;
}

static enum clat_status attention_lanes(struct pool *pool, const struct attention *a)
{
    struct device *device = pool->device;
    const int *tuned =
        tuning_find(device, TUNED_ATTENTION_CPU, TUNING_SHAPE(a->tokens, a->keys, a->width));
    int keys = tuned[ATTENTION_CPU_BLOCK] ? tuned[ATTENTION_CPU_BLOCK] : BLOCK_KEYS;
    int tile = tuning_number(TUNED_ATTENTION_CPU, ATTENTION_CPU_KEYS, tuned[ATTENTION_CPU_KEYS]);
    if (!tile || a->keys < tile)
        tile = choose_keys(a->keys);
    int block = blocks_of(keys, tile) * tile;
    int jobs = a->images * a->heads * blocks_of(a->tokens, 32);
    int padded = blocks_of(a->width, 16) * 16;
    struct grid grid = grid_jobs(device);
    struct pool_mark mark = pool_mark(pool);
    struct kernel *kernel;
    struct tensor scratch;
    enum clat_status status;
    char options[64];
    snprintf(options, sizeof options, "-DKEYS=%d -DROWS=%d", tile, choose_rows(a->width));
    TRY(kernel_find(device, "attention_cpu", "attention_cpu", options, &kernel));
    TRY(pool_take(pool, POOL_BACK, 1, 1, (int)grid.global[0], 32 * (2 * padded + block), &scratch));
    TRY(launch(device, kernel, grid, ARG_TENSOR(a->q), ARG_INT(a->q->stride), ARG_TENSOR(a->k),
        ARG_INT(a->k->stride), ARG_TENSOR(a->v), ARG_INT(a->v->stride), ARG_TENSOR(a->y),
        ARG_INT(a->y->stride), ARG_INT(a->tokens), ARG_INT(a->keys), ARG_INT(a->heads),
        ARG_INT(a->width), ARG_INT(block), ARG_INT(a->causal), ARG_FLOAT(a->scale),
        ARG_TENSOR(&scratch), ARG_INT(jobs), ARG_BUFFER(device_counter(device))));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

/* ---- portable ------------------------------------------------------------------------------- */

#define SPAN_WIDEST 192       /* columns of a head that a group computes */
#define ROWS_WIDEST 64        /* columns up to which a work-item has four tokens */
#define ROWS_TUNED_WIDEST 128 /* and up to which a tuning table may say so */

static enum clat_status attention_groups(struct device *device, const struct attention *a)
{
    const int *tuned =
        tuning_find(device, TUNED_ATTENTION, TUNING_SHAPE(a->tokens, a->keys, a->width));
    int rows = tuning_number(TUNED_ATTENTION, ATTENTION_ROWS, tuned[ATTENTION_ROWS]);
    if (!rows || a->width > ROWS_TUNED_WIDEST)
        rows = a->width <= ROWS_WIDEST ? 4 : 2;
    size_t spans = (size_t)blocks_of(a->width, SPAN_WIDEST);
    struct grid grid = grid3((size_t)blocks_of(a->tokens, 16 * rows) * 8,
        (size_t)a->images * (size_t)a->heads * 16, spans, 8, 16, 1);
    struct kernel *kernel;
    enum clat_status status;
    char options[64];
    snprintf(options, sizeof options, "-DWIDTH=%d -DROWS=%d", a->width, rows);
    TRY(kernel_find(device, "attention", "attention", options, &kernel));
    TRY(launch(device, kernel, grid, ARG_TENSOR(a->q), ARG_INT(a->q->stride), ARG_TENSOR(a->k),
        ARG_INT(a->k->stride), ARG_TENSOR(a->v), ARG_INT(a->v->stride), ARG_TENSOR(a->y),
        ARG_INT(a->y->stride), ARG_INT(a->tokens), ARG_INT(a->keys), ARG_INT(a->heads),
        ARG_FLOAT(a->scale), ARG_INT(a->causal)));
out:
    return status;
}

/* ---- the op --------------------------------------------------------------------------------- */

static enum clat_status check_shapes(const struct attention *a)
{
    const struct tensor *q = a->q, *k = a->k, *v = a->v, *y = a->y;
    if (a->heads < 1 || q->c % a->heads || k->c != q->c || v->c != q->c || y->c != q->c)
        return status_set(CLAT_ERROR_INTERNAL,
            "op_attention: %d heads of q, k, v, y with %d, %d, %d, %d channels", a->heads, q->c,
            k->c, v->c, y->c);
    if (k->n != q->n || v->n != q->n || y->n != q->n || v->h * v->w != a->keys ||
        y->h * y->w != a->tokens)
        return status_set(CLAT_ERROR_INTERNAL,
            "op_attention: q, k, v, y of %d, %d, %d, %d images with %d, %d, %d, %d tokens", q->n,
            k->n, v->n, y->n, a->tokens, a->keys, v->h * v->w, y->h * y->w);
    return CLAT_OK;
}

static bool uses(const struct device_facts *facts, const char *cpu_file)
{
    return facts->is_cpu && !fallback_is_taken(facts, cpu_file);
}

static bool is_wide(const struct device_facts *facts, const struct attention *a)
{
    if (a->causal)
        return false;
    if (facts->is_cpu)
        return a->width > LANES_WIDEST && uses(facts, "attention_wide");
    return a->width > SPAN_WIDEST && !fallback_is_taken(facts, "attention_wide_groups");
}

enum clat_status op_attention(struct pool *pool, const struct tensor *q, const struct tensor *k,
    const struct tensor *v, int heads, float scale, bool causal, const struct tensor *y)
{
    struct attention attention = {.q = q,
        .k = k,
        .v = v,
        .y = y,
        .images = q->n,
        .tokens = q->h * q->w,
        .keys = k->h * k->w,
        .heads = heads,
        .width = heads > 0 ? q->c / heads : 0,
        .scale = scale,
        .causal = causal};
    const struct device_facts *facts = device_facts(pool->device);
    int width = attention.width;
    enum clat_status status;
    TRY(check_shapes(&attention));
    METER(pool->device, meter_bytes(q) + meter_bytes(k) + meter_bytes(v) + meter_bytes(y),
        "attention", "%d x %d tokens, %d keys, width %d", attention.images * heads,
        attention.tokens, attention.keys, width);
    double work = 4.0 * q->n * attention.tokens * (double)attention.keys * q->c;
    device_count_work(pool->device, work);
    CALL(pool->device, "attention", false, work, q->n, attention.tokens, attention.keys, heads,
        width, causal);
    if (uses(facts, "attention_cpu") && width % 8 == 0 && width <= LANES_WIDEST)
        return attention_lanes(pool, &attention);
    if (is_wide(facts, &attention))
        return attention_wide(pool, &attention);
    if (attention_matrix_suits(pool->device, width, causal))
        return attention_matrix(pool->device, &attention);
    return attention_groups(pool->device, &attention);
out:
    return status;
}
