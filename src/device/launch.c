/* launch.c - kernels into the queue. SPDX-License-Identifier: MIT
 *
 * The queue is in order and kept short: every LAUNCH_STRIDE launches one is marked with an event,
 * or before that if they are much work, and the mark before it is waited for. So a cancelled job
 * stops soon, and a fault is seen near its cause. A launch that a GPU needs long for, or nobody
 * knows how long, goes in parts (launch_parts.c). */
#include "device/launch.h"
#include "base/clock.h"
#include "device/fallback.h"
#include "device/launch_parts.h"
#include "device/meter_launch.h"
#include "device/prepare.h"
#include "device/program.h"

static size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

struct grid grid1(size_t global, size_t local)
{
    return (struct grid){1, {round_up(global, local), 1, 1}, {local, 1, 1}};
}

struct grid grid2(size_t gx, size_t gy, size_t lx, size_t ly)
{
    return (struct grid){2, {round_up(gx, lx), round_up(gy, ly), 1}, {lx, ly, 1}};
}

struct grid grid3(size_t gx, size_t gy, size_t gz, size_t lx, size_t ly, size_t lz)
{
    return (struct grid){3, {round_up(gx, lx), round_up(gy, ly), round_up(gz, lz)}, {lx, ly, lz}};
}

struct grid grid_jobs(const struct device *device)
{
    int units = device_facts(device)->compute_units;
    return grid1(2 * (size_t)(units > 0 ? units : 1), 1);
}

struct argument argument_tensor(const struct tensor *tensor)
{
    if (!tensor)
        return (struct argument){.kind = ARGUMENT_TENSOR};
    return (struct argument){
        .kind = ARGUMENT_TENSOR, .memory = tensor->memory, .size = tensor->offset};
}

struct argument argument_buffer(const struct buffer *buffer)
{
    return (struct argument){.kind = ARGUMENT_BUFFER, .memory = buffer ? buffer->memory : NULL};
}

/* Sets one argument of ours, which may be two of OpenCL's; *index is moved on. */
static cl_int set_argument(cl_kernel kernel, const struct argument *argument, cl_uint *index)
{
    cl_int code = CL_SUCCESS;
    cl_uint offset = (cl_uint)argument->size;
    switch (argument->kind) {
    case ARGUMENT_TENSOR:
        code = clSetKernelArg(kernel, (*index)++, sizeof(cl_mem), &argument->memory);
        return code ? code : clSetKernelArg(kernel, (*index)++, sizeof offset, &offset);
    case ARGUMENT_BUFFER:
        return clSetKernelArg(kernel, (*index)++, sizeof(cl_mem), &argument->memory);
    case ARGUMENT_INT:
        return clSetKernelArg(kernel, (*index)++, sizeof(cl_int), &argument->int_value);
    case ARGUMENT_FLOAT:
        return clSetKernelArg(kernel, (*index)++, sizeof(cl_float), &argument->float_value);
    case ARGUMENT_LOCAL:
        return clSetKernelArg(kernel, (*index)++, argument->size, NULL);
    }
    return CL_INVALID_ARG_VALUE;
}

enum clat_status kernel_set_arguments(struct device *device, const struct kernel *kernel,
    const struct argument *arguments, size_t count)
{
    cl_uint index = 0;
    for (size_t i = 0; i < count; i++) {
        cl_int code = set_argument(kernel->handle, &arguments[i], &index);
        if (code != CL_SUCCESS)
            return opencl_fault(device, code, "argument %u of kernel %s in cl/%s.cl", index - 1,
                kernel->function, kernel->program->file);
    }
    if (index != kernel->arguments)
        return status_set(CLAT_ERROR_INTERNAL,
            "kernel %s in cl/%s.cl takes %u arguments, %u were given", kernel->function,
            kernel->program->file, kernel->arguments, index);
    return CLAT_OK;
}

static size_t group_size(const struct grid *grid)
{
    return grid->local[0] * grid->local[1] * grid->local[2];
}

/* By the fact of the device. Whether this kernel may have such groups only the launch tells:
 * CL_KERNEL_WORK_GROUP_SIZE is wrong in some drivers (32 for every kernel in Mesa 22.3). */
static enum clat_status check_group(
    struct device *device, const struct kernel *kernel, const struct grid *grid)
{
    if (group_size(grid) <= device->facts.work_group_limit)
        return CLAT_OK;
    return status_set(CLAT_ERROR_DEVICE,
        "%s: kernel %s in cl/%s.cl needs work-groups of %zu, the device allows %zu",
        device->facts.name, kernel->function, kernel->program->file, group_size(grid),
        device->facts.work_group_limit);
}

