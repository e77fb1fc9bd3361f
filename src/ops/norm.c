/* norm.c - group norm as scale and shift, and layer norm. SPDX-License-Identifier: MIT
 *
 * Group norm is three launches (cl/norm.cl): statistics of blocks of pixels, their fold to scale
 * and shift per image and channel, and the application, which a convolution may do itself. Work
 * counted: 8 operations per value for the statistics, 2 for the application, 8 for layer norm (the
 * activation is not counted). */
#include "ops/op.h"
#include "device/fallback.h"
#include "device/launch.h"
#include "device/meter.h"

#include <string.h>

#define BLOCKS_MOST 64         /* per image, so that the fold stays small */
#define BLOCKS_MOST_GROUPS 256 /* of work-groups, which a GPU wants many of */
#define BLOCK_LEAST 32         /* pixels: a tile of the CPU shape */
#define JOB_ELEMENTS 16384
#define GROUP_PIXELS 64 /* of a work-group of `apply` */

struct values {
    const float *from;
    size_t size; /* in bytes */
};

static void copy_values(void *user, void *mapped)
{
    const struct values *values = user;
    memcpy(mapped, values->from, values->size);
}

static enum clat_status load(
    struct device *device, const float *from, int count, struct buffer *buffer)
{
    enum clat_status status;
    struct values values = {from, (size_t)count * sizeof *from};
    TRY(buffer_new(device, values.size, buffer));
    TRY(buffer_fill(device, buffer, copy_values, &values));
out:
    return status;
}

enum clat_status norm_load(struct device *device, const float *gamma, const float *beta,
    int channels, int groups, float eps, struct norm *norm)
{
    enum clat_status status;
    *norm = (struct norm){.channels = channels, .groups = groups, .eps = eps};
    if (channels <= 0 || groups < 0 || (groups > 0 && channels % groups != 0))
        return status_set(
            CLAT_ERROR_INPUT, "%d channels cannot be divided into %d groups", channels, groups);
    TRY(load(device, gamma, channels, &norm->gamma));
    TRY(load(device, beta, channels, &norm->beta));
out:
    if (status != CLAT_OK)
        norm_free(device, norm);
    return status;
}

void norm_free(struct device *device, struct norm *norm)
{
    buffer_free(device, &norm->gamma);
    buffer_free(device, &norm->beta);
}

/* ---- group norm ----------------------------------------------------------------------------- */

/* How the pixels of an image are cut. */
struct cut {
    int pixels, block, blocks;
};

static struct cut cut_of(const struct device *device, const struct tensor *x)
{
    struct cut cut = {.pixels = x->h * x->w, .block = BLOCK_LEAST};
    int whole =
        blocks_of(cut.pixels, device_facts(device)->is_cpu ? BLOCKS_MOST : BLOCKS_MOST_GROUPS);
    if (whole > cut.block)
        cut.block = blocks_of(whole, BLOCK_LEAST) * BLOCK_LEAST;
    cut.blocks = blocks_of(cut.pixels, cut.block);
    return cut;
}

static bool on_cpu(const struct device *device)
{
    const struct device_facts *facts = device_facts(device);
    return facts->is_cpu && !fallback_is_taken(facts, "norm_cpu");
}

/* The CPU shape reads 16 channels at a time. */
static bool use_cpu(const struct device *device, const struct tensor *x)
{
    return on_cpu(device) && x->c % 16 == 0;
}

static const char *file_of(bool cpu)
{
    return cpu ? "norm_cpu" : "norm";
}

/* Work-groups of 32 channels by 16 work-items, for `lines` of them to an image. */
static struct grid column_grid(const struct tensor *x, int lines)
{
    return grid3((size_t)blocks_of(x->c, 32) * 8, (size_t)lines * 16, (size_t)x->n, 8, 16, 1);
}

