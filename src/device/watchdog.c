/* watchdog.c - see watchdog.h. SPDX-License-Identifier: MIT */
#include "device/watchdog.h"
#include "base/clock.h"

#include <time.h>

#define NAP_LEAST 20e-6 /* seconds between two questions: a 64th of the time waited so far */
#define NAP_MOST 250e-6

static void nap(double waited)
{
    double seconds = waited / 64;
    if (seconds < NAP_LEAST)
        seconds = NAP_LEAST;
    if (seconds > NAP_MOST)
        seconds = NAP_MOST;
    nanosleep(&(struct timespec){.tv_nsec = (long)(seconds * 1e9)}, NULL);
}

static bool is_done(cl_event event)
{
    cl_int state = CL_COMPLETE;
    cl_int code =
        clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    return code != CL_SUCCESS || state <= CL_COMPLETE;
}

static double patience_of(const struct device *device)
{
    if (device->patience >= 0)
        return device->patience;
    return device->facts.on_host ? 0 : PATIENCE_SECONDS;
}

static enum clat_status give_up(struct device *device)
{
    device->hung = true;
    return status_set(CLAT_ERROR_DEVICE,
        "%s: the driver has not answered for %g seconds: it hangs (device_timeout sets the limit)",
        device->facts.name, patience_of(device));
}

enum clat_status watchdog_wait(struct device *device, cl_event event)
{
    double patience = patience_of(device), begun = clock_seconds(), waited = 0;
    if (device->hung)
        return give_up(device);
    for (; patience > 0 && !is_done(event); waited = clock_seconds() - begun) {
        if (device->cancelled && device->cancelled(device->cancelled_user))
            return status_set(CLAT_CANCELLED, "stopped on request");
        if (waited > patience)
            return give_up(device);
        nap(waited);
    }
    return CLAT_OK;
}

enum clat_status watchdog_drain(struct device *device, cl_command_queue queue)
{
    cl_event event = NULL;
    if (device->hung)
        return give_up(device);
    if (patience_of(device) <= 0)
        return CLAT_OK;
    cl_int code = clEnqueueMarkerWithWaitList(queue, 0, NULL, &event);
    if (code == CL_SUCCESS)
        code = clFlush(queue);
    enum clat_status status = event ? watchdog_wait(device, event) : CLAT_OK;
    if (event && !device->hung)
        clReleaseEvent(event);
    if (status == CLAT_OK && code != CL_SUCCESS)
        return opencl_fault(device, code, "clEnqueueMarkerWithWaitList");
    return status;
}
