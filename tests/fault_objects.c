/* fault_objects.c - contexts, queues and buffers that cannot be had. SPDX-License-Identifier: MIT
 *
 * References to all kinds of objects are counted: what is left at the end was leaked. A device may
 * have room for fewer bytes than it says. */
#include "fault_layer.h"

#include <pthread.h>
#include <stdlib.h>

/* ---- references ----------------------------------------------------------------------------- */

const char *const kind_names[KINDS] = {
    "contexts", "queues", "buffers", "programs", "kernels", "events"};
atomic_int references[KINDS];

#define RETAIN(function, type, kind)                                                               \
    static cl_int CL_API_CALL Retain##function(type object)                                        \
    {                                                                                              \
        cl_int code = driver->clRetain##function(object);                                          \
        references[kind] += code == CL_SUCCESS;                                                    \
        return code;                                                                               \
    }
#define RELEASE(function, type, kind)                                                              \
    static cl_int CL_API_CALL Release##function(type object)                                       \
    {                                                                                              \
        cl_int code = driver->clRelease##function(object);                                         \
        references[kind] -= code == CL_SUCCESS;                                                    \
        return code;                                                                               \
    }
RETAIN(Context, cl_context, CONTEXTS)
RELEASE(Context, cl_context, CONTEXTS)
RETAIN(CommandQueue, cl_command_queue, QUEUES)
RELEASE(CommandQueue, cl_command_queue, QUEUES)
RETAIN(MemObject, cl_mem, BUFFERS)
RETAIN(Program, cl_program, PROGRAMS)
RELEASE(Program, cl_program, PROGRAMS)
RETAIN(Kernel, cl_kernel, KERNELS)
RELEASE(Kernel, cl_kernel, KERNELS)
RETAIN(Event, cl_event, EVENTS)
RELEASE(Event, cl_event, EVENTS)

void *created(void *object, enum kind kind)
{
    references[kind] += object != NULL;
    return object;
}

void *refused(cl_int code, cl_int *out)
{
    if (out)
        *out = code;
    return NULL;
}

/* ---- contexts and queues -------------------------------------------------------------------- */

static cl_context CL_API_CALL CreateContext(const cl_context_properties *properties, cl_uint count,
    const cl_device_id *ids, void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *),
    void *user, cl_int *out)
{
    number_of(ids[0]);
    cl_int code = fault(CALL_clCreateContext, NULL);
    if (code)
        return refused(code, out);
    cl_context context = driver->clCreateContext(properties, count, ids, notify, user, out);
    revive(context);
    return created(context, CONTEXTS);
}

static cl_command_queue CL_API_CALL CreateCommandQueue(
    cl_context context, cl_device_id id, cl_command_queue_properties properties, cl_int *out)
{
    cl_int code = fault(CALL_clCreateCommandQueue, context);
    if (code)
        return refused(code, out);
    return created(driver->clCreateCommandQueue(context, id, properties, out), QUEUES);
}

/* ---- buffers -------------------------------------------------------------------------------- */

#define SLOTS 8192
static struct {
    cl_mem memory;
    size_t size;
} slots[SLOTS];
static size_t in_use;
static pthread_mutex_t buffers_lock = PTHREAD_MUTEX_INITIALIZER;

static void note_buffer(cl_mem memory, size_t size)
{
    pthread_mutex_lock(&buffers_lock);
    for (int i = 0; memory && i < SLOTS; i++)
        if (!slots[i].memory) {
            slots[i].memory = memory;
            slots[i].size = size;
            in_use += size;
            break;
        }
    pthread_mutex_unlock(&buffers_lock);
}

static void forget_buffer(cl_mem memory)
{
    pthread_mutex_lock(&buffers_lock);
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].memory == memory) {
            in_use -= slots[i].size;
            slots[i].memory = NULL;
            break;
        }
    pthread_mutex_unlock(&buffers_lock);
}

static bool is_full(size_t size)
{
    const char *capacity = getenv("CLFAULT_CAPACITY");
    bool full = capacity && in_use + size > strtoull(capacity, NULL, 10);
    fired += full;
    return full;
}

static cl_mem CL_API_CALL CreateBuffer(
    cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *out)
{
    cl_int code = fault(CALL_clCreateBuffer, context);
    if (code || is_full(size))
        return refused(code ? code : CL_MEM_OBJECT_ALLOCATION_FAILURE, out);
    cl_mem memory = driver->clCreateBuffer(context, flags, size, host, out);
    note_buffer(memory, size);
    return created(memory, BUFFERS);
}

static cl_int CL_API_CALL ReleaseMemObject(cl_mem memory)
{
    forget_buffer(memory);
    cl_int code = driver->clReleaseMemObject(memory);
    references[BUFFERS] -= code == CL_SUCCESS;
    return code;
}

void take_objects(cl_icd_dispatch *layer)
{
    TAKE(CreateContext), TAKE(RetainContext), TAKE(ReleaseContext);
    TAKE(CreateCommandQueue), TAKE(RetainCommandQueue), TAKE(ReleaseCommandQueue);
    TAKE(CreateBuffer), TAKE(RetainMemObject), TAKE(ReleaseMemObject);
    TAKE(RetainProgram), TAKE(ReleaseProgram), TAKE(RetainKernel), TAKE(ReleaseKernel);
    TAKE(RetainEvent), TAKE(ReleaseEvent);
}
