/* meter.c - what each op costs. SPDX-License-Identifier: MIT
 *
 * While it runs, calls of ops and events of launches are only listed; they are asked for their
 * times and joined to rows at the end. */
#include "device/meter.h"
#include "base/memory.h"
#include "device/meter_launch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct call {
    char op[24], shape[64];
    double bytes, work; /* device_work() at its start */
    size_t row;
};

struct launched {
    size_t call;
    const struct kernel *kernel;
    cl_event event;
    double seconds;
    size_t row; /* of its call */
};

struct meter {
    cl_command_queue plain; /* the device's own queue */
    struct call *calls;
    struct launched *launches;
    size_t call_count, call_room, launch_count, launch_room;
    enum clat_status status; /* of listing */
};

bool meter_runs(const struct device *device)
{
    return device->meter != NULL;
}

double meter_bytes(const struct tensor *tensor)
{
    return tensor ? (double)sizeof(float) * (double)tensor_elements(tensor) : 0;
}

enum clat_status meter_start(struct device *device)
{
    enum clat_status status = CLAT_OK;
    struct meter *meter = NULL;
    cl_int code;
    TRY(device_finish(device));
    TRY(memory_new(1, sizeof *meter, &meter));
    meter->plain = device->queue;
    cl_command_queue queue =
        clCreateCommandQueue(device->context, device->id, CL_QUEUE_PROFILING_ENABLE, &code);
    if (code != CL_SUCCESS)
        TRY(opencl_fault(device, code, "clCreateCommandQueue for profiling"));
    device->queue = queue;
    device->meter = meter;
    meter = NULL;
    meter_op(device, 0, "other", "%s", "");
out:
    free(meter);
    return status;
}

void meter_op(struct device *device, double bytes, const char *op, const char *shape, ...)
{
    struct meter *meter = device->meter;
    struct call call = {.bytes = bytes, .work = device_work(device)};
    va_list arguments;
    snprintf(call.op, sizeof call.op, "%s", op);
    va_start(arguments, shape);
    vsnprintf(call.shape, sizeof call.shape, shape, arguments);
    va_end(arguments);
    if (meter->status == CLAT_OK)
        meter->status =
            memory_grow(&meter->calls, &meter->call_room, meter->call_count, sizeof *meter->calls);
    if (meter->status == CLAT_OK)
        meter->calls[meter->call_count++] = call;
}

void meter_launch(struct device *device, const struct kernel *kernel, cl_event event)
{
    struct meter *meter = device->meter;
    if (meter->status == CLAT_OK)
        meter->status = memory_grow(
            &meter->launches, &meter->launch_room, meter->launch_count, sizeof *meter->launches);
    if (meter->status != CLAT_OK)
        return;
    clRetainEvent(event);
    meter->launches[meter->launch_count++] =
        (struct launched){.call = meter->call_count - 1, .kernel = kernel, .event = event};
}

/* ---- the rows ------------------------------------------------------------------------------- */

