/* gemm_groups.c - products in work-groups: cl/gemm.cl. SPDX-License-Identifier: MIT
 *
 * Few tiles leave most of a device without work (64 rows of the 8x8 level by 1280 columns are 20),
 * so such a product is cut along k too, its parts summed in order by a second kernel. */
#include "ops/gemm.h"
#include "ops/packed.h"
#include "device/launch.h"

#include <stdio.h>

#define WIDE 8 /* a group is WIDE x HIGH, as in cl/group_tile.h */
#define HIGH 16
#define PART_LEAST 4          /* steps of k in a part */
#define PART_MOST 16          /* parts: each writes and reads its sums once more */
#define PART_FLOATS (8 << 20) /* of all parts of an image, where a table asks for more */

int gemm_group_rows(int rows)
{
    return rows <= HIGH ? 1 : rows < 512 ? 4 : 8;
}

static struct group_cut cut_parts(int parts, int steps)
{
    struct group_cut cut = {.steps = parts > 1 ? blocks_of(steps, parts) : steps};
    cut.parts = blocks_of(steps, cut.steps);
    return cut;
}

static struct group_cut cut_by_rule(const struct device *device, int tiles, int steps)
{
    int units = device_facts(device)->compute_units, wanted = 4 * (units > 0 ? units : 1);
    int most = steps / PART_LEAST < PART_MOST ? steps / PART_LEAST : PART_MOST;
    return cut_parts(blocks_of(wanted, tiles) < most ? blocks_of(wanted, tiles) : most, steps);
}

/* Whether the sums of so many parts of one image are few enough to be kept. */
static bool parts_fit(const struct group_product *p, int parts)
{
    return (long long)parts * p->rows * p->columns <= PART_FLOATS;
}

struct group_cut gemm_cut_tuned(
    const struct device *device, const struct group_product *p, int parts, int tiles)
{
    return parts && parts_fit(p, parts) ? cut_parts(parts, p->steps)
                                        : cut_by_rule(device, tiles, p->steps);
}

struct group_cut gemm_group_cut(const struct device *device, const struct group_product *p)
{
    const int *tuned = tuning_find(device, p->kind, TUNING_SHAPE(p->rows, p->in, p->columns));
    int rows = tuning_number(p->kind, GEMM_ROWS, tuned[GEMM_ROWS]);
    int guided = 2 * p->rows, down = blocks_of(guided, HIGH * gemm_group_rows(guided));
    struct group_cut cut =
        gemm_cut_tuned(device, p, tuned[GEMM_PARTS], p->columns / GEMM_PANEL * down);
    cut.rows = rows ? rows : gemm_group_rows(p->images * p->rows);
    return cut;
}

struct grid gemm_group_grid(int rows, int tile_rows, int columns, int parts)
{
    size_t across = (size_t)(columns / GEMM_PANEL);
    size_t down = (size_t)blocks_of(rows, HIGH * tile_rows);
    return grid3(across * WIDE, down * HIGH, (size_t)parts, WIDE, HIGH, 1);
}

bool gemm_is_odd(const struct product *p)
{
    return p->x->c % 4 || (p->x2 && p->x2->c % 4);
}

enum clat_status gemm_groups_end(
    struct device *device, const struct product *p, const struct tensor *partial)
{
    enum clat_status status;
    struct kernel *kernel;
    TRY(kernel_find(device, "gemm", "product_end", "", &kernel));
    TRY(launch(device, kernel, grid2((size_t)p->out, tensor_pixels(p->y), 64, 4),
        ARG_TENSOR(partial), ARG_INT(partial->n), ARG_INT(partial->c), GEMM_ARGS_OUTPUT(p),
        ARG_INT(p->activation), ARG_INT(p->activation == ACTIVATION_GEGLU)));
out:
    return status;
}

enum clat_status gemm_groups_run(struct pool *pool, const struct product *p)
{
    bool pairs = p->activation == ACTIVATION_GEGLU;
    int rows = (int)tensor_pixels(p->y), k = p->x->c + (p->x2 ? p->x2->c : 0);
    int columns = gemm_columns(p->out, pairs);
    const struct group_product shape = {
        TUNED_GEMM, p->y->n, rows / p->y->n, k, columns, blocks_of(k, GEMM_GROUP_STEP)};
    struct group_cut cut = gemm_group_cut(pool->device, &shape);
    struct pool_mark mark = pool_mark(pool);
    struct tensor partial, *sums = NULL;
    struct kernel *kernel;
    enum clat_status status;
    char options[96];
    if (cut.parts > 1 || (p->activation != ACTIVATION_NONE && !pairs)) {
        TRY(pool_take(pool, POOL_BACK, cut.parts, 1, rows, columns, &partial));
        sums = &partial;
    }
    snprintf(options, sizeof options, "-DROWS=%d%s%s%s", cut.rows,
        pairs && !sums ? " -DGEGLU=1" : "", gemm_is_odd(p) ? " -DODD" : "", HALF_OPTION(p->half));
    TRY(kernel_find(pool->device, "gemm", "product", options, &kernel));
    TRY(launch(pool->device, kernel, gemm_group_grid(rows, cut.rows, columns, cut.parts),
        ARG_TENSOR(p->x), ARG_INT(p->x->stride), ARG_INT(p->x->c), ARG_TENSOR(p->x2),
        ARG_INT(tensor_stride(p->x2)), ARG_INT(p->x2 ? p->x2->c : 0), ARG_TENSOR(p->weight),
        GEMM_ARGS_OUTPUT(p), ARG_TENSOR(sums), ARG_INT(columns / GEMM_PANEL),
        ARG_INT(cut.steps * GEMM_GROUP_STEP)));
    if (sums)
        TRY(gemm_groups_end(pool->device, p, sums));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}
