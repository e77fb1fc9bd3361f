/* buffer.c - memory on the device, counted. SPDX-License-Identifier: MIT
 *
 * Drivers accept buffers that they cannot back and fail much later, so a size is checked against
 * what the device says before it is asked for. On a CPU device the memory is mapped here and lent
 * to the driver (CL_MEM_USE_HOST_PTR): mapping a buffer then copies nothing, large pages can be
 * asked for, and a freed buffer goes back to the system at once, where a driver's malloc might keep
 * it. */
#include "device/opencl.h"
#include "device/parking.h"
#include "device/watchdog.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE ((size_t)4096)
#define LARGE_PAGE ((size_t)2 << 20)

/* Host memory under a buffer, unmapped when the driver has let go of the buffer. */
struct lent {
    void *memory;
    size_t size;
};

static void CL_CALLBACK lent_return(cl_mem memory, void *user)
{
    struct lent *lent = user;
    (void)memory;
    munmap(lent->memory, lent->size);
    free(lent);
}

static enum clat_status lent_new(size_t size, struct lent **out)
{
    struct lent *lent;
    enum clat_status status = memory_new(1, sizeof *lent, &lent);
    if (status != CLAT_OK)
        return status;
    lent->size = (size + PAGE - 1) / PAGE * PAGE;
    lent->memory =
        mmap(NULL, lent->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (lent->memory == MAP_FAILED) {
        free(lent);
        return status_set(CLAT_ERROR_MEMORY, "no host memory for a buffer of %zu bytes", size);
    }
#ifdef MADV_HUGEPAGE
    if (size >= LARGE_PAGE)
        madvise(lent->memory, lent->size, MADV_HUGEPAGE);
#endif
    *out = lent;
    return CLAT_OK;
}

static enum clat_status create_lent(struct device *device, size_t size, cl_mem *memory)
{
    struct lent *lent = NULL;
    cl_int code;
    enum clat_status status = lent_new(size, &lent);
    if (status != CLAT_OK)
        return status;
    *memory = clCreateBuffer(
        device->context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, size, lent->memory, &code);
    if (code == CL_SUCCESS) {
        code = clSetMemObjectDestructorCallback(*memory, lent_return, lent);
        if (code == CL_SUCCESS)
            return CLAT_OK;
        clReleaseMemObject(*memory);
        *memory = NULL;
    }
    lent_return(NULL, lent);
    return opencl_fault(device, code, "a buffer of %zu bytes", size);
}

static enum clat_status create(struct device *device, size_t size, cl_mem *memory)
{
    cl_int code;
    if (device->facts.on_host)
        return create_lent(device, size, memory);
    *memory = clCreateBuffer(device->context, CL_MEM_READ_WRITE, size, NULL, &code);
    if (code == CL_OUT_OF_RESOURCES) /* what some drivers say when memory is short */
        code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    if (code != CL_SUCCESS)
        return opencl_fault(device, code, "a buffer of %zu bytes", size);
    return CLAT_OK;
}

static enum clat_status check_fits(const struct device *device, size_t size)
{
    const struct device_facts *facts = &device->facts;
    if (size > facts->largest_buffer)
        return status_set(CLAT_ERROR_MEMORY,
            "%s: a buffer of %zu bytes is needed, its largest is %zu bytes", facts->name, size,
            facts->largest_buffer);
    if (size > facts->global_memory || device->used > facts->global_memory - size)
        return status_set(CLAT_ERROR_MEMORY,
            "%s: %zu more bytes are needed, %zu are in use of %zu that the device has", facts->name,
            size, device->used, facts->global_memory);
    return CLAT_OK;
}

static enum clat_status make(struct device *device, size_t size, cl_mem *memory)
{
    enum clat_status status = check_fits(device, size);
    if (status == CLAT_OK)
        status = create(device, size, memory);
    if (status == CLAT_ERROR_MEMORY) {
        device_set_trouble(device, TROUBLE_MEMORY);
        if (!size_add(device->used, size, &device->short_of))
            device->short_of = SIZE_MAX;
    }
    return status;
}

enum clat_status buffer_new(struct device *device, size_t size, struct buffer *buffer)
{
    enum clat_status status = CLAT_OK;
    *buffer = (struct buffer){NULL, 0};
    if (size == 0)
        size = 1;
    if (!device->dry)
        TRY(make(device, size, &buffer->memory));
    buffer->size = size;
    device->used += size;
    if (device->used > device->peak)
        device->peak = device->used;
    if (device->parking)
        TRY(parking_add(device->parking, buffer));
out:
    return status;
}

enum clat_status buffer_touch(struct device *device, const struct buffer *buffer)
{
    const cl_uchar zero = 0;
    if (device->dry || device->facts.on_host)
        return CLAT_OK;
    cl_int code = clEnqueueFillBuffer(
        device->queue, buffer->memory, &zero, sizeof zero, 0, buffer->size, 0, NULL, NULL);
    if (code == CL_SUCCESS) {
        enum clat_status status = watchdog_drain(device, device->queue);
        if (status != CLAT_OK)
            return status;
        code = clFinish(device->queue);
    }
    if (code == CL_OUT_OF_RESOURCES)
        code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    if (code != CL_SUCCESS)
        return opencl_fault(device, code, "the first use of %zu bytes", buffer->size);
    return CLAT_OK;
}

void buffer_free(struct device *device, struct buffer *buffer)
{
    if (buffer->memory && !device->hung)
        clReleaseMemObject(buffer->memory);
    device->used -= buffer->size;
    *buffer = (struct buffer){NULL, 0};
}

enum clat_status buffer_fill(struct device *device, struct buffer *buffer,
    void (*fill)(void *user, void *mapped), void *user)
{
    cl_int code;
    if (device->dry)
        return CLAT_OK;
    enum clat_status status = watchdog_drain(device, device->queue);
    if (status != CLAT_OK)
        return status;
    void *mapped = clEnqueueMapBuffer(device->queue, buffer->memory, CL_TRUE,
        CL_MAP_WRITE_INVALIDATE_REGION, 0, buffer->size, 0, NULL, NULL, &code);
    if (code != CL_SUCCESS)
        return opencl_fault(device, code, "mapping a buffer of %zu bytes", buffer->size);
    fill(user, mapped);
    code = clEnqueueUnmapMemObject(device->queue, buffer->memory, mapped, 0, NULL, NULL);
    if (code != CL_SUCCESS)
        return opencl_fault(device, code, "unmapping a buffer of %zu bytes", buffer->size);
    return CLAT_OK;
}
