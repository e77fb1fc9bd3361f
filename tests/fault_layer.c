/* fault_layer.c - a layer between the OpenCL loader and the driver that makes things go wrong.
 * SPDX-License-Identifier: MIT
 *
 * Loaded by the loader itself: OPENCL_LAYERS=.../fault_layer.so PROGRAM. What goes wrong stands in
 * the environment; counts begin with 1, and a later one is always meant over the whole process:
 *
 *   CLFAULT=clCreateBuffer:-4:17      the 17th call of this function gives -4; 17+ is that one and
 *                                     all later ones; several rules are separated by spaces, and
 *                                     the function "any" counts all that can fail
 *   CLFAULT_LOST="40:-9999 90:-5"     the 40th launch of a kernel gives -9999, and from then on
 *                                     every call on its context fails
 *   CLFAULT_HANG=N                    the N-th launch and what stands behind it is never done, and
 *                                     waiting for it never ends
 *   CLFAULT_HANG_BUILD=N              the N-th program to be built is never done
 *   CLFAULT_DEVICE=N                  the three above are of the N-th device only, counted from 0
 * in the order of the first calls on them, as is what they count CLFAULT_BUILD=TEXT programs whose
 * source holds TEXT do not build CLFAULT_MUTATE='TEXT|OLD|NEW'     in programs whose source holds
 * TEXT, OLD is replaced by NEW CLFAULT_LIMITS="memory=1073741824 gpu=1" what devices say of
 * themselves CLFAULT_PCI=khr | amd | nv        the extension that tells where devices are on the
 * PCI bus: the first at 0001:03:02.1 (amd: 0000:03:02.1), the next in slot 3 CLFAULT_CAPACITY=BYTES
 * buffers beyond so many bytes in all give -4 CLFAULT_LOG=FILE                  receives at exit:
 * faults, calls by function, references to objects that were never released
 *
 * A test that is in the process itself finds the functions of fault.h besides. */
#include "fault.h"

#include <CL/cl_layer.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static const cl_icd_dispatch *driver; /* the loader's own, behind this layer */
static cl_icd_dispatch layer;

/* ---- rules ---------------------------------------------------------------------------------- */

#define CALLS(X)                                                                                   \
    X(clCreateContext)                                                                             \
    X(clCreateCommandQueue)                                                                        \
    X(clCreateBuffer)                                                                              \
    X(clCreateProgramWithSource)                                                                   \
    X(clBuildProgram)                                                                              \
    X(clCreateKernel)                                                                              \
    X(clSetKernelArg)                                                                              \
    X(clEnqueueNDRangeKernel)                                                                      \
    X(clEnqueueMapBuffer)                                                                          \
    X(clEnqueueUnmapMemObject)                                                                     \
    X(clEnqueueReadBuffer)                                                                         \
    X(clEnqueueWriteBuffer)                                                                        \
    X(clEnqueueReadBufferRect)                                                                     \
    X(clEnqueueWriteBufferRect)                                                                    \
    X(clEnqueueFillBuffer)                                                                         \
    X(clWaitForEvents)                                                                             \
    X(clFinish)

#define NAME(call) CALL_##call,
enum call { CALLS(NAME) CALL_COUNT };
#undef NAME
#define NAME(call) #call,
static const char *const call_names[CALL_COUNT] = {CALLS(NAME)};
#undef NAME

static atomic_int counts[CALL_COUNT], total, fired;

#define RULES 8
static struct rule {
    int call; /* CALL_COUNT: any */
    int code, first;
    int last; /* the same, or INT_MAX */
} rules[RULES];
static int rule_count;

static struct loss {
    int launch, code;
} losses[RULES];
static int loss_count;

static int find_call(const char *name)
{
    int call = 0;
    while (call < CALL_COUNT && strcmp(call_names[call], name) != 0)
        call++;
    if (call == CALL_COUNT && strcmp(name, "any") != 0) {
        fprintf(stderr, "fault_layer: no function '%s'\n", name);
        exit(99);
    }
    return call;
}

