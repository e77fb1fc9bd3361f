/* gemm_matrix.c - products on the matrix unit of sub-groups: cl/gemm_matrix.cl.
 * SPDX-License-Identifier: MIT
 *
 * Factors are rounded to 16 bits, half or bf16: relative L2 of a product 3e-4 or 2.3e-3, as that of
 * the rounded factors; sums are float. Weights are rounded when they are packed, so they take half
 * the bytes of float ones. A value beyond half's range, 65504, becomes infinity. */
#include "ops/gemm.h"
#include "base/half.h"
#include "device/fallback.h"
#include "device/group_unit.h"
#include "device/launch.h"
#include "ops/packed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define STEP GEMM_MATRIX_STEP
#define ITEMS 128     /* of a group with one panel, as in cl/matrix_tile.h */
#define FEWEST 16     /* columns of either matrix that are worth their padding */
#define WAVES 4       /* groups for each compute unit before a tile is doubled */
#define MANY_LANES 32 /* of a sub-group; fewer, and two panels are too many of them */

bool gemm_matrix_can(const struct device *device)
{
    const struct device_facts *facts = device_facts(device);
    return !facts->is_cpu && facts->unit.kind != UNIT_NONE;
}

bool gemm_matrix_suits(const struct device *device, int out, int in)
{
    return gemm_matrix_can(device) && !fallback_is_taken(device_facts(device), "gemm_matrix") &&
           out >= FEWEST && in >= FEWEST;
}

/* ---- packing -------------------------------------------------------------------------------- */

static uint16_t bf16_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? 0x7fc0u : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void gemm_matrix_pack_column(const float *values, int count, int stride, bool bf16, uint16_t *to)
{
    for (int k = 0; k < STEP; k++) {
        float value = k < count ? values[(size_t)k * stride] : 0;
        to[k] = bf16 ? bf16_of(value) : half_of(value);
    }
}

void gemm_matrix_pack(const float *weight, int out, int in, bool pairs, bool bf16, int first_column,
    int end, uint16_t *packed)
{
    int steps = blocks_of(in, STEP);
    for (int column = first_column; column < end; column++) {
        int row = gemm_source_row(column, out, pairs), lane = column % GEMM_PANEL;
        uint16_t *panel = packed + (size_t)(column / GEMM_PANEL) * steps * GEMM_PANEL * STEP;
        for (int step = 0; step < steps; step++)
            gemm_matrix_pack_column(row < 0 ? NULL : weight + (size_t)row * in + step * STEP,
                row < 0 ? 0 : in - step * STEP, 1, bf16,
                panel + ((size_t)step * GEMM_PANEL + lane) * STEP);
    }
}

/* ---- choice --------------------------------------------------------------------------------- */

/* Two panels, with twice the work-items, are for tall tiles and wide sub-groups. */
static bool may_have_two(const struct device *device, int tile_rows, int columns)
{
    return tile_rows == 128 && columns / GEMM_PANEL % 2 == 0 &&
           unit_shape(device_facts(device)->unit.kind)->lanes >= MANY_LANES;
}

static int choose_panels(const struct device *device, int tile_rows, int rows, int columns)
{
    long long groups = (long long)blocks_of(rows, tile_rows) * (columns / GEMM_PANEL);
    bool many = groups >= 2LL * WAVES * device_facts(device)->compute_units;
    return many && may_have_two(device, tile_rows, columns) ? 2 : 1;
}

struct matrix_tile gemm_matrix_tile(const struct device *device, const struct group_product *p)
{
    const int *tuned = tuning_find(device, p->kind, TUNING_SHAPE(p->rows, p->in, p->columns));
    int rows = p->images * p->rows;
    struct matrix_tile tile = {.rows = tuning_number(p->kind, MATRIX_TILE, tuned[MATRIX_TILE]),
        .panels = tuned[MATRIX_PANELS]};
    if (!tile.rows)
        tile.rows = rows <= 32 ? 32 : rows < 512 ? 64 : 128;
    if (tile.panels == 2 && !may_have_two(device, tile.rows, p->columns))
        tile.panels = 1;
    if (!tile.panels)
        tile.panels = choose_panels(device, tile.rows, rows, p->columns);
    return tile;
}