static enum clat_status ask_seconds(struct device *device, struct launched *launched)
{
    cl_ulong start, end;
    cl_int code = clGetEventProfilingInfo(
        launched->event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL);
    if (code == CL_SUCCESS)
        code = clGetEventProfilingInfo(
            launched->event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
    if (code != CL_SUCCESS)
        return opencl_fault(device, code, "times of kernel %s", launched->kernel->function);
    launched->seconds = end > start ? 1e-9 * (double)(end - start) : 0;
    return CLAT_OK;
}

/* The row of that op and shape, a new one if there is none. */
static size_t find_row(struct meter_row *rows, size_t *count, const struct call *call)
{
    size_t i = 0;
    while (i < *count &&
           (strcmp(rows[i].op, call->op) != 0 || strcmp(rows[i].shape, call->shape) != 0))
        i++;
    if (i == *count) {
        rows[i] = (struct meter_row){.calls = 0};
        memcpy(rows[i].op, call->op, sizeof rows[i].op);
        memcpy(rows[i].shape, call->shape, sizeof rows[i].shape);
        ++*count;
    }
    return i;
}

/* Counts every call into its row. */
static void add_calls(const struct device *device, struct meter_row *rows, size_t *count)
{
    const struct meter *meter = device->meter;
    for (size_t i = 0; i < meter->call_count; i++) {
        struct call *call = &meter->calls[i];
        bool last = i + 1 == meter->call_count;
        call->row = find_row(rows, count, call);
        rows[call->row].calls++;
        rows[call->row].bytes += call->bytes;
        rows[call->row].flop += (last ? device_work(device) : call[1].work) - call->work;
    }
}

static int by_row(const void *a, const void *b)
{
    const struct launched *x = a, *y = b;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return (x->kernel > y->kernel) - (x->kernel < y->kernel);
}

static void name_kernel(const struct kernel *kernel, char *name, size_t size)
{
    const struct program *program = kernel->program;
    snprintf(name, size, "%s.%s%s%s", program->file, kernel->function,
        program->options[0] ? " " : "", program->options);
}

/* Adds the launches, in the order of by_row, to their rows, and names the longest kernel of each.
 */
static void add_launches(const struct meter *meter, struct meter_row *rows)
{
    double longest = -1;
    for (size_t i = 0, next; i < meter->launch_count; i = next) {
        const struct launched *first = &meter->launches[i];
        double seconds = 0;
        for (next = i; next < meter->launch_count && by_row(first, &meter->launches[next]) == 0;)
            seconds += meter->launches[next++].seconds;
        if (i == 0 || first[-1].row != first->row)
            longest = -1;
        if (seconds > longest)
            name_kernel(first->kernel, rows[first->row].kernel, sizeof rows->kernel);
        longest = seconds > longest ? seconds : longest;
        rows[first->row].seconds += seconds;
    }
}

static int by_seconds(const void *a, const void *b)
{
    double x = ((const struct meter_row *)a)->seconds, y = ((const struct meter_row *)b)->seconds;
    return (x < y) - (x > y);
}

/* Names under which nothing was launched say nothing. */
static void drop_empty(struct meter_row *rows, size_t *count)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (rows[i].kernel[0])
            rows[kept++] = rows[i];
    *count = kept;
}

static enum clat_status make_rows(struct device *device, struct meter_row **rows, size_t *count)
{
    enum clat_status status;
    struct meter *meter = device->meter;
    TRY(meter->status);
    TRY(memory_new(meter->call_count, sizeof **rows, rows));
    add_calls(device, *rows, count);
    for (size_t i = 0; i < meter->launch_count; i++) {
        struct launched *launched = &meter->launches[i];
        launched->row = meter->calls[launched->call].row;
        TRY(ask_seconds(device, launched));
    }
    if (meter->launch_count)
        qsort(meter->launches, meter->launch_count, sizeof *meter->launches, by_row);
    add_launches(meter, *rows);
    drop_empty(*rows, count);
    qsort(*rows, *count, sizeof **rows, by_seconds);
out:
    return status;
}

static void meter_free(struct device *device)
{
    struct meter *meter = device->meter;
    for (size_t i = 0; i < meter->launch_count; i++)
        clReleaseEvent(meter->launches[i].event);
    clReleaseCommandQueue(device->queue);
    device->queue = meter->plain;
    device->meter = NULL;
    free(meter->calls);
    free(meter->launches);
    free(meter);
}

enum clat_status meter_stop(struct device *device, struct meter_row **rows, size_t *count)
{
    *rows = NULL;
    *count = 0;
    if (!device->meter)
        return CLAT_OK;
    enum clat_status status = device_finish(device);
    if (status == CLAT_OK)
        status = make_rows(device, rows, count);
    meter_free(device);
    if (status != CLAT_OK) {
        free(*rows);
        *rows = NULL;
        *count = 0;
    }
    return status;
}
