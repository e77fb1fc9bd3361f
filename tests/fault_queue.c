/* fault_queue.c - work that a device does not do. SPDX-License-Identifier: MIT
 *
 * Launches and copies that fail, and waiting for what is never done. */
#include "fault_layer.h"

/* Each of these: the fault, or what the driver gives, with its event counted. */
#define QUEUE_CALL(function, parameters, arguments)                                                \
    static cl_int CL_API_CALL function parameters                                                  \
    {                                                                                              \
        cl_int code = fault(CALL_cl##function, context_of_queue(queue));                           \
        if (!code)                                                                                 \
            code = driver->cl##function arguments;                                                 \
        references[EVENTS] += !code && event;                                                      \
        return code;                                                                               \
    }
/* The same of one that may block. */
#define COPY_CALL(function, parameters, arguments)                                                 \
    static cl_int CL_API_CALL function parameters                                                  \
    {                                                                                              \
        if (wait)                                                                                  \
            wait_for_ever(context_of_queue(queue));                                                \
        cl_int code = fault(CALL_cl##function, context_of_queue(queue));                           \
        if (!code)                                                                                 \
            code = driver->cl##function arguments;                                                 \
        references[EVENTS] += !code && event;                                                      \
        return code;                                                                               \
    }
QUEUE_CALL(EnqueueNDRangeKernel,
    (cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
        const size_t *global, const size_t *local, cl_uint count, const cl_event *list,
        cl_event *event),
    (queue, kernel, dimensions, offset, global, local, count, list, event))
QUEUE_CALL(EnqueueUnmapMemObject,
    (cl_command_queue queue, cl_mem memory, void *mapped, cl_uint count, const cl_event *list,
        cl_event *event),
    (queue, memory, mapped, count, list, event))
COPY_CALL(EnqueueReadBuffer,
    (cl_command_queue queue, cl_mem memory, cl_bool wait, size_t offset, size_t size, void *to,
        cl_uint count, const cl_event *list, cl_event *event),
    (queue, memory, wait, offset, size, to, count, list, event))
COPY_CALL(EnqueueWriteBuffer,
    (cl_command_queue queue, cl_mem memory, cl_bool wait, size_t offset, size_t size,
        const void *from, cl_uint count, const cl_event *list, cl_event *event),
    (queue, memory, wait, offset, size, from, count, list, event))
COPY_CALL(EnqueueReadBufferRect,
    (cl_command_queue queue, cl_mem memory, cl_bool wait, const size_t *origin, const size_t *host,
        const size_t *region, size_t row, size_t slice, size_t host_row, size_t host_slice,
        void *to, cl_uint count, const cl_event *list, cl_event *event),
    (queue, memory, wait, origin, host, region, row, slice, host_row, host_slice, to, count, list,
        event))
COPY_CALL(EnqueueWriteBufferRect,
    (cl_command_queue queue, cl_mem memory, cl_bool wait, const size_t *origin, const size_t *host,
        const size_t *region, size_t row, size_t slice, size_t host_row, size_t host_slice,
        const void *from, cl_uint count, const cl_event *list, cl_event *event),
    (queue, memory, wait, origin, host, region, row, slice, host_row, host_slice, from, count, list,
        event))
QUEUE_CALL(EnqueueFillBuffer,
    (cl_command_queue queue, cl_mem memory, const void *pattern, size_t pattern_size, size_t offset,
        size_t size, cl_uint count, const cl_event *list, cl_event *event),
    (queue, memory, pattern, pattern_size, offset, size, count, list, event))

static cl_int CL_API_CALL EnqueueMarkerWithWaitList(
    cl_command_queue queue, cl_uint count, const cl_event *list, cl_event *event)
{
    cl_int code = driver->clEnqueueMarkerWithWaitList(queue, count, list, event);
    references[EVENTS] += !code && event;
    return code;
}

static void *CL_API_CALL EnqueueMapBuffer(cl_command_queue queue, cl_mem memory, cl_bool wait,
    cl_map_flags flags, size_t offset, size_t size, cl_uint count, const cl_event *list,
    cl_event *event, cl_int *out)
{
    if (wait)
        wait_for_ever(context_of_queue(queue));
    cl_int code = fault(CALL_clEnqueueMapBuffer, context_of_queue(queue));
    if (code)
        return refused(code, out);
    void *mapped = driver->clEnqueueMapBuffer(
        queue, memory, wait, flags, offset, size, count, list, event, out);
    references[EVENTS] += mapped && event;
    return mapped;
}

static cl_int CL_API_CALL WaitForEvents(cl_uint count, const cl_event *events)
{
    cl_context context = NULL;
    if (count)
        driver->clGetEventInfo(events[0], CL_EVENT_CONTEXT, sizeof context, &context, NULL);
    wait_for_ever(context);
    cl_int code = fault(CALL_clWaitForEvents, context);
    return code ? code : driver->clWaitForEvents(count, events);
}

static cl_int CL_API_CALL GetEventInfo(
    cl_event event, cl_event_info what, size_t size, void *value, size_t *size_out)
{
    cl_context context = NULL;
    cl_int code = driver->clGetEventInfo(event, what, size, value, size_out);
    driver->clGetEventInfo(event, CL_EVENT_CONTEXT, sizeof context, &context, NULL);
    if (what == CL_EVENT_COMMAND_EXECUTION_STATUS && value && is_hung(context))
        *(cl_int *)value = CL_RUNNING;
    return code;
}

static cl_int CL_API_CALL Finish(cl_command_queue queue)
{
    wait_for_ever(context_of_queue(queue));
    cl_int code = fault(CALL_clFinish, context_of_queue(queue));
    return code ? code : driver->clFinish(queue);
}

void take_queue(cl_icd_dispatch *layer)
{
    TAKE(EnqueueNDRangeKernel), TAKE(EnqueueMapBuffer), TAKE(EnqueueUnmapMemObject);
    TAKE(EnqueueReadBuffer), TAKE(EnqueueWriteBuffer), TAKE(EnqueueFillBuffer);
    TAKE(EnqueueReadBufferRect), TAKE(EnqueueWriteBufferRect);
    TAKE(EnqueueMarkerWithWaitList), TAKE(WaitForEvents), TAKE(Finish), TAKE(GetEventInfo);
}
