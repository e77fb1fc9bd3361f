/* device.c - open, close, wait, count. SPDX-License-Identifier: MIT */
#include "device/opencl.h"
#include "device/group_unit.h"
#include "device/matrix_unit.h"
#include "device/prepare.h"
#include "device/program.h"
#include "device/quirk.h"
#include "device/watchdog.h"
#include "device/tuning.h"
#include "device/verdict.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nobody measures with these numbers but dry runs without facts of a real device. */
static const struct device_facts generic_cpu = {
    .name = "generic CPU",
    .vendor = "none",
    .platform = "none (dry run)",
    .on_host = true,
    .is_cpu = true,
    .has_half_storage = true,
    .compute_units = 4,
    .global_memory = (size_t)8 << 30,
    .largest_buffer = (size_t)8 << 30,
    .local_memory = 32768,
    .work_group_limit = 256,
};

static enum clat_status open_queue(struct device *device)
{
    cl_int code;
    device->context = clCreateContext(NULL, 1, &device->id, NULL, NULL, &code);
    if (code != CL_SUCCESS)
        return opencl_fault(device, code, "clCreateContext");
    device->queue = clCreateCommandQueue(device->context, device->id, 0, &code);
    if (code != CL_SUCCESS)
        return opencl_fault(device, code, "clCreateCommandQueue");
    return CLAT_OK;
}

static void zero_counter(void *user, void *mapped)
{
    memset(mapped, 0, *(size_t *)user);
}

static enum clat_status make_counter(struct device *device)
{
    enum clat_status status;
    size_t size = 2 * sizeof(cl_int);
    TRY(buffer_new(device, size, &device->counter));
    TRY(buffer_fill(device, &device->counter, zero_counter, &size));
out:
    return status;
}

/* What a driver that hangs would not take back. */
static void release_context(struct device *device)
{
    if (device->queue)
        clFinish(device->queue);
    if (device->mark)
        clReleaseEvent(device->mark);
    programs_free(device->programs);
    if (device->closing)
        device->closing(device);
    buffer_free(device, &device->counter);
    if (device->queue)
        clReleaseCommandQueue(device->queue);
    if (device->context)
        clReleaseContext(device->context);
}

/* All that belongs to a context, and what was built for it. */
static void close_context(struct device *device)
{
    bool (*cancelled)(void *user) = device->cancelled;
    device->cancelled = NULL; /* no reason not to wait */
    device_prepare_end(device);
    if (device->queue)
        watchdog_drain(device, device->queue);
    device->cancelled = cancelled;
    if (!device->hung)
        release_context(device);
    device->mark = NULL;
    device->programs = NULL;
    device->queue = NULL;
    device->context = NULL;
    device->launches = 0;
    device->queued = 0;
    device->closing = NULL;
}

static enum clat_status open_context(struct device *device)
{
    enum clat_status status;
    TRY(open_queue(device));
    TRY(make_counter(device));
out:
    return status;
}

/* What follows from the facts and quirks of a device that was chosen. */
static void begin(struct device *device)
{
    verdicts_forget(device);
    device->has_prefetch = device->facts.on_host && (device->quirks & QUIRK_PREFETCHES);
    device->matrix_unit = MATRIX_UNIT_NONE;
    device->unit = (struct group_unit){0};
    device->matrix_unit_tried = false;
}

enum clat_status device_open(const char *selector, struct device **out_device)
{
    struct device *device = NULL;
    enum clat_status status;
    *out_device = NULL;
    TRY(memory_new(1, sizeof *device, &device));
    TRY(platform_choose(selector, &device->id, &device->facts, &device->quirks));
    begin(device);
    device->patience = -1;
    TRY(open_context(device));
    *out_device = device;
    device = NULL;
out:
    device_close(device);
    return status;
}

enum clat_status device_open_dry(const struct device_facts *facts, struct device **out_device)
{
    struct device *device;
    enum clat_status status = memory_new(1, sizeof *device, &device);
    *out_device = NULL;
    if (status != CLAT_OK)
        return status;
    device->dry = true;
    device->facts = facts ? *facts : generic_cpu;
    device->matrix_unit = device->facts.matrix_unit;
    device->unit = device->facts.unit;
    *out_device = device;
    return CLAT_OK;
}

void device_close(struct device *device)
{
    if (!device)
        return;
    close_context(device);
    if (!device->dry)
        tuning_free(device->facts.tuning);
    verdicts_forget(device);
    free(device);
}

