/* gemm_cpu.c - products on a CPU. SPDX-License-Identifier: MIT
 *
 * A tile is rows x columns of y held in registers. All tiles read the same packed panels, so the
 * tile is chosen per call, by what it wastes at the edges: 6x64, or a narrower one for few columns;
 * a product of one or two rows does little more than read its weights. Tiles make up jobs, which
 * the units of the device draw (cl/gemm_cpu.cl). */
#include "ops/gemm.h"
#include "ops/packed.h"

#include <stdio.h>

/* Half weights are made float once for a job of so many row tiles, so many steps of k at a time. */
#define UNPACK_TILES 6
#define UNPACK_DEPTH 256
#define UNPACK_OPTION " -DHALF_WEIGHTS -DUNPACK=256"

#define MOST_ROWS 144 /* of a job, as in cl/gemm_cpu.cl */

struct tile {
    int rows, vectors; /* rows x 16*vectors columns */
    int cost;          /* of one element of it, in percent of the best tile's */
};

/* In the order of the words of TUNED_GEMM_CPU's tile. */
static const struct tile tiles[] = {
    {6, 4, 100},
    {8, 2, 115},  /* 16 sums hide little of a multiply-add's latency, and half a panel is read */
    {12, 1, 150}, /* as many loads as multiply-adds: for few columns */
};

/* `columns` counts those that are not padding. */
static struct tile choose_tile(int rows, int columns)
{
    struct tile best = {rows < 2 ? 1 : 2, 4, 0};
    double best_cost = 0;
    for (size_t i = 0; rows >= 6 && i < sizeof tiles / sizeof tiles[0]; i++) {
        const struct tile *tile = &tiles[i];
        double area = (double)blocks_of(rows, tile->rows) * tile->rows *
                      blocks_of(columns, 16 * tile->vectors) * tile->vectors;
        if (rows < tile->rows || (i > 0 && area * tile->cost >= best_cost))
            continue;
        best = *tile;
        best_cost = area * tile->cost;
    }
    return best;
}

/* How a product is cut into jobs: about 128 rows by 256 columns, smaller ones where that would
 * leave units of the device without work at the end. */
struct cut {
    struct job_cut job; /* of slices of columns, and tiles of rows */
    int depth;          /* of k at a time, a multiple of 16, or all of it */
    bool unpack;
};

static int count_jobs(const struct job_cut *cut)
{
    return blocks_of(cut->rows, cut->row_block) * blocks_of(cut->columns, cut->column_block);
}

void gemm_cut_jobs(struct job_cut *cut, int wanted, int least_rows)
{
    while (count_jobs(cut) < wanted && (cut->column_block > 1 || cut->row_block > least_rows))
        if (cut->column_block > 1)
            cut->column_block = blocks_of(cut->column_block, 2);
        else
            cut->row_block = blocks_of(cut->row_block, 2);
    cut->jobs = count_jobs(cut);
}

/* k in equal blocks of at most `most`, a multiple of 16. */
static int divide(int k, int most)
{
    return k <= most ? k : blocks_of(blocks_of(k, blocks_of(k, most)), 16) * 16;
}

/* Slices as deep as 1280 keep their place in a second-level cache of 1 MiB beside the rows of x. */
static int choose_depth(int k, int row_block)
{
    return row_block == 1 || k < 2048 ? k : divide(k, 1280);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* `tuned`: of a row for TUNED_GEMM_CPU. */
static struct cut choose_cut(
    const struct device *device, const int *tuned, struct tile tile, int rows, int columns, int k)
{
    int width = 16 * tile.vectors;
    struct job_cut job = {.rows = blocks_of(rows, tile.rows), .columns = blocks_of(columns, width)};
    job.row_block = blocks_of(job.rows, blocks_of(rows, 128));
    job.column_block = job.columns < 256 / width ? job.columns : 256 / width;
    if (tuned[GEMM_CPU_ROW_BLOCK]) {
        job.row_block = least(tuned[GEMM_CPU_ROW_BLOCK], least(job.rows, MOST_ROWS / tile.rows));
        job.jobs = count_jobs(&job);
    } else
        gemm_cut_jobs(&job, 8 * device_facts(device)->compute_units, 4);
    int most = tuned[GEMM_CPU_DEPTH];
    return (struct cut){job, most ? divide(k, most) : choose_depth(k, job.row_block), false};
}

enum clat_status gemm_cpu_run(struct device *device, const struct product *p)
{
    bool pairs = p->activation == ACTIVATION_GEGLU;
    int rows = (int)tensor_pixels(p->y), columns = blocks_of(p->out, 16) * 16 * (pairs ? 2 : 1);
    int k = p->x->c + (p->x2 ? p->x2->c : 0);
    const int *tuned =
        tuning_find(device, TUNED_GEMM_CPU, TUNING_SHAPE(rows / p->y->n, k, columns));
    struct tile tile = choose_tile(rows, columns);
    if (tuned[GEMM_CPU_TILE] && rows >= tiles[tuned[GEMM_CPU_TILE] - 1].rows)
        tile = tiles[tuned[GEMM_CPU_TILE] - 1];
    if (pairs && tile.vectors == 1)
        tile = tiles[0];
    struct cut cut = choose_cut(device, tuned, tile, rows, columns, k);
    if (p->half && cut.job.row_block >= UNPACK_TILES) {
        cut.unpack = true;
        cut.depth = divide(k, UNPACK_DEPTH);
    }
    struct argument arguments[GEMM_ARGUMENTS + 6];
    struct kernel *kernel;
    enum clat_status status;
    char options[64];
    snprintf(options, sizeof options, "-DROWS=%d -DVECTORS=%d%s", tile.rows, tile.vectors,
        cut.unpack ? UNPACK_OPTION : HALF_OPTION(p->half));
    TRY(kernel_find(device, "gemm_cpu", "product_cpu", options, &kernel));
    gemm_arguments(p, arguments);
    arguments[GEMM_ARGUMENTS] = ARG_INT(cut.job.columns);
    arguments[GEMM_ARGUMENTS + 1] = ARG_INT(cut.job.row_block);
    arguments[GEMM_ARGUMENTS + 2] = ARG_INT(cut.job.column_block);
    arguments[GEMM_ARGUMENTS + 3] = ARG_INT(cut.depth);
    arguments[GEMM_ARGUMENTS + 4] = ARG_INT(cut.job.jobs);
    arguments[GEMM_ARGUMENTS + 5] = ARG_BUFFER(device_counter(device));
    TRY(launch_array(device, kernel, grid_jobs(device), arguments, GEMM_ARGUMENTS + 6));
out:
    return status;
}