static enum clat_status launch_fault(
    struct device *device, const struct kernel *kernel, const struct grid *grid, cl_int code)
{
    const char *name = kernel->function, *file = kernel->program->file;
    if (code != CL_INVALID_WORK_GROUP_SIZE)
        return opencl_fault(device, code, "kernel %s in cl/%s.cl", name, file);
    enum clat_status status = opencl_fault(device, code,
        "kernel %s in cl/%s.cl with work-groups of %zu, where the driver allows it %zu,", name,
        file, group_size(grid), kernel->work_group_limit);
    fallback_take(device, file);
    return status;
}

/* How fast the device is with what the ops count, from mark to mark. What was waited for something
 * else counts as well: chunks then are smaller than they might be. */
static void learn_rate(struct device *device)
{
    double end = clock_seconds(), seconds = end - device->landed;
    if (device->landed > 0 && seconds > 0 && device->mark_work > 0)
        device->work_rate = device->mark_work / seconds;
    device->landed = end;
}

/* True if what was queued since the mark will take long, where launches do not go in parts. */
static bool is_long(const struct device *device)
{
    double work = device->work - device->marked_work;
    return !device->facts.launch_groups && device->work_rate > 0 &&
           work > device->work_rate * 2 * PACE_SECONDS;
}

/* Makes `event` the mark and waits for the mark before it. */
static enum clat_status move_mark(struct device *device, cl_event event)
{
    enum clat_status status = CLAT_OK;
    clFlush(device->queue);
    if (device->mark) {
        status = opencl_await(device, device->mark);
        clReleaseEvent(device->mark);
        learn_rate(device);
    }
    device->mark = event;
    device->mark_work = device->work - device->marked_work;
    device->marked_work = device->work;
    device->launches = 0;
    device->queued = 0;
    return status;
}

enum clat_status launch_enqueue(struct device *device, const struct kernel *kernel,
    const struct grid *grid, const size_t *offset, const size_t *global, cl_event *event)
{
    cl_event own = NULL, *wanted = event ? event : device->meter ? &own : NULL;
    cl_int code = clEnqueueNDRangeKernel(device->queue, kernel->handle, (cl_uint)grid->dimensions,
        offset, global, grid->local, 0, NULL, wanted);
    if (code != CL_SUCCESS)
        return launch_fault(device, kernel, grid, code);
    if (device->meter)
        meter_launch(device, kernel, *wanted);
    if (own)
        clReleaseEvent(own);
    return CLAT_OK;
}

/* `seconds`: what is known of it, or 0. */
static enum clat_status enqueue_whole(
    struct device *device, const struct kernel *kernel, const struct grid *grid, double seconds)
{
    enum clat_status status;
    cl_event event = NULL;
    device->queued += seconds;
    bool marked =
        ++device->launches >= LAUNCH_STRIDE || device->queued >= PACE_SECONDS || is_long(device);
    TRY(launch_enqueue(device, kernel, grid, NULL, grid->global, marked ? &event : NULL));
    if (marked)
        TRY(move_mark(device, event));
out:
    return status;
}

/* As many enqueues as the limit of the device asks for. */
static enum clat_status enqueue_paced(struct device *device, struct kernel *kernel,
    const struct grid *grid, const struct argument *arguments, size_t count)
{
    size_t groups[3], total = launch_groups(grid, groups);
    struct pace *pace;
    enum clat_status status;
    TRY(launch_pace(device, kernel, grid, arguments, count, &pace));
    if (total > pace->groups)
        return launch_parts(device, kernel, grid, pace);
    TRY(enqueue_whole(device, kernel, grid, pace->seconds * (double)total));
out:
    return status;
}

/* ---- the call ------------------------------------------------------------------------------- */

enum clat_status launch_check_cancel(const struct device *device)
{
    if (device->cancelled && device->cancelled(device->cancelled_user))
        return status_set(CLAT_CANCELLED, "stopped on request");
    return CLAT_OK;
}

static enum clat_status launch_as(struct device *device, struct kernel *kernel,
    const struct grid *grid, const struct argument *arguments, size_t count, bool whole)
{
    enum clat_status status;
    TRY(launch_check_cancel(device));
    if (device->dry)
        TRY(kernel_rehearse(kernel, *grid, arguments, count));
    if (device->dry || grid->global[0] == 0 || grid->global[1] == 0 || grid->global[2] == 0)
        goto out;
    TRY(check_group(device, kernel, grid));
    TRY(kernel_set_arguments(device, kernel, arguments, count));
    if (whole || !device->facts.launch_groups || group_size(grid) == 1)
        TRY(enqueue_whole(device, kernel, grid, 0));
    else
        TRY(enqueue_paced(device, kernel, grid, arguments, count));
out:
    return status;
}

enum clat_status launch_array(struct device *device, struct kernel *kernel, struct grid grid,
    const struct argument *arguments, size_t count)
{
    return launch_as(device, kernel, &grid, arguments, count, false);
}

enum clat_status launch_whole(struct device *device, struct kernel *kernel, struct grid grid,
    const struct argument *arguments, size_t count)
{
    return launch_as(device, kernel, &grid, arguments, count, true);
}
