/* gemm.h - matrix products inside this room: packing, kernels, CLBlast. SPDX-License-Identifier:
 * MIT
 *
 * Packed weights are panels of 64 columns of the product, [panels][in][64], zero padded: both
 * kernel shapes read them in order, whatever their tile. With `pairs` (GEGLU) blocks of 16 columns
 * alternate: 16 values, their 16 gates, the next 16 values; so that a value and its gate meet in
 * one tile. */
#ifndef CLATENT_OPS_GEMM_H
#define CLATENT_OPS_GEMM_H

#include "device/launch.h"
#include "device/tuning.h"
#include "ops/op.h"

#define GEMM_PANEL 64

/* y = act(x ++ x2 wT + bias) + residual over all rows of x; `out` columns of y. */
struct product {
    const struct tensor *x, *x2;   /* x2 may be NULL */
    const struct tensor *weight;   /* packed, [1][1][1][anything]: only its place counts */
    bool half, bf16;               /* the weight is; both factors are, on a unit of sub-groups */
    const struct buffer *bias;     /* [gemm_columns()] in packed order, or NULL */
    const struct tensor *residual; /* may be NULL */
    const struct tensor *y;
    int out;
    enum activation activation;
};

/* Packed columns for `out` columns of y, a multiple of GEMM_PANEL; 0 if that is too many. */
int gemm_columns(int out, bool pairs);

/* The row of the unpacked weights that packed column `column` comes from, -1 for padding. */
int gemm_source_row(int column, int out, bool pairs);

/* Queues the product, with the kernel and tile that suit the device and the shape; counts no work.
 * Scratch comes from the back of the pool. */
enum clat_status gemm_run(struct pool *pool, const struct product *product);

/* The arguments that the kernels of all products begin with. */
#define GEMM_ARGUMENTS 16
void gemm_arguments(const struct product *product, struct argument arguments[GEMM_ARGUMENTS]);

/* ---- gemm_cpu.c: products on a CPU ---------------------------------------------------------- */
enum clat_status gemm_cpu_run(struct device *device, const struct product *product);

/* A product of a CPU in jobs of row_block x column_block blocks of the result. */
struct job_cut {
    int rows, columns; /* blocks of the whole */
    int row_block, column_block, jobs;
};
/* Halves a job's columns, then its rows down to least_rows, until there are `wanted` jobs. */
void gemm_cut_jobs(struct job_cut *cut, int wanted, int least_rows);

/* ---- gemm_groups.c: products in work-groups, for GPUs --------------------------------------- */
enum clat_status gemm_groups_run(struct pool *pool, const struct product *product);

/* Rows of a work-item (ROWS of cl/group_tile.h) for so many rows of the result. */
#define GEMM_GROUP_STEP 16 /* of k at a time */
int gemm_group_rows(int rows);

/* A product in work-groups: `images` times `rows` rows of the result, `in` of k in so many steps.
 */
struct group_product {
    enum tuned kind; /* whose rows of a tuning table may decide */
    int images, rows, in, columns, steps;
};
/* Rows of a work-item; how many groups along k share the steps of a product, and the steps of each.
 * That orders the sums, so it goes by the rows of one image: how many share a call must not change
 * any. */
struct group_cut {
    int rows, parts, steps;
};
struct group_cut gemm_group_cut(const struct device *device, const struct group_product *product);
/* So many parts, if a table's row asks for them (not 0) and they can be kept; else by rule, for so
 * many tiles of two images. Rows stay 0. */
struct group_cut gemm_cut_tuned(
    const struct device *device, const struct group_product *product, int parts, int tiles);

/* `columns`: a multiple of GEMM_PANEL; tile_rows: of a work-item. */
struct grid gemm_group_grid(int rows, int tile_rows, int columns, int parts);

/* Whether four columns together may come from both inputs, or from none. */
bool gemm_is_odd(const struct product *product);

