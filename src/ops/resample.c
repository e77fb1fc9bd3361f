/* resample.c - nearest neighbour to any size, mean of 2x2 pixels. SPDX-License-Identifier: MIT
 * No work is counted: the ops move memory. */
#include "ops/op.h"
#include "device/launch.h"
#include "device/meter.h"

/* Kernels multiply a coordinate by a size as int. */
#define SIZE_LIMIT 32768

enum clat_status op_resize_nearest(
    struct pool *pool, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct kernel *kernel;
    struct device *device = pool->device;
    bool cpu = device_facts(device)->is_cpu;
    int lines = y->n * y->h;
    if (x->n != y->n || x->c != y->c)
        return status_set(CLAT_ERROR_INTERNAL,
            "op_resize_nearest: input is %dx%dx%dx%d, output %dx%dx%dx%d", x->n, x->h, x->w, x->c,
            y->n, y->h, y->w, y->c);
    if (x->h > SIZE_LIMIT || x->w > SIZE_LIMIT || y->h > SIZE_LIMIT || y->w > SIZE_LIMIT)
        return status_set(CLAT_ERROR_INPUT,
            "a side of an image is at most %d pixels, to resize "
            "%d x %d to %d x %d was asked for",
            SIZE_LIMIT, x->h, x->w, y->h, y->w);
    METER(device, meter_bytes(x) + meter_bytes(y), "resize", "%dx%dx%dx%d to %dx%d", x->n, x->h,
        x->w, x->c, y->h, y->w);
    TRY(kernel_find(
        device, "resample", cpu ? "resize_nearest_cpu" : "resize_nearest", "", &kernel));
    struct grid grid =
        cpu ? grid_jobs(device) : grid3((size_t)y->c, (size_t)y->w, (size_t)lines, 32, 8, 1);
    struct argument arguments[] = {ARG_TENSOR(x), ARG_INT(x->stride), ARG_TENSOR(y),
        ARG_INT(y->stride), ARG_INT(x->h), ARG_INT(x->w), ARG_INT(y->h), ARG_INT(y->w),
        ARG_INT(y->c), ARG_INT(lines), ARG_BUFFER(device_counter(device))};
    TRY(launch_array(device, kernel, grid, arguments, cpu ? 11 : 9));
out:
    return status;
}

enum clat_status op_mean_2x2(struct pool *pool, const struct tensor *x, const struct tensor *fold,
    bool silu, const struct tensor *y)
{
    static const char *const options[] = {"", "-DFOLD", "-DSILU", "-DFOLD -DSILU"};
    enum clat_status status;
    struct kernel *kernel;
    struct device *device = pool->device;
    bool cpu = device_facts(device)->is_cpu;
    int lines = y->n * y->h;
    if (x->n != y->n || x->c != y->c || y->h != x->h / 2 || y->w != x->w / 2 ||
        (fold && (fold->n != x->n || fold->w != 2 || fold->c != x->c)))
        return status_set(CLAT_ERROR_INTERNAL,
            "op_mean_2x2: input is %dx%dx%dx%d, output %dx%dx%dx%d, or the fold is of another "
            "shape",
            x->n, x->h, x->w, x->c, y->n, y->h, y->w, y->c);
    METER(
        device, meter_bytes(x) + meter_bytes(y), "mean 2x2", "%dx%dx%dx%d", x->n, x->h, x->w, x->c);
    TRY(kernel_find(device, "resample", cpu ? "mean_2x2_cpu" : "mean_2x2",
        options[(fold != NULL) + 2 * silu], &kernel));
    struct grid grid =
        cpu ? grid_jobs(device) : grid3((size_t)y->c, (size_t)y->w, (size_t)lines, 32, 8, 1);
    struct argument arguments[] = {ARG_TENSOR(x), ARG_INT(x->stride), ARG_TENSOR(fold),
        ARG_INT(fold ? fold->stride : 0), ARG_TENSOR(y), ARG_INT(y->stride), ARG_INT(x->h),
        ARG_INT(x->w), ARG_INT(y->h), ARG_INT(y->w), ARG_INT(y->c), ARG_INT(lines),
        ARG_BUFFER(device_counter(device))};
    TRY(launch_array(device, kernel, grid, arguments, cpu ? 13 : 11));
out:
    return status;
}
