/* gemm_tile.c - products on a matrix unit: packing, choice, launch. SPDX-License-Identifier: MIT
 *
 * Weights are packed as pairs of bf16 (cl/tile_bf16.h), four bytes each as float ones are; rows of
 * x are split as they are read. Three tile products stand for one of floats, to 16 bits: relative
 * L2 of a product 4.4e-6, where float kernels stay below 1e-6. */
#include "ops/gemm.h"
#include "ops/packed.h"
#include "device/fallback.h"
#include "device/launch.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define BLOCK 32   /* rows, and columns */
#define STEP 32    /* of k */
#define WORDS 1024 /* of a block and a step */
#define DEPTH 40   /* steps at a time: 128 rows of them take 640 KiB of a second-level cache */
#define FEWEST 32  /* columns of either matrix that are worth their padding */
#define JOBS_PER_UNIT 4
#define LONG_JOBS_PER_UNIT 2 /* where each job splits its rows again */

static bool is_usable(const struct device_facts *facts)
{
    return facts->is_cpu && facts->matrix_unit != MATRIX_UNIT_NONE &&
           !fallback_is_taken(facts, "gemm_tile");
}

bool gemm_tile_packs(const struct device *device)
{
    const struct device_facts *facts = device_facts(device);
    return is_usable(facts) && !fallback_is_taken(facts, "tile_pack");
}

/* How many rows there will be is not known here: from one to fifteen both kernels wait for the same
 * bytes of weights. */
bool gemm_tile_suits(const struct device *device, int out, int in)
{
    return is_usable(device_facts(device)) && !device_stores_half(device) && out >= FEWEST &&
           in >= FEWEST && in <= INT_MAX - STEP;
}

int gemm_tile_depth(int in)
{
    return blocks_of(in, STEP) * STEP;
}

/* ---- packing -------------------------------------------------------------------------------- */

/* Nearest bf16 in the upper half, as bf16_round of the kernels. */
static inline uint32_t round_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? 0x7fc00000u : (bits + 0x8000u) & 0xffff0000u;
}

static inline void split(float value, uint32_t *hi, uint32_t *lo)
{
    float rounded;
    *hi = round_bits(value);
    memcpy(&rounded, hi, sizeof rounded);
    *lo = round_bits(value - rounded);
}

void gemm_tile_pack_column(const float values[STEP], uint32_t *words)
{
    for (int w = 0; w < 16; w++) {
        uint32_t hi, lo, next_hi, next_lo;
        split(values[w], &hi, &lo);
        split(values[w + 16], &next_hi, &next_lo);
        words[w * 16] = hi >> 16 | next_hi;
        words[w * 16 + 512] = lo >> 16 | next_lo;
    }
}

void gemm_tile_pack(
    const float *weight, int out, int in, bool pairs, int first_column, int end, uint32_t *words)
{
    int steps = blocks_of(in, STEP);
    for (int column = first_column; column < end; column++) {
        int row = gemm_source_row(column, out, pairs);
        uint32_t *place = words + (size_t)(column / BLOCK) * steps * WORDS +
                          column % BLOCK / 16 * 256 + column % 16;
        for (int step = 0; step < steps; step++) {
            int first = step * STEP, count = in - first < STEP ? in - first : STEP;
            float values[STEP] = {0};
            if (row >= 0)
                memcpy(values, weight + (size_t)row * in + first, count * sizeof *values);
            gemm_tile_pack_column(values, place + (size_t)step * WORDS);
        }
    }
}

enum clat_status gemm_tile_pack_tensor(struct device *device, const struct tensor *matrix,
    bool transposed, const struct tensor *packed)
{
    int rows = (int)tensor_pixels(matrix), columns = transposed ? matrix->c : rows;
    int count = transposed ? rows : matrix->c;
    struct kernel *kernel;
    enum clat_status status;
    TRY(kernel_find(device, "tile_pack", "pack_tiles", "", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(matrix),
        ARG_INT(transposed ? matrix->stride : 1), ARG_INT(transposed ? 1 : matrix->stride),
        ARG_INT(count), ARG_INT(columns), ARG_TENSOR(packed),
        ARG_INT(blocks_of(columns, BLOCK) * 2), ARG_BUFFER(device_counter(device))));
out:
    return status;
}

/* ---- products ------------------------------------------------------------------------------- */

/* Jobs of up to 128 rows x all columns, fewer where that leaves units without work. */
struct cut {
    struct job_cut job;
    int depth;   /* steps at a time */
    int items;   /* work-items */
    int scratch; /* words of one */
};

static struct cut choose_cut(const struct device *device, int rows, int columns, int k)
{
    int steps = blocks_of(k, STEP), items = (int)grid_jobs(device).global[0];
    int depth = steps <= DEPTH ? steps : blocks_of(steps, blocks_of(steps, DEPTH));
    struct job_cut job = {.rows = blocks_of(rows, BLOCK), .columns = blocks_of(columns, BLOCK)};
    job.row_block = blocks_of(job.rows, blocks_of(rows, 128));
    job.column_block = job.columns < 16 ? job.columns : 16;
    gemm_cut_jobs(&job,
        (depth == steps ? JOBS_PER_UNIT : LONG_JOBS_PER_UNIT) * device_facts(device)->compute_units,
        2);
    return (struct cut){job, depth, items < job.jobs ? items : job.jobs,
        job.row_block * WORDS * (depth + (depth < steps ? job.column_block : 0))};
}

enum clat_status gemm_tile_run(struct pool *pool, const struct product *p)
{
    struct device *device = pool->device;
    struct pool_mark mark = pool_mark(pool);
    bool pairs = p->activation == ACTIVATION_GEGLU;
    int columns = blocks_of(p->out, 16) * 16 * (pairs ? 2 : 1);
    int k = p->x->c + (p->x2 ? p->x2->c : 0);
    struct cut cut = choose_cut(device, (int)tensor_pixels(p->y), columns, k);
    struct argument arguments[GEMM_ARGUMENTS + 8];
    struct tensor scratch;
    struct kernel *kernel;
    enum clat_status status;
    TRY(kernel_find(
        device, "gemm_tile", "product_tile", UNIT_OPTION(device_facts(device)), &kernel));
    TRY(pool_take(pool, POOL_BACK, 1, 1, cut.items, cut.scratch, &scratch));
    gemm_arguments(p, arguments);
    const struct argument more[8] = {ARG_INT(cut.job.columns), ARG_INT(cut.job.row_block),
        ARG_INT(cut.job.column_block), ARG_INT(cut.depth), ARG_TENSOR(&scratch),
        ARG_INT(cut.scratch), ARG_INT(cut.job.jobs), ARG_BUFFER(device_counter(device))};
    memcpy(arguments + GEMM_ARGUMENTS, more, sizeof more);
    TRY(launch_array(device, kernel, grid1((size_t)cut.items, 1), arguments, GEMM_ARGUMENTS + 8));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}
