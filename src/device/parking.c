/* parking.c - see parking.h. SPDX-License-Identifier: MIT */
#include "device/parking.h"
#include "base/memory.h"
#include "device/watchdog.h"

#include <stdlib.h>

#define SMALLEST ((size_t)4096) /* in bytes; what is smaller stays on the device */

void parking_begin(struct device *device, struct parking *parking)
{
    device->parking = parking;
}

enum clat_status parking_add(struct parking *parking, struct buffer *buffer)
{
    enum clat_status status = CLAT_OK;
    if (buffer->size < SMALLEST)
        return CLAT_OK;
    TRY(memory_grow(&parking->items, &parking->capacity, parking->count, sizeof *parking->items));
    parking->items[parking->count++] = (struct parked){buffer, NULL, buffer->size};
out:
    return status;
}

/* The first time; what is on the host stays there. */
static enum clat_status copy_to_host(struct device *device, struct parked *parked)
{
    enum clat_status status = CLAT_OK;
    if (device_is_dry(device) || parked->copy)
        return CLAT_OK;
    TRY(memory_new(parked->size, 1, (char **)&parked->copy));
    cl_int code = clEnqueueReadBuffer(device->queue, parked->buffer->memory, CL_TRUE, 0,
        parked->size, parked->copy, 0, NULL, NULL);
    if (code != CL_SUCCESS)
        status = opencl_fault(device, code, "reading %zu bytes of weights", parked->size);
out:
    return status;
}

enum clat_status parking_leave(struct device *device, const struct parking *parking)
{
    enum clat_status status = CLAT_OK;
    if (parking->count)
        TRY(device_finish(device));
    for (size_t i = 0; i < parking->count; i++) {
        struct parked *parked = &parking->items[i];
        if (parked->buffer->size == 0)
            continue;
        TRY(copy_to_host(device, parked));
        buffer_free(device, parked->buffer);
    }
out:
    return status;
}

enum clat_status parking_return(struct device *device, const struct parking *parking)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < parking->count; i++) {
        struct parked *parked = &parking->items[i];
        if (parked->buffer->size)
            continue;
        TRY(buffer_new(device, parked->size, parked->buffer));
        if (device_is_dry(device))
            continue;
        cl_int code = clEnqueueWriteBuffer(device->queue, parked->buffer->memory, CL_FALSE, 0,
            parked->size, parked->copy, 0, NULL, NULL);
        if (code != CL_SUCCESS)
            TRY(opencl_fault(device, code, "writing %zu bytes of weights", parked->size));
    }
out:
    return status;
}

size_t parking_size(const struct parking *parking)
{
    size_t size = 0;
    for (size_t i = 0; i < parking->count; i++)
        size += parking->items[i].size;
    return size;
}

void parking_free(struct parking *parking)
{
    for (size_t i = 0; i < parking->count; i++)
        free(parking->items[i].copy);
    free(parking->items);
    *parking = (struct parking){.count = 0};
}