struct group_cut gemm_matrix_cut(const struct device *device, const struct group_product *p)
{
    const int *tuned = tuning_find(device, p->kind, TUNING_SHAPE(p->rows, p->in, p->columns));
    struct group_product guided = *p;
    guided.images = 2; /* whatever the batch: it must not order sums */
    struct matrix_tile tile = gemm_matrix_tile(device, &guided);
    return gemm_cut_tuned(device, p, tuned[MATRIX_PARTS],
        blocks_of(2 * p->rows, tile.rows) * (p->columns / GEMM_PANEL / tile.panels));
}

struct grid gemm_matrix_grid(struct matrix_tile tile, int rows, int columns, int parts)
{
    size_t items = ITEMS * (size_t)tile.panels;
    return grid3((size_t)(columns / GEMM_PANEL / tile.panels) * items,
        (size_t)blocks_of(rows, tile.rows), (size_t)parts, items, 1, 1);
}

void gemm_matrix_options(const struct device *device, bool bf16, struct matrix_tile tile,
    char options[GEMM_MATRIX_OPTIONS])
{
    struct group_unit unit = device_facts(device)->unit;
    char unit_words[UNIT_OPTIONS];
    unit.bf16 = bf16;
    unit_options(&unit, unit_words);
    snprintf(options, GEMM_MATRIX_OPTIONS, "%s -DTILE=%d -DPANELS=%d%s", unit_words, tile.rows,
        tile.panels, tile.rows > 32 ? unit_room(&unit) : "");
}

/* ---- products ------------------------------------------------------------------------------- */

static bool is_aligned(const struct tensor *tensor)
{
    return !tensor || (tensor->offset % 4 == 0 && tensor->stride % 4 == 0);
}

static bool are_aligned(const struct product *p)
{
    return is_aligned(p->x) && is_aligned(p->x2) && is_aligned(p->residual) && is_aligned(p->y);
}

static enum clat_status multiply(struct device *device, const struct product *p,
    const struct group_product *shape, const struct tensor *partial, int depth)
{
    int rows = (int)tensor_pixels(p->y), columns = shape->columns;
    struct matrix_tile tile = gemm_matrix_tile(device, shape);
    struct buffer weight = {.memory = p->weight->memory};
    struct kernel *kernel;
    enum clat_status status;
    char base[GEMM_MATRIX_OPTIONS], options[GEMM_MATRIX_OPTIONS + 32];
    gemm_matrix_options(device, p->bf16, tile, base);
    snprintf(options, sizeof options, "%s%s%s", base,
        p->activation == ACTIVATION_GEGLU && !partial ? " -DGEGLU=1" : "",
        gemm_is_odd(p)   ? " -DODD"
        : are_aligned(p) ? " -DALIGNED"
                         : "");
    TRY(kernel_find(device, "gemm_matrix", "product_matrix", options, &kernel));
    TRY(launch(device, kernel, gemm_matrix_grid(tile, rows, columns, partial ? partial->n : 1),
        ARG_TENSOR(p->x), ARG_INT(p->x->stride), ARG_INT(p->x->c), ARG_TENSOR(p->x2),
        ARG_INT(tensor_stride(p->x2)), ARG_INT(p->x2 ? p->x2->c : 0), ARG_BUFFER(&weight),
        GEMM_ARGS_OUTPUT(p), ARG_TENSOR(partial), ARG_INT(columns / GEMM_PANEL), ARG_INT(depth)));
out:
    return status;
}

enum clat_status gemm_matrix_run(struct pool *pool, const struct product *p)
{
    bool pairs = p->activation == ACTIVATION_GEGLU;
    int rows = (int)tensor_pixels(p->y), k = p->x->c + (p->x2 ? p->x2->c : 0);
    int columns = gemm_columns(p->out, pairs);
    const struct group_product shape = {
        TUNED_GEMM_MATRIX, p->y->n, rows / p->y->n, k, columns, blocks_of(k, STEP)};
    struct group_cut cut = gemm_matrix_cut(pool->device, &shape);
    struct pool_mark mark = pool_mark(pool);
    struct tensor partial, *sums = NULL;
    enum clat_status status;
    if (cut.parts > 1 || (p->activation != ACTIVATION_NONE && !pairs)) {
        TRY(pool_take(pool, POOL_BACK, cut.parts, 1, rows, columns, &partial));
        sums = &partial;
    }
    TRY(multiply(pool->device, p, &shape, sums, cut.steps * STEP));
    if (sums)
        TRY(gemm_groups_end(pool->device, p, sums));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}