/* Statistics of one source tensor into columns first.. of partial [n*blocks][2][channels]. */
static enum clat_status stats(struct device *device, const struct tensor *x, const struct cut *cut,
    const struct tensor *partial, int first)
{
    enum clat_status status;
    struct kernel *kernel;
    bool cpu = use_cpu(device, x);
    int parts = x->n * cut->blocks;
    int span = parts < 8 * device_facts(device)->compute_units ? 64 : x->c;
    int jobs = parts * ((x->c + span - 1) / span);
    TRY(kernel_find(device, file_of(cpu), cpu ? "group_stats_cpu" : "group_stats", "", &kernel));
    struct argument arguments[] = {ARG_TENSOR(x), ARG_INT(x->stride), ARG_TENSOR(partial),
        ARG_INT(first), ARG_INT(partial->c), ARG_INT(cut->pixels), ARG_INT(x->c),
        ARG_INT(cut->block), ARG_INT(cut->blocks), ARG_INT(span), ARG_INT(jobs),
        ARG_BUFFER(device_counter(device))};
    struct grid grid = cpu ? grid_jobs(device) : column_grid(x, cut->blocks);
    TRY(launch_array(device, kernel, grid, arguments, cpu ? 12 : 9));
    device_count_work(device, 8.0 * (double)tensor_elements(x));
out:
    return status;
}

/* Partial statistics of x and x2 to scale and shift. */
static enum clat_status fold_stats(struct device *device, const struct norm *norm,
    const struct tensor *x, const struct tensor *x2, const struct cut *cut,
    const struct tensor *partial, const struct tensor *fold)
{
    enum clat_status status;
    struct kernel *kernel;
    bool cpu = on_cpu(device);
    TRY(kernel_find(device, file_of(cpu), cpu ? "group_fold_cpu" : "group_fold", "", &kernel));
    struct argument arguments[] = {ARG_TENSOR(x), ARG_INT(x->stride), ARG_INT(x->c), ARG_TENSOR(x2),
        ARG_INT(x2 ? x2->stride : 0), ARG_TENSOR(partial), ARG_BUFFER(&norm->gamma),
        ARG_BUFFER(&norm->beta), ARG_TENSOR(fold), ARG_INT(fold->stride), ARG_INT(cut->pixels),
        ARG_INT(norm->channels), ARG_INT(norm->groups), ARG_INT(cut->block), ARG_INT(cut->blocks),
        ARG_FLOAT(norm->eps), ARG_INT(x->n * norm->groups), ARG_BUFFER(device_counter(device))};
    struct grid grid =
        cpu ? grid_jobs(device) : grid2((size_t)norm->groups * 64, (size_t)x->n, 64, 1);
    TRY(launch_array(device, kernel, grid, arguments, cpu ? 18 : 16));
out:
    return status;
}

static enum clat_status check_group_shapes(const char *op, int channels, const struct tensor *x,
    const struct tensor *x2, const struct tensor *fold)
{
    if (x->c + (x2 ? x2->c : 0) != channels)
        return status_set(CLAT_ERROR_INTERNAL, "%s: %d channels and %d more, expected %d", op, x->c,
            x2 ? x2->c : 0, channels);
    if (x2 && (x2->n != x->n || x2->h != x->h || x2->w != x->w))
        return status_set(CLAT_ERROR_INTERNAL, "%s: inputs are %dx%dx%d and %dx%dx%d", op, x->n,
            x->h, x->w, x2->n, x2->h, x2->w);
    if (fold->n != x->n || fold->h != 1 || fold->w != 2 || fold->c != channels)
        return status_set(CLAT_ERROR_INTERNAL, "%s: fold is %dx%dx%dx%d, expected %dx1x2x%d", op,
            fold->n, fold->h, fold->w, fold->c, x->n, channels);
    return CLAT_OK;
}