/* OUTPUT_ARGUMENTS of cl/gemm_quad.h */
#define GEMM_ARGS_OUTPUT(p)                                                                        \
    ARG_BUFFER((p)->bias), ARG_TENSOR((p)->residual), ARG_INT(tensor_stride((p)->residual)),       \
        ARG_TENSOR((p)->y), ARG_INT((p)->y->stride), ARG_INT((int)tensor_pixels((p)->y)),          \
        ARG_INT((p)->out)

/* y of the sums [parts][1][rows][columns] of parts along k. */
enum clat_status gemm_groups_end(
    struct device *device, const struct product *product, const struct tensor *partial);

/* ---- gemm_matrix.c: products on the matrix unit of sub-groups, for GPUs --------------------- */
#define GEMM_MATRIX_STEP 32 /* of k at a time */

/* Whether the device has one, and a layer loaded now is packed for it. */
bool gemm_matrix_can(const struct device *device);
bool gemm_matrix_suits(const struct device *device, int out, int in);

/* A step of one column, `stride` numbers apart, zero beyond `count`; and columns from first_column
 * up to `end` of weights as linear_load() gets them: [panels][steps][64][32] numbers of 16 bits. */
void gemm_matrix_pack_column(const float *values, int count, int stride, bool bf16, uint16_t *to);
void gemm_matrix_pack(const float *weight, int out, int in, bool pairs, bool bf16, int first_column,
    int end, uint16_t *packed);

/* What a group computes: rows x panels of 64 columns. The rest as gemm_group_...() */
struct matrix_tile {
    int rows, panels;
};
struct matrix_tile gemm_matrix_tile(
    const struct device *device, const struct group_product *product);
struct group_cut gemm_matrix_cut(const struct device *device, const struct group_product *product);
struct grid gemm_matrix_grid(struct matrix_tile tile, int rows, int columns, int parts);
/* Those of the unit and the tile. */
#define GEMM_MATRIX_OPTIONS 128
void gemm_matrix_options(const struct device *device, bool bf16, struct matrix_tile tile,
    char options[GEMM_MATRIX_OPTIONS]);

enum clat_status gemm_matrix_run(struct pool *pool, const struct product *product);

/* ---- gemm_tile.c: products on a matrix unit, weights as pairs of bf16 ----------------------- */
/* Whether a layer loaded now is packed for the unit. */
bool gemm_tile_suits(const struct device *device, int out, int in);

/* Words per packed column. */
int gemm_tile_depth(int in);
/* One column of a step of 32 values: word w of 16, 16 words apart, has values w and w + 16; hi, and
 * two tiles (512 words) later lo. */
void gemm_tile_pack_column(const float values[32], uint32_t *words);
/* Packs columns from first_column up to `end`, multiples of 32, of weights as linear_load() gets
 * them: words [columns/32][depth/32][hi, lo][2][16][16] */
void gemm_tile_pack(
    const float *weight, int out, int in, bool pairs, int first_column, int end, uint32_t *words);

/* Whether that can be done on the device, too. */
bool gemm_tile_packs(const struct device *device);

/* It on the device: weights [columns][count] in rows of `matrix`, or, transposed,
 * [count][columns]. packed: gemm_columns(columns) x gemm_tile_depth(count) */
enum clat_status gemm_tile_pack_tensor(struct device *device, const struct tensor *matrix,
    bool transposed, const struct tensor *packed);

/* gemm_run() for weights so packed; takes scratch from the back of the pool. */
enum clat_status gemm_tile_run(struct pool *pool, const struct product *product);

/* ---- gemm_clblast.c: rows as they are, products by CLBlast ---------------------------------- */
enum gemm_engine gemm_engine_of(const struct device *device);

/* CLAT_ERROR_USAGE if this library was built without CLBlast. */
bool gemm_clblast_is_there(void);
enum clat_status gemm_clblast_check(void);

/* op_linear for weights [out][in] as they are. */
enum clat_status gemm_clblast_run(struct pool *pool, const struct linear *linear,
    const struct tensor *x, const struct tensor *x2, const struct tensor *residual,
    const struct tensor *y);

#endif
