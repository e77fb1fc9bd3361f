/* opencl.c - OpenCL's codes as words, and its faults as sentences. SPDX-License-Identifier: MIT */
#include "device/opencl.h"
#include "device/watchdog.h"

#include <stdio.h>
#include <string.h>

#define ROW(word)                                                                                  \
    {                                                                                              \
        word, #word                                                                                \
    }
static const struct {
    cl_int code;
    const char *word;
} words[] = {
    ROW(CL_DEVICE_NOT_FOUND),
    ROW(CL_DEVICE_NOT_AVAILABLE),
    ROW(CL_COMPILER_NOT_AVAILABLE),
    ROW(CL_MEM_OBJECT_ALLOCATION_FAILURE),
    ROW(CL_OUT_OF_RESOURCES),
    ROW(CL_OUT_OF_HOST_MEMORY),
    ROW(CL_MEM_COPY_OVERLAP),
    ROW(CL_BUILD_PROGRAM_FAILURE),
    ROW(CL_MAP_FAILURE),
    ROW(CL_MISALIGNED_SUB_BUFFER_OFFSET),
    ROW(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
    ROW(CL_COMPILE_PROGRAM_FAILURE),
    ROW(CL_LINKER_NOT_AVAILABLE),
    ROW(CL_LINK_PROGRAM_FAILURE),
    ROW(CL_KERNEL_ARG_INFO_NOT_AVAILABLE),
    ROW(CL_INVALID_VALUE),
    ROW(CL_INVALID_DEVICE_TYPE),
    ROW(CL_INVALID_PLATFORM),
    ROW(CL_INVALID_DEVICE),
    ROW(CL_INVALID_CONTEXT),
    ROW(CL_INVALID_QUEUE_PROPERTIES),
    ROW(CL_INVALID_COMMAND_QUEUE),
    ROW(CL_INVALID_HOST_PTR),
    ROW(CL_INVALID_MEM_OBJECT),
    ROW(CL_INVALID_BINARY),
    ROW(CL_INVALID_BUILD_OPTIONS),
    ROW(CL_INVALID_PROGRAM),
    ROW(CL_INVALID_PROGRAM_EXECUTABLE),
    ROW(CL_INVALID_KERNEL_NAME),
    ROW(CL_INVALID_KERNEL_DEFINITION),
    ROW(CL_INVALID_KERNEL),
    ROW(CL_INVALID_ARG_INDEX),
    ROW(CL_INVALID_ARG_VALUE),
    ROW(CL_INVALID_ARG_SIZE),
    ROW(CL_INVALID_KERNEL_ARGS),
    ROW(CL_INVALID_WORK_DIMENSION),
    ROW(CL_INVALID_WORK_GROUP_SIZE),
    ROW(CL_INVALID_WORK_ITEM_SIZE),
    ROW(CL_INVALID_GLOBAL_OFFSET),
    ROW(CL_INVALID_EVENT_WAIT_LIST),
    ROW(CL_INVALID_EVENT),
    ROW(CL_INVALID_OPERATION),
    ROW(CL_INVALID_BUFFER_SIZE),
    ROW(CL_INVALID_GLOBAL_WORK_SIZE),
    ROW(CL_INVALID_PROPERTY),
    ROW(CL_INVALID_COMPILER_OPTIONS),
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
    {-9999, "illegal memory access (NVIDIA)"},
};
#undef ROW

const char *opencl_word(cl_int code)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].code == code)
            return words[i].word;
    return "unknown code";
}

static bool means_memory(cl_int code)
{
    return code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_HOST_MEMORY ||
           code == CL_INVALID_BUFFER_SIZE;
}

bool opencl_means_lost(cl_int code)
{
    return code == CL_DEVICE_NOT_AVAILABLE || code == CL_OUT_OF_RESOURCES ||
           code == CL_INVALID_CONTEXT || code == CL_INVALID_COMMAND_QUEUE || code == -9999 ||
           code == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
}

enum clat_status opencl_fault(struct device *device, cl_int code, const char *format, ...)
{
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (opencl_means_lost(code))
        device_set_trouble(device, TROUBLE_LOST);
    if (!means_memory(code))
        return status_set(CLAT_ERROR_DEVICE, "%s: %s failed: %s (%d)", device->facts.name, what,
            opencl_word(code), code);
    device_set_trouble(device, TROUBLE_MEMORY);
    return status_set(CLAT_ERROR_MEMORY,
        "%s: %s failed: %s (%d); %zu bytes are in use of %zu that the device has",
        device->facts.name, what, opencl_word(code), code, device->used,
        device->facts.global_memory);
}

enum clat_status opencl_await(struct device *device, cl_event event)
{
    cl_int state = CL_COMPLETE;
    enum clat_status status = watchdog_wait(device, event);
    if (status != CLAT_OK)
        return status;
    cl_int code = clWaitForEvents(1, &event);
    clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    if (state < 0)
        return opencl_fault(device, state, "a queued kernel");
    if (code != CL_SUCCESS)
        return opencl_fault(device, code, "clWaitForEvents");
    return CLAT_OK;
}

void opencl_device_string(cl_device_id id, cl_device_info what, char *text, size_t size)
{
    char whole[4096] = "";
    if (clGetDeviceInfo(id, what, sizeof whole - 1, whole, NULL) != CL_SUCCESS)
        whole[0] = '\0';
    snprintf(text, size, "%s", whole + strspn(whole, " "));
}

void opencl_platform_string(cl_platform_id id, cl_platform_info what, char *text, size_t size)
{
    char whole[4096] = "";
    if (clGetPlatformInfo(id, what, sizeof whole - 1, whole, NULL) != CL_SUCCESS)
        whole[0] = '\0';
    snprintf(text, size, "%s", whole + strspn(whole, " "));
}