enum clat_status op_group_norm_fold(struct pool *pool, const struct norm *norm,
    const struct tensor *x, const struct tensor *x2, const struct tensor *fold)
{
    enum clat_status status;
    struct device *device = pool->device;
    struct cut cut = cut_of(device, x);
    struct pool_mark mark = pool_mark(pool);
    struct tensor partial;
    TRY(check_group_shapes("op_group_norm_fold", norm->channels, x, x2, fold));
    METER(device, meter_bytes(x) + meter_bytes(x2), "group norm, moments", "%dx%dx%dx%d", x->n,
        x->h, x->w, norm->channels);
    CALL(device, "group norm", false, 8.0 * x->n * x->h * x->w * norm->channels, x->n, x->h, x->w,
        x->c, x2 ? x2->c : 0, norm->groups);
    TRY(pool_take(pool, POOL_BACK, x->n, cut.blocks, 2, norm->channels, &partial));
    TRY(stats(device, x, &cut, &partial, 0));
    if (x2)
        TRY(stats(device, x2, &cut, &partial, x->c));
    TRY(fold_stats(device, norm, x, x2, &cut, &partial, fold));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

enum clat_status op_group_norm_moments(struct pool *pool, const struct norm *norm,
    const struct tensor *x, const struct tensor *moments)
{
    enum clat_status status;
    struct device *device = pool->device;
    struct cut cut = cut_of(device, x);
    struct pool_mark mark = pool_mark(pool);
    struct kernel *kernel;
    struct tensor partial;
    if (x->n != 1 || x->c != norm->channels || moments->w != 2 || moments->c != norm->groups)
        return status_set(CLAT_ERROR_INTERNAL,
            "op_group_norm_moments: %d images of %d channels, expected 1 of %d; moments %dx%d",
            x->n, x->c, norm->channels, moments->w, moments->c);
    METER(device, meter_bytes(x), "group norm, moments", "%dx%dx%dx%d", x->n, x->h, x->w, x->c);
    TRY(pool_take(pool, POOL_BACK, 1, cut.blocks, 2, norm->channels, &partial));
    TRY(stats(device, x, &cut, &partial, 0));
    TRY(kernel_find(device, "norm", "group_moments", "", &kernel));
    TRY(launch(device, kernel, grid1((size_t)norm->groups * 64, 64), ARG_TENSOR(x),
        ARG_TENSOR(&partial), ARG_TENSOR(moments), ARG_INT(moments->stride), ARG_INT(cut.pixels),
        ARG_INT(norm->channels), ARG_INT(norm->groups), ARG_INT(cut.block), ARG_INT(cut.blocks)));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

enum clat_status op_group_norm_merge(struct pool *pool, const struct norm *norm,
    const struct tensor *moments, int part_pixels, int pixels, const struct tensor *fold)
{
    enum clat_status status;
    struct kernel *kernel;
    int parts = moments->h, width = norm->channels / norm->groups;
    int tail = pixels - (parts - 1) * part_pixels;
    if (moments->c != norm->groups || moments->stride != moments->c || tail < 1 ||
        tail > part_pixels || fold->w != 2 || fold->c != norm->channels)
        return status_set(CLAT_ERROR_INTERNAL,
            "op_group_norm_merge: %d parts of %d pixels, %d in all, %d groups", parts, part_pixels,
            pixels, moments->c);
    METER(pool->device, meter_bytes(moments), "group norm, merge", "%d parts", parts);
    TRY(kernel_find(pool->device, "norm", "group_merge", "", &kernel));
    TRY(launch(pool->device, kernel, grid1((size_t)norm->groups * 64, 64), ARG_TENSOR(moments),
        ARG_INT(norm->groups), ARG_INT(parts), ARG_FLOAT((float)part_pixels * (float)width),
        ARG_FLOAT((float)tail * (float)width), ARG_BUFFER(&norm->gamma), ARG_BUFFER(&norm->beta),
        ARG_TENSOR(fold), ARG_INT(fold->stride), ARG_INT(norm->channels), ARG_FLOAT(norm->eps)));
out:
    return status;
}

/* One source tensor into columns first.. of y. */
static enum clat_status apply(struct device *device, const struct tensor *x,
    const struct tensor *fold, enum activation activation, int first, const struct tensor *y)
{
    enum clat_status status;
    struct kernel *kernel;
    bool cpu = use_cpu(device, x);
    int pixels = x->h * x->w, block = x->c < JOB_ELEMENTS ? JOB_ELEMENTS / x->c : 1;
    int jobs = x->n * ((pixels + block - 1) / block);
    TRY(kernel_find(device, file_of(cpu), cpu ? "group_apply_cpu" : "group_apply",
        activation == ACTIVATION_SILU ? "-DACTIVATION=1" : "", &kernel));
    struct argument arguments[] = {ARG_TENSOR(x), ARG_INT(x->stride), ARG_TENSOR(fold),
        ARG_INT(fold->stride), ARG_TENSOR(y), ARG_INT(y->stride), ARG_INT(first), ARG_INT(pixels),
        ARG_INT(x->c), ARG_INT(block), ARG_INT(jobs), ARG_BUFFER(device_counter(device))};
    struct grid grid = cpu ? grid_jobs(device) : column_grid(x, blocks_of(pixels, GROUP_PIXELS));
    TRY(launch_array(device, kernel, grid, arguments, cpu ? 12 : 9));
    device_count_work(device, 2.0 * (double)tensor_elements(x));
out:
    return status;
}

enum clat_status op_group_norm_apply(struct pool *pool, const struct tensor *x,
    const struct tensor *x2, const struct tensor *fold, enum activation activation,
    const struct tensor *y)
{
    enum clat_status status;
    if (activation != ACTIVATION_NONE && activation != ACTIVATION_SILU)
        return status_set(
            CLAT_ERROR_INTERNAL, "op_group_norm_apply: activation %d", (int)activation);
    TRY(check_group_shapes("op_group_norm_apply", y->c, x, x2, fold));
    METER(pool->device, 2 * meter_bytes(y), "group norm, apply", "%dx%dx%dx%d", x->n, x->h, x->w,
        y->c);
    CALL(pool->device, "group norm, apply", false, 2.0 * (double)tensor_elements(y), x->n, x->h,
        x->w, x->c, x2 ? x2->c : 0, (int)activation);
    TRY(apply(pool->device, x, fold, activation, 0, y));
    if (x2)
        TRY(apply(pool->device, x2, fold, activation, x->c, y));
out:
    return status;
}

/* A few thousand values: one kernel does for every device. */
enum clat_status op_group_norm_modulate(struct pool *pool, const struct tensor *fold,
    const struct tensor *modulation, const struct tensor *y)
{
    enum clat_status status;
    struct kernel *kernel;
    if (modulation->n != fold->n || modulation->c != 2 * fold->c || y->n != fold->n ||
        y->c != fold->c || fold->w != 2 || y->w != 2)
        return status_set(CLAT_ERROR_INTERNAL,
            "op_group_norm_modulate: fold is %dx%dx%d, its modulation %dx%d, the result %dx%dx%d",
            fold->n, fold->w, fold->c, modulation->n, modulation->c, y->n, y->w, y->c);
    METER(pool->device, 2 * meter_bytes(fold), "group norm, modulate", "%dx%d", fold->n, fold->c);
    TRY(kernel_find(pool->device, "norm", "group_modulate", "", &kernel));
    TRY(launch(pool->device, kernel, grid2((size_t)fold->c, (size_t)fold->n, 64, 1),
        ARG_TENSOR(fold), ARG_INT(fold->stride), ARG_TENSOR(modulation),
        ARG_INT(modulation->stride), ARG_TENSOR(y), ARG_INT(y->stride), ARG_INT(fold->c)));
out:
    return status;
}

/* ---- layer norm ----------------------------------------------------------------------------- */

enum clat_status op_layer_norm(
    struct pool *pool, const struct norm *norm, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct kernel *kernel;
    struct device *device = pool->device;
    bool cpu = on_cpu(device);
    size_t rows = tensor_pixels(x);
    int block = x->c < JOB_ELEMENTS ? JOB_ELEMENTS / x->c : 1;
    if (x->c != norm->channels || y->c != x->c || tensor_pixels(y) != rows)
        return status_set(CLAT_ERROR_INTERNAL,
            "op_layer_norm: %zu rows of %d to %zu rows of %d, expected %d channels", rows, x->c,
            tensor_pixels(y), y->c, norm->channels);
    METER(device, 2 * meter_bytes(x), "layer norm", "%zu x %d", rows, x->c);
    CALL(device, "layer norm", false, 8.0 * (double)tensor_elements(x), x->n, x->h, x->w, x->c);
    TRY(kernel_find(device, file_of(cpu), cpu ? "layer_norm_cpu" : "layer_norm", "", &kernel));
    struct argument arguments[] = {ARG_TENSOR(x), ARG_INT(x->stride), ARG_BUFFER(&norm->gamma),
        ARG_BUFFER(&norm->beta), ARG_TENSOR(y), ARG_INT(y->stride), ARG_INT(x->c),
        ARG_FLOAT(norm->eps), ARG_INT((int)rows), ARG_INT(block),
        ARG_BUFFER(device_counter(device))};
    TRY(launch_array(
        device, kernel, cpu ? grid_jobs(device) : grid2(32, rows, 32, 4), arguments, cpu ? 11 : 9));
    device_count_work(device, 8.0 * (double)tensor_elements(x));
out:
    return status;
}