/* The words of an environment variable, one by one. */
static void each_word(const char *variable, void (*take)(const char *word))
{
    const char *value = getenv(variable);
    char *copy = value ? strdup(value) : NULL, *rest = copy, *word;
    while (rest && (word = strsep(&rest, " ")))
        if (*word)
            take(word);
    free(copy);
}

static void add_rule(const char *word)
{
    char name[64] = "", plus = 0;
    struct rule rule;
    if (sscanf(word, "%63[^:]:%d:%d%c", name, &rule.code, &rule.first, &plus) < 3 ||
        rule_count == RULES)
        exit(99);
    rule.call = find_call(name);
    rule.last = plus == '+' ? 1 << 30 : rule.first;
    rules[rule_count++] = rule;
}

static void add_loss(const char *word)
{
    struct loss loss;
    if (sscanf(word, "%d:%d", &loss.launch, &loss.code) != 2 || loss_count == RULES)
        exit(99);
    losses[loss_count++] = loss;
}

/* ---- contexts that are lost ----------------------------------------------------------------- */

static _Atomic(cl_context) lost_contexts[RULES];

static _Atomic(cl_context) *find_lost(cl_context context)
{
    for (int i = 0; i < RULES; i++)
        if (context && lost_contexts[i] == context)
            return &lost_contexts[i];
    return NULL;
}

static void lose(cl_context context)
{
    for (int i = 0; i < RULES; i++)
        if (!lost_contexts[i]) {
            lost_contexts[i] = context;
            return;
        }
}

static int hung_launch;                  /* 0: none */
static _Atomic(cl_context) hung_context; /* its */

static void wait_for_ever(cl_context context)
{
    while (context && context == hung_context)
        pause();
}

static cl_context context_of_queue(cl_command_queue queue)
{
    cl_context context = NULL;
    driver->clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);
    return context;
}

static cl_context context_of_program(cl_program program)
{
    cl_context context = NULL;
    driver->clGetProgramInfo(program, CL_PROGRAM_CONTEXT, sizeof context, &context, NULL);
    return context;
}

/* 0 for the first device that is seen, 1 for the next, ... */
static int number_of(cl_device_id id)
{
    static _Atomic(cl_device_id) seen[RULES];
    for (int i = 0; i < RULES; i++) {
        cl_device_id none = NULL;
        if (seen[i] == id || atomic_compare_exchange_strong(&seen[i], &none, id) || seen[i] == id)
            return i;
    }
    return RULES;
}

/* False for calls of other devices than CLFAULT_DEVICE; one without a context is of all. */
static bool is_meant(cl_context context)
{
    const char *number = getenv("CLFAULT_DEVICE");
    cl_device_id id = NULL;
    if (!number || !context)
        return true;
    driver->clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof id, &id, NULL);
    return number_of(id) == atoi(number);
}

/* The code that this call fails with, or CL_SUCCESS. */
static cl_int fault(enum call call, cl_context context)
{
    if (!is_meant(context))
        return CL_SUCCESS;
    int count = ++counts[call], any = ++total;
    if (find_lost(context))
        return CL_INVALID_COMMAND_QUEUE;
    for (int i = 0; i < rule_count; i++) {
        int n = rules[i].call == CALL_COUNT ? any : count;
        bool same = rules[i].call == CALL_COUNT || rules[i].call == (int)call;
        if (same && n >= rules[i].first && n <= rules[i].last) {
            fired++;
            return rules[i].code;
        }
    }
    for (int i = 0; call == CALL_clEnqueueNDRangeKernel && i < loss_count; i++)
        if (losses[i].launch == count) {
            fired++;
            lose(context);
            return losses[i].code;
        }
    if (call == CALL_clEnqueueNDRangeKernel && count == hung_launch) {
        fired++;
        hung_context = context;
    }
    return CL_SUCCESS;
}

/* ---- objects -------------------------------------------------------------------------------- */