void device_set_trouble(struct device *device, enum device_trouble trouble)
{
    if (trouble == TROUBLE_MEMORY)
        device->short_of = device->used;
    if (trouble > device->trouble)
        device->trouble = trouble;
}

enum device_trouble device_trouble(const struct device *device)
{
    return device->trouble;
}

enum device_trouble device_take_trouble(struct device *device)
{
    enum device_trouble trouble = device->trouble;
    device->trouble = TROUBLE_NONE;
    return trouble;
}

enum clat_status device_reopen(struct device *device)
{
    close_context(device);
    device_take_trouble(device);
    return open_context(device);
}

enum clat_status device_move(struct device *device)
{
    enum clat_status status;
    struct tuning *tuning = device->facts.tuning;
    TRY(platform_next(&device->id, &device->facts, &device->quirks));
    device->facts.tuning = tuning;
    if (tuning)
        tuning_fit(tuning, &device->facts);
    begin(device);
    TRY(device_reopen(device));
out:
    return status;
}

const struct device_facts *device_facts(const struct device *device)
{
    return &device->facts;
}

bool device_is_dry(const struct device *device)
{
    return device->dry;
}

enum clat_status device_finish(struct device *device)
{
    enum clat_status status = CLAT_OK;
    if (device->dry)
        return CLAT_OK;
    TRY(watchdog_drain(device, device->queue));
    cl_int code = clFinish(device->queue);
    if (device->mark) {
        status = opencl_await(device, device->mark);
        clReleaseEvent(device->mark);
        device->mark = NULL;
    }
    device->launches = 0;
    device->queued = 0;
    device->landed = 0;
    if (status == CLAT_OK && code != CL_SUCCESS)
        status = opencl_fault(device, code, "clFinish");
out:
    return status;
}

void device_set_patience(struct device *device, double seconds)
{
    device->patience = seconds;
}

void device_on_cancel(struct device *device, bool (*cancelled)(void *user), void *user)
{
    device->cancelled = cancelled;
    device->cancelled_user = user;
}

void device_on_close(struct device *device, void (*closing)(struct device *device))
{
    device->closing = closing;
}

void device_on_build(struct device *device,
    void (*building)(void *user, const char *program, int n, int total), void *user)
{
    device->building = building;
    device->building_user = user;
}

void device_on_warning(
    struct device *device, void (*warn)(void *user, const char *sentence), void *user)
{
    device->warn = warn;
    device->warn_user = user;
}

void device_count_work(struct device *device, double flop)
{
    device->work += flop;
}

double device_work(const struct device *device)
{
    return device->work;
}

size_t device_memory_used(const struct device *device)
{
    return device->used;
}

size_t device_memory_peak(const struct device *device)
{
    return device->peak;
}

size_t device_memory_short(const struct device *device)
{
    return device->short_of;
}

void device_memory_peak_reset(struct device *device)
{
    device->peak = device->used;
}

const struct buffer *device_counter(struct device *device)
{
    return &device->counter;
}

bool device_force_shape(struct device *device, bool cpu)
{
    if (cpu && device->facts.groups_only)
        return false;
    device->facts.is_cpu = cpu;
    return true;
}

void device_force_launch(struct device *device, size_t groups)
{
    device->facts.launch_groups = groups;
}

void device_use_generic(struct device *device, bool generic)
{
    struct device_facts *facts = &device->facts;
    if (generic && !facts->generic)
        device->was_cpu = facts->is_cpu;
    if (generic)
        facts->is_cpu = false;
    else if (facts->generic)
        facts->is_cpu = device->was_cpu;
    facts->generic = generic;
}

void device_allow_matrix_unit(struct device *device, bool allowed)
{
    if (allowed && !device->dry && !device->matrix_unit_tried) {
        device->matrix_unit = matrix_unit_try(device);
        device->unit = group_unit_try(device);
        device->matrix_unit_tried = true;
    }
    device->facts.matrix_unit = allowed ? device->matrix_unit : MATRIX_UNIT_NONE;
    device->facts.unit = allowed ? device->unit : (struct group_unit){0};
}

void device_force_matrix_unit(struct device *device, enum matrix_unit unit)
{
    device->facts.matrix_unit = unit;
}

void device_force_unit(struct device *device, struct group_unit unit)
{
    device->facts.unit = unit;
}

void device_store_half(struct device *device, bool half)
{
    device->stores_half = half;
}

bool device_stores_half(const struct device *device)
{
    return device->stores_half;
}
