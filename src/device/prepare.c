/* prepare.c - kernels built while weights load. SPDX-License-Identifier: MIT */
#include "device/prepare.h"
#include "device/program.h"
#include "device/quirk.h"
#include "device/watchdog.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct preparation {
    struct program *programs; /* with kernels that wait, in the order of their first launches */
    cl_command_queue queue;
    cl_mem counter; /* like device_counter(), which the device's own queue may be using */
    cl_event event; /* of the kernel in work, or NULL */
};

enum clat_status kernel_rehearse(
    struct kernel *kernel, struct grid grid, const struct argument *arguments, size_t count)
{
    size_t size;
    if (kernel->rehearsal)
        return CLAT_OK;
    if (!size_mul(count, sizeof *arguments, &size) ||
        !size_add(size, sizeof *kernel->rehearsal, &size))
        return status_set(CLAT_ERROR_INTERNAL, "a launch with %zu arguments", count);
    enum clat_status status = memory_new(size, 1, &kernel->rehearsal);
    if (status != CLAT_OK)
        return status;
    kernel->rehearsal->grid = grid;
    kernel->rehearsal->count = count;
    memcpy(kernel->rehearsal->arguments, arguments, count * sizeof *arguments);
    return CLAT_OK;
}

/* ---- the list: newest first as devices keep it, oldest first here --------------------------- */

static struct kernel *reverse_kernels(struct kernel *list)
{
    struct kernel *reversed = NULL;
    while (list) {
        struct kernel *next = list->next;
        list->next = reversed;
        reversed = list;
        list = next;
    }
    return reversed;
}

static struct program *reverse_programs(struct program *list)
{
    struct program *reversed = NULL;
    while (list) {
        struct program *next = list->next;
        list->kernels = reverse_kernels(list->kernels);
        list->next = reversed;
        reversed = list;
        list = next;
    }
    return reversed;
}

static void drop_first_program(struct preparation *p)
{
    struct program *first = p->programs;
    p->programs = first->next;
    first->next = NULL;
    programs_free(first);
}

/* The first kernel that waits, or NULL. */
static struct kernel *first_kernel(struct preparation *p)
{
    while (p->programs && !p->programs->kernels)
        drop_first_program(p);
    return p->programs ? p->programs->kernels : NULL;
}

static void drop_first_kernel(struct preparation *p)
{
    struct kernel *first = p->programs->kernels;
    p->programs->kernels = first->next;
    first->next = NULL;
    kernels_free(first);
}

/* ---- launches without work ------------------------------------------------------------------ */

/* A CPU-shaped kernel: its last argument is the counter of its jobs (cl/common.h). */
static bool has_jobs(const struct device *device, const struct rehearsal *r)
{
    size_t items = grid_jobs(device).global[0];
    return r && r->count > 0 && r->arguments[r->count - 1].kind == ARGUMENT_BUFFER &&
           r->grid.dimensions == 1 && r->grid.global[0] == items && r->grid.local[0] == 1;
}

/* All arguments are as in the rehearsal, where no tensor has memory; but the number of the next job
 * is beyond all jobs. */
static bool launch_no_jobs(struct device *device, struct preparation *p, struct kernel *rehearsed)
{
    struct rehearsal *r = rehearsed->rehearsal;
    const struct program *program = rehearsed->program;
    struct kernel *kernel;
    static const cl_int no_jobs_left[2] = {1 << 30, 0};
    r->arguments[r->count - 1].memory = p->counter;
    if (kernel_find(device, program->file, rehearsed->function, program->options, &kernel) !=
            CLAT_OK ||
        kernel_set_arguments(device, kernel, r->arguments, r->count) != CLAT_OK)
        return false;
    cl_int code = clEnqueueWriteBuffer(
        p->queue, p->counter, CL_FALSE, 0, sizeof no_jobs_left, no_jobs_left, 0, NULL, NULL);
    if (code == CL_SUCCESS)
        code = clEnqueueNDRangeKernel(p->queue, kernel->handle, (cl_uint)r->grid.dimensions, NULL,
            r->grid.global, r->grid.local, 0, NULL, &p->event);
    return code == CL_SUCCESS && clFlush(p->queue) == CL_SUCCESS;
}

/* True while the driver has not finished the last launch. */
static bool is_busy(struct preparation *p)
{
    cl_int state = CL_COMPLETE;
    if (!p->event)
        return false;
    cl_int code =
        clGetEventInfo(p->event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    if (code == CL_SUCCESS && state > CL_COMPLETE)
        return true;
    clReleaseEvent(p->event);
    p->event = NULL;
    return false;
}

void device_prepare_next(struct device *device)
{
    struct preparation *p = device->preparation;
    bool fine = true;
    if (!p || is_busy(p))
        return;
    struct kernel *kernel = first_kernel(p);
    while (kernel && !has_jobs(device, kernel->rehearsal)) {
        drop_first_kernel(p);
        kernel = first_kernel(p);
    }
    if (kernel) {
        fine = launch_no_jobs(device, p, kernel);
        drop_first_kernel(p);
    }
    if (!kernel || !fine)
        device_prepare_end(device);
}

/* ---- begin and end -------------------------------------------------------------------------- */

static bool open_queue(struct device *device, struct preparation *p)
{
    cl_int code;
    p->queue = clCreateCommandQueue(device->context, device->id, 0, &code);
    if (code != CL_SUCCESS)
        return false;
    p->counter =
        clCreateBuffer(device->context, CL_MEM_READ_WRITE, 2 * sizeof(cl_int), NULL, &code);
    return code == CL_SUCCESS;
}

void device_prepare(struct device *device, struct device *dry)
{
    device_prepare_end(device);
    device_expect_builds(device, dry);
    device_build_ahead(device, dry);
    if (device->dry || !(device->quirks & QUIRK_BUILDS_AT_LAUNCH) ||
        memory_new(1, sizeof *device->preparation, &device->preparation) != CLAT_OK)
        return;
    if (!open_queue(device, device->preparation)) {
        device_prepare_end(device);
        return;
    }
    device->preparation->programs = reverse_programs(dry->programs);
    dry->programs = NULL;
}

static void release_queue(struct preparation *p)
{
    if (p->queue)
        clFinish(p->queue);
    if (p->event)
        clReleaseEvent(p->event);
    if (p->counter)
        clReleaseMemObject(p->counter);
    if (p->queue)
        clReleaseCommandQueue(p->queue);
}

void device_prepare_end(struct device *device)
{
    struct preparation *p = device->preparation;
    if (!p)
        return;
    if (p->queue)
        watchdog_drain(device, p->queue);
    if (!device->hung)
        release_queue(p);
    programs_free(p->programs); /* of the dry device */
    free(p);
    device->preparation = NULL;
}