enum kind { CONTEXTS, QUEUES, BUFFERS, PROGRAMS, KERNELS, EVENTS, KINDS };
static const char *const kind_names[KINDS] = {
    "contexts", "queues", "buffers", "programs", "kernels", "events"};
static atomic_int references[KINDS];

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

/* What a call that makes an object gives: the fault, or the object, counted. */
static void *created(void *object, enum kind kind)
{
    references[kind] += object != NULL;
    return object;
}

static void *refused(cl_int code, cl_int *out)
{
    if (out)
        *out = code;
    return NULL;
}

static cl_context CL_API_CALL CreateContext(const cl_context_properties *properties, cl_uint count,
    const cl_device_id *ids, void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *),
    void *user, cl_int *out)
{
    number_of(ids[0]);
    cl_int code = fault(CALL_clCreateContext, NULL);
    if (code)
        return refused(code, out);
    cl_context context = driver->clCreateContext(properties, count, ids, notify, user, out);
    _Atomic(cl_context) *reused = find_lost(context); /* the address of one that is gone */
    if (reused)
        *reused = NULL;
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

/* ---- buffers: a device may be smaller than it says ------------------------------------------ */

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

/* ---- programs: those that do not build, and those that are changed -------------------------- */

static char mutated_in[256], mutated_from[256], mutated_to[256];

static void read_mutation(void)
{
    const char *value = getenv("CLFAULT_MUTATE");
    if (value &&
        sscanf(value, "%255[^|]|%255[^|]|%255[^|]", mutated_in, mutated_from, mutated_to) != 3)
        exit(99);
}

/* A copy of the text with every OLD replaced by NEW. */
static char *mutate(const char *text)
{
    size_t step = strlen(mutated_from), size;
    char *copy = NULL;
    FILE *stream = open_memstream(&copy, &size);
    while (stream && *text) {
        bool here = strncmp(text, mutated_from, step) == 0;
        if (here)
            fputs(mutated_to, stream);
        else
            fputc(*text, stream);
        text += here ? step : 1;
        fired += here;
    }
    if (stream)
        fclose(stream);
    return copy;
}

static cl_program CL_API_CALL CreateProgramWithSource(
    cl_context context, cl_uint count, const char **texts, const size_t *sizes, cl_int *out)
{
    cl_int code = fault(CALL_clCreateProgramWithSource, context);
    if (code)
        return refused(code, out);
    bool changes = count == 1 && !sizes && *mutated_in && strstr(texts[0], mutated_in);
    char *changed = changes ? mutate(texts[0]) : NULL;
    const char *text = changed ? changed : texts[0];
    cl_program program =
        driver->clCreateProgramWithSource(context, count, changed ? &text : texts, sizes, out);
    free(changed);
    return created(program, PROGRAMS);
}

static bool must_not_build(cl_program program)
{
    const char *word = getenv("CLFAULT_BUILD");
    size_t size = 0;
    char *text = NULL;
    if (word && !driver->clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, NULL, &size))
        text = calloc(size + 1, 1);
    bool found = text && !driver->clGetProgramInfo(program, CL_PROGRAM_SOURCE, size, text, NULL) &&
                 strstr(text, word);
    free(text);
    fired += found;
    return found;
}

static cl_int CL_API_CALL BuildProgram(cl_program program, cl_uint count, const cl_device_id *ids,
    const char *options, void(CL_CALLBACK *notify)(cl_program, void *), void *user)
{
    cl_int code = fault(CALL_clBuildProgram, context_of_program(program));
    const char *hangs = getenv("CLFAULT_HANG_BUILD");
    while (hangs && counts[CALL_clBuildProgram] == atoi(hangs))
        pause();
    if (!code && must_not_build(program))
        code = CL_BUILD_PROGRAM_FAILURE;
    if (code)
        return code;
    static pthread_mutex_t one_at_a_time =
        PTHREAD_MUTEX_INITIALIZER; /* not all compilers bear more */
    pthread_mutex_lock(&one_at_a_time);
    code = driver->clBuildProgram(program, count, ids, options, notify, user);
    pthread_mutex_unlock(&one_at_a_time);
    return code;
}

