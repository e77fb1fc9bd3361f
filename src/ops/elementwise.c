/* elementwise.c - activation, sum, scale and shift. SPDX-License-Identifier: MIT
 *
 * One kernel per operation and shape (cl/elementwise.cl). Dense tensors are seen as few long rows,
 * so that few channels do not waste a group. No work is counted: these ops move memory. */
#include "ops/op.h"
#include "device/launch.h"
#include "device/meter.h"

#define JOB_ELEMENTS 16384 /* per job of the CPU shape: about 20 microseconds */
#define LONG_ROW 1024      /* dense tensors are cut into rows of this many */

/* How the kernels see the tensors: `rows` rows of c values. */
struct layout {
    int rows, c, block;
    bool cpu;
};

static bool is_dense(const struct tensor *tensor)
{
    return tensor->stride == tensor->c;
}

static int job_rows(int c)
{
    return c < JOB_ELEMENTS ? JOB_ELEMENTS / c : 1;
}

static struct layout layout_of(const struct pool *pool, const struct tensor *y, bool dense)
{
    struct layout layout = {.rows = (int)tensor_pixels(y), .c = y->c};
    layout.cpu = device_facts(pool->device)->is_cpu;
    size_t elements = tensor_elements(y);
    if (dense && elements % LONG_ROW == 0) {
        layout.rows = (int)(elements / LONG_ROW);
        layout.c = LONG_ROW;
    }
    layout.block = job_rows(layout.c);
    return layout;
}

/* The row stride of a tensor under that layout. */
static int stride_of(const struct tensor *tensor, const struct layout *layout)
{
    return is_dense(tensor) ? layout->c : tensor->stride;
}

static struct grid grid_of(const struct pool *pool, const struct layout *layout)
{
    if (layout->cpu)
        return grid_jobs(pool->device);
    return grid2((size_t)layout->c, (size_t)layout->rows, 64, 4);
}

static enum clat_status check_shapes(const char *op, const struct tensor *x, const struct tensor *y)
{
    if (x->n == y->n && x->h == y->h && x->w == y->w && x->c == y->c)
        return CLAT_OK;
    return status_set(CLAT_ERROR_INTERNAL, "%s: input is %dx%dx%dx%d, output %dx%dx%dx%d", op, x->n,
        x->h, x->w, x->c, y->n, y->h, y->w, y->c);
}

enum clat_status op_activate(
    struct pool *pool, const struct tensor *x, enum activation activation, const struct tensor *y)
{
    static const char *const options[] = {[ACTIVATION_NONE] = "-DACTIVATION=0",
        [ACTIVATION_SILU] = "-DACTIVATION=1",
        [ACTIVATION_GELU] = "-DACTIVATION=2",
        [ACTIVATION_QUICK_GELU] = "-DACTIVATION=3"};
    struct layout layout = layout_of(pool, y, is_dense(x) && is_dense(y));
    struct kernel *kernel;
    enum clat_status status;
    if (activation > ACTIVATION_QUICK_GELU)
        return status_set(CLAT_ERROR_INTERNAL, "op_activate: activation %d", (int)activation);
    TRY(check_shapes("op_activate", x, y));
    METER(pool->device, 2 * meter_bytes(y), "activation", "%zu x %d", tensor_pixels(y), y->c);
    TRY(kernel_find(pool->device, "elementwise", layout.cpu ? "activate_rows_cpu" : "activate_rows",
        options[activation], &kernel));
    struct argument arguments[] = {ARG_TENSOR(x), ARG_INT(stride_of(x, &layout)), ARG_TENSOR(y),
        ARG_INT(stride_of(y, &layout)), ARG_INT(layout.rows), ARG_INT(layout.c),
        ARG_INT(layout.block), ARG_BUFFER(device_counter(pool->device))};
    TRY(launch_array(pool->device, kernel, grid_of(pool, &layout), arguments, layout.cpu ? 8 : 6));
out:
    return status;
}

enum clat_status op_add(
    struct pool *pool, const struct tensor *a, const struct tensor *b, const struct tensor *y)
{
    struct layout layout = layout_of(pool, y, is_dense(a) && is_dense(b) && is_dense(y));
    struct kernel *kernel;
    enum clat_status status;
    TRY(check_shapes("op_add", a, y));
    TRY(check_shapes("op_add", b, y));
    METER(pool->device, 3 * meter_bytes(y), "sum", "%zu x %d", tensor_pixels(y), y->c);
    TRY(kernel_find(
        pool->device, "elementwise", layout.cpu ? "add_rows_cpu" : "add_rows", "", &kernel));
    struct argument arguments[] = {ARG_TENSOR(a), ARG_INT(stride_of(a, &layout)), ARG_TENSOR(b),
        ARG_INT(stride_of(b, &layout)), ARG_TENSOR(y), ARG_INT(stride_of(y, &layout)),
        ARG_INT(layout.rows), ARG_INT(layout.c), ARG_INT(layout.block),
        ARG_BUFFER(device_counter(pool->device))};
    TRY(launch_array(pool->device, kernel, grid_of(pool, &layout), arguments, layout.cpu ? 10 : 8));
out:
    return status;
}

enum clat_status op_affine(
    struct pool *pool, const struct tensor *x, float scale, float shift, const struct tensor *y)
{
    struct layout layout = layout_of(pool, y, is_dense(x) && is_dense(y));
    struct kernel *kernel;
    enum clat_status status;
    TRY(check_shapes("op_affine", x, y));
    METER(pool->device, 2 * meter_bytes(y), "affine", "%zu x %d", tensor_pixels(y), y->c);
    TRY(kernel_find(
        pool->device, "elementwise", layout.cpu ? "affine_rows_cpu" : "affine_rows", "", &kernel));
    struct argument arguments[] = {ARG_TENSOR(x), ARG_INT(stride_of(x, &layout)), ARG_FLOAT(scale),
        ARG_FLOAT(shift), ARG_TENSOR(y), ARG_INT(stride_of(y, &layout)), ARG_INT(layout.rows),
        ARG_INT(layout.c), ARG_INT(layout.block), ARG_BUFFER(device_counter(pool->device))};
    TRY(launch_array(pool->device, kernel, grid_of(pool, &layout), arguments, layout.cpu ? 10 : 8));
out:
    return status;
}