static cl_kernel CL_API_CALL CreateKernel(cl_program program, const char *name, cl_int *out)
{
    cl_int code = fault(CALL_clCreateKernel, context_of_program(program));
    if (code)
        return refused(code, out);
    return created(driver->clCreateKernel(program, name, out), KERNELS);
}

static cl_int CL_API_CALL SetKernelArg(
    cl_kernel kernel, cl_uint index, size_t size, const void *value)
{
    cl_int code = fault(CALL_clSetKernelArg, NULL);
    return code ? code : driver->clSetKernelArg(kernel, index, size, value);
}

/* ---- the queue ------------------------------------------------------------------------------ */

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
    if (what == CL_EVENT_COMMAND_EXECUTION_STATUS && value && context && context == hung_context)
        *(cl_int *)value = CL_RUNNING;
    return code;
}

static cl_int CL_API_CALL Finish(cl_command_queue queue)
{
    wait_for_ever(context_of_queue(queue));
    cl_int code = fault(CALL_clFinish, context_of_queue(queue));
    return code ? code : driver->clFinish(queue);
}

/* ---- what devices say ----------------------------------------------------------------------- */

/* The number behind NAME= in CLFAULT_LIMITS; 0: none. */
static unsigned long long limit(const char *name)
{
    const char *value = getenv("CLFAULT_LIMITS"), *at = value ? strstr(value, name) : NULL;
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void lower(cl_ulong *value, const char *name)
{
    unsigned long long most = limit(name);
    if (most && *value > most)
        *value = most;
}

static bool answer(size_t size, void *value, const void *bytes, size_t count)
{
    if (!value || size < count)
        return false;
    memcpy(value, bytes, count);
    return true;
}

/* True if the extension of CLFAULT_PCI has answered. */
static bool answer_pci(cl_device_id id, cl_device_info what, size_t size, void *value)
{
    const char *way = getenv("CLFAULT_PCI");
    const cl_uint slot = 2 + (cl_uint)number_of(id), khr[] = {1, 3, slot, 1}, domain = 1, bus = 3;
    const cl_uint nv_slot = slot << 3 | 1;
    unsigned char amd[24] = {1, [21] = 3, (unsigned char)slot, 1};
    static const char *const names[] = {"cl_khr_pci_bus_info",
        "cl_khr_fp16 cl_amd_device_attribute_query", "cl_nv_device_attribute_query cl_x"};
    int row = !way ? -1 : strcmp(way, "khr") == 0 ? 0 : strcmp(way, "amd") == 0 ? 1 : 2;
    if (row >= 0 && what == CL_DEVICE_EXTENSIONS)
        return answer(size, value, names[row], strlen(names[row]) + 1);
    if (row == 0 && what == 0x410F)
        return answer(size, value, khr, sizeof khr);
    if (row == 1 && what == 0x4037)
        return answer(size, value, amd, sizeof amd);
    if (row == 2 && (what == 0x400A || what == 0x4008))
        return answer(size, value, what == 0x4008 ? &bus : &domain, sizeof bus);
    return row == 2 && what == 0x4009 && answer(size, value, &nv_slot, sizeof nv_slot);
}

/* All of the limits have the size of a cl_ulong. */
static cl_int CL_API_CALL GetDeviceInfo(
    cl_device_id id, cl_device_info what, size_t size, void *value, size_t *size_out)
{
    if (answer_pci(id, what, size, value))
        return CL_SUCCESS;
    cl_int code = driver->clGetDeviceInfo(id, what, size, value, size_out);
    if (code || !value || size < sizeof(cl_ulong))
        return code;
    switch (what) {
    case CL_DEVICE_GLOBAL_MEM_SIZE:
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
        lower(value, "memory=");
        break;
    case CL_DEVICE_TYPE:
        if (limit("gpu="))
            *(cl_device_type *)value = CL_DEVICE_TYPE_GPU;
        break;
    default:
        break;
    }
    return CL_SUCCESS;
}

/* ---- begin and end -------------------------------------------------------------------------- */

static void __attribute__((destructor)) write_log(void)
{
    const char *path = getenv("CLFAULT_LOG");
    FILE *file = path && driver ? fopen(path, "w") : NULL;
    if (!file)
        return;
    fprintf(file, "faults %d\ncalls any %d\n", fired, total);
    for (int i = 0; i < CALL_COUNT; i++)
        fprintf(file, "calls %s %d\n", call_names[i], counts[i]);
    for (int i = 0; i < KINDS; i++)
        if (references[i])
            fprintf(file, "left %s %d\n", kind_names[i], references[i]);
    fclose(file);
}

static void read_rules(void)
{
    rule_count = loss_count = 0;
    hung_launch = getenv("CLFAULT_HANG") ? atoi(getenv("CLFAULT_HANG")) : 0;
    hung_context = NULL;
    *mutated_in = '\0';
    each_word("CLFAULT", add_rule);
    each_word("CLFAULT_LOST", add_loss);
    read_mutation();
}

static void layer_reset(void)
{
    for (int i = 0; i < CALL_COUNT; i++)
        counts[i] = 0;
    total = fired = 0;
    read_rules();
}

static int layer_calls(const char *function)
{
    int call = find_call(function);
    return call < CALL_COUNT ? counts[call] : total;
}

static int layer_faults(void)
{
    return fired;
}

static int layer_references(void)
{
    int sum = 0;
    for (int i = 0; i < KINDS; i++)
        sum += references[i];
    return sum;
}

EXPORT const struct fault_layer clatent_fault_layer = {
    layer_reset, layer_calls, layer_faults, layer_references};

static void fill_dispatch(void)
{
    layer = *driver;
#define TAKE(function) layer.cl##function = function
    TAKE(CreateContext), TAKE(RetainContext), TAKE(ReleaseContext);
    TAKE(CreateCommandQueue), TAKE(RetainCommandQueue), TAKE(ReleaseCommandQueue);
    TAKE(CreateBuffer), TAKE(RetainMemObject), TAKE(ReleaseMemObject);
    TAKE(CreateProgramWithSource), TAKE(BuildProgram), TAKE(RetainProgram), TAKE(ReleaseProgram);
    TAKE(CreateKernel), TAKE(SetKernelArg), TAKE(RetainKernel), TAKE(ReleaseKernel);
    TAKE(EnqueueNDRangeKernel), TAKE(EnqueueMapBuffer), TAKE(EnqueueUnmapMemObject);
    TAKE(EnqueueReadBuffer), TAKE(EnqueueWriteBuffer), TAKE(EnqueueFillBuffer);
    TAKE(EnqueueReadBufferRect), TAKE(EnqueueWriteBufferRect);
    TAKE(EnqueueMarkerWithWaitList), TAKE(WaitForEvents), TAKE(RetainEvent), TAKE(ReleaseEvent),
        TAKE(Finish);
    TAKE(GetDeviceInfo), TAKE(GetEventInfo);
#undef TAKE
}

EXPORT cl_int CL_API_CALL clGetLayerInfo(
    cl_layer_info what, size_t size, void *value, size_t *size_out)
{
    cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    if (what != CL_LAYER_API_VERSION || (value && size < sizeof version))
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, &version, sizeof version);
    if (size_out)
        *size_out = sizeof version;
    return CL_SUCCESS;
}

EXPORT cl_int CL_API_CALL clInitLayer(cl_uint count, const cl_icd_dispatch *target,
    cl_uint *count_out, const cl_icd_dispatch **layer_out)
{
    if (!target || !count_out || !layer_out || count < sizeof layer / sizeof(void *))
        return CL_INVALID_VALUE;
    driver = target;
    read_rules();
    fill_dispatch();
    *count_out = sizeof layer / sizeof(void *);
    *layer_out = &layer;
    return CL_SUCCESS;
}
