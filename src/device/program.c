/* program.c - builds kernel programs on first use and keeps them. SPDX-License-Identifier: MIT
 *
 * Options are always BASE_OPTIONS and what the op gives: no relaxed arithmetic, since a picture
 * must not depend on what a driver takes that to mean. */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "device/program.h"
#include "device/cache.h"
#include "device/fallback.h"
#include "device/launch.h"
#include "device/quirk.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -w: some drivers print their compiler's remarks (a loop not unrolled, vectors passed in memory)
 * on our stderr; errors still come in the log. */
#define BASE_OPTIONS "-cl-std=CL1.2 -w"

/* The first lines of the build log, on one line of a sentence. */
static void read_log(struct device *device, cl_program handle, char *lines, size_t size)
{
    size_t log_size = 0;
    char *log = NULL;
    clGetProgramBuildInfo(handle, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &log_size);
    snprintf(lines, size, "(the driver gives no log)");
    if (log_size <= 1 || memory_new(log_size + 1, 1, &log) != CLAT_OK)
        return;
    clGetProgramBuildInfo(handle, device->id, CL_PROGRAM_BUILD_LOG, log_size, log, NULL);
    snprintf(lines, size, "%s", log);
    for (char *end = lines; *end; end++)
        if (*end == '\n')
            *end = end[1] ? '|' : ' ';
    free(log);
}

#define OPTIONS_SIZE 1024

/* What every program gets, then what the op asks for. */
static enum clat_status build_options(
    const struct device *device, const char *options, char all_options[OPTIONS_SIZE])
{
    int size = snprintf(all_options, OPTIONS_SIZE, "%s%s %s", BASE_OPTIONS,
        device->has_prefetch ? " -DHAS_PREFETCH=1" : "", options);
    if (size < OPTIONS_SIZE)
        return CLAT_OK;
    return status_set(CLAT_ERROR_INTERNAL, "build options of %d bytes: '%.80s...'", size, options);
}

/* Compilers of drivers are not to be trusted with two threads, even where the standard says so. */
static cl_int build(const struct device *device, cl_program handle, const char *options)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    bool alone = !(device->quirks & QUIRK_BUILDS_TOGETHER);
    if (alone)
        pthread_mutex_lock(&one_at_a_time);
    cl_int code = clBuildProgram(handle, 1, &device->id, options, NULL, NULL);
    if (alone)
        pthread_mutex_unlock(&one_at_a_time);
    return code;
}

enum clat_status program_build(struct device *device, const char *file, const char *options,
    const char *text, cl_program *handle)
{
    cl_int code;
    char all_options[OPTIONS_SIZE], log[1024];
    enum clat_status status = build_options(device, options, all_options);
    *handle = NULL;
    if (status != CLAT_OK)
        return status;
    *handle = clCreateProgramWithSource(device->context, 1, &text, NULL, &code);
    if (code != CL_SUCCESS)
        return opencl_fault(device, code, "clCreateProgramWithSource of cl/%s.cl", file);
    if (device->building)
        device->building(device->building_user, file, device->builds + 1,
            device->builds_ahead > device->builds ? device->builds_ahead : 0);
    device->builds++;
    code = build(device, *handle, all_options);
    if (code == CL_SUCCESS)
        return CLAT_OK;
    read_log(device, *handle, log, sizeof log);
    clReleaseProgram(*handle);
    *handle = NULL;
    if (opencl_means_lost(code))
        return opencl_fault(device, code, "building cl/%s.cl", file);
    return status_set(CLAT_ERROR_DEVICE,
        "%s: cl/%s.cl with options '%s' does not build: %s (%d): %s", device->facts.name, file,
        all_options, opencl_word(code), code, log);
}

/* ---- programs from the disk cache ----------------------------------------------------------- */

/* CLATENT_CACHE=off: never. on: also where the driver has a better one. */
static bool cache_wanted(const struct device *device)
{
    const char *word = secure_getenv("CLATENT_CACHE");
    return cache_is_on() &&
           (!(device->quirks & QUIRK_NO_OWN_CACHE) || (word && strcmp(word, "on") == 0));
}

/* All that can change what the driver makes of the text. */
enum clat_status program_key(
    const struct device *device, const char *options, const struct text *source, struct text *key)
{
    const struct device_facts *facts = &device->facts;
    enum clat_status status;
    TRY(text_print(key, "clatent %s, %zu bytes per pointer\n%s\n%s\n%s\n%s\n%s\n%s\n",
        PACKAGE_VERSION, sizeof(void *), facts->platform, facts->vendor, facts->name,
        facts->version, facts->driver, options));
    TRY(text_add(key, source->data, source->size));
out:
    return status;
}

/* True if the cache had a binary and the driver takes it. */
static bool program_load(
    struct device *device, const struct text *key, const char *options, cl_program *handle)
{
    unsigned char *binary;
    size_t size;
    cl_int code, state;
    if (!cache_load(key, &binary, &size))
        return false;
    const unsigned char *bytes = binary;
    *handle =
        clCreateProgramWithBinary(device->context, 1, &device->id, &size, &bytes, &state, &code);
    free(binary);
    if (code == CL_SUCCESS)
        code = build(device, *handle, options);
    if (code == CL_SUCCESS) {
        device->cache_hits++;
        return true;
    }
    if (*handle)
        clReleaseProgram(*handle);
    *handle = NULL;
    cache_remove(key);
    return false;
}

static void program_store(const struct text *key, cl_program handle)
{
    size_t size = 0;
    unsigned char *binary;
    cl_int code = clGetProgramInfo(handle, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL);
    if (code != CL_SUCCESS || size == 0 || memory_new(size, 1, &binary) != CLAT_OK)
        return;
    code = clGetProgramInfo(handle, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL);
    if (code == CL_SUCCESS)
        cache_store(key, binary, size);
    free(binary);
}

/* ---- programs of a device ------------------------------------------------------------------- */

static enum clat_status program_make(struct device *device, struct program *program)
{
    enum clat_status status;
    struct text source = {0}, key = {0};
    char options[OPTIONS_SIZE];
    bool cached = cache_wanted(device);
    TRY(build_options(device, program->options, options));
    TRY(source_expand(program->file, &source));
    if (cached)
        TRY(program_key(device, options, &source, &key));
    if (cached && program_load(device, &key, options, &program->handle))
        goto out;
    TRY(program_build(device, program->file, program->options, source.data, &program->handle));
    if (cached)
        program_store(&key, program->handle);
out:
    text_free(&source);
    text_free(&key);
    return status;
}

bool program_is_built(const struct device *device, const struct program *wanted)
{
    for (const struct program *program = device->programs; program; program = program->next)
        if (strcmp(program->file, wanted->file) == 0 &&
            strcmp(program->options, wanted->options) == 0)
            return true;
    return false;
}

static bool is_cached(const struct device *device, const struct program *program)
{
    struct text source = {0}, key = {0};
    char options[OPTIONS_SIZE];
    bool cached = cache_wanted(device) &&
                  build_options(device, program->options, options) == CLAT_OK &&
                  source_expand(program->file, &source) == CLAT_OK &&
                  program_key(device, options, &source, &key) == CLAT_OK && cache_has(&key);
    text_free(&source);
    text_free(&key);
    return cached;
}

void device_expect_builds(struct device *device, const struct device *dry)
{
    int missing = 0;
    if (!device->building)
        return;
    for (const struct program *program = dry->programs; program; program = program->next)
        missing += !program_is_built(device, program) && !is_cached(device, program);
    device->builds_ahead = missing ? device->builds + missing : 0;
}

enum clat_status program_new(
    struct device *device, const char *file, const char *options, struct program **out_program)
{
    enum clat_status status;
    struct program *program = NULL;
    TRY(memory_new(1, sizeof *program, &program));
    TRY(memory_string(file, &program->file));
    TRY(memory_string(options, &program->options));
    if (!device->dry)
        TRY(program_make(device, program));
    *out_program = program;
    program = NULL;
out:
    programs_free(program);
    return status;
}

enum clat_status program_find(
    struct device *device, const char *file, const char *options, struct program **out_program)
{
    struct program *program;
    for (program = device->programs; program; program = program->next)
        if (strcmp(program->file, file) == 0 && strcmp(program->options, options) == 0) {
            *out_program = program;
            return CLAT_OK;
        }
    enum clat_status status = program_new(device, file, options, &program);
    if (status == CLAT_ERROR_DEVICE && device->trouble != TROUBLE_LOST)
        fallback_take(device, file);
    if (status != CLAT_OK)
        return status;
    program->next = device->programs;
    device->programs = program;
    *out_program = program;
    return CLAT_OK;
}

void kernels_free(struct kernel *kernel)
{
    while (kernel) {
        struct kernel *next = kernel->next;
        if (kernel->handle)
            clReleaseKernel(kernel->handle);
        free(kernel->function);
        free(kernel->rehearsal);
        free(kernel->paces);
        free(kernel);
        kernel = next;
    }
}

void programs_free(struct program *program)
{
    while (program) {
        struct program *next = program->next;
        kernels_free(program->kernels);
        if (program->handle)
            clReleaseProgram(program->handle);
        free(program->file);
        free(program->options);
        free(program);
        program = next;
    }
}

static enum clat_status create_kernel(
    struct device *device, struct program *program, struct kernel *kernel)
{
    cl_int code;
    kernel->handle = clCreateKernel(program->handle, kernel->function, &code);
    if (code == CL_SUCCESS)
        code = clGetKernelInfo(
            kernel->handle, CL_KERNEL_NUM_ARGS, sizeof kernel->arguments, &kernel->arguments, NULL);
    if (code == CL_SUCCESS)
        code = clGetKernelWorkGroupInfo(kernel->handle, device->id, CL_KERNEL_WORK_GROUP_SIZE,
            sizeof kernel->work_group_limit, &kernel->work_group_limit, NULL);
    if (code != CL_SUCCESS)
        return opencl_fault(device, code, "kernel %s of cl/%s.cl", kernel->function, program->file);
    return CLAT_OK;
}

/* A driver that has less local memory refuses the kernel itself; facts may be narrowed. */
static enum clat_status check_local_memory(
    struct device *device, const struct program *program, const struct kernel *kernel)
{
    cl_ulong size = 0;
    cl_int code = clGetKernelWorkGroupInfo(
        kernel->handle, device->id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof size, &size, NULL);
    if (code != CL_SUCCESS || size <= device->facts.local_memory)
        return CLAT_OK;
    return status_set(CLAT_ERROR_DEVICE,
        "%s: kernel %s in cl/%s.cl needs %llu bytes of local memory, the device has %zu",
        device->facts.name, kernel->function, program->file, (unsigned long long)size,
        device->facts.local_memory);
}

static enum clat_status kernel_new(struct device *device, struct program *program,
    const char *function, struct kernel **out_kernel)
{
    enum clat_status status;
    struct kernel *kernel = NULL;
    TRY(memory_new(1, sizeof *kernel, &kernel));
    TRY(memory_string(function, &kernel->function));
    kernel->program = program;
    if (!device->dry)
        TRY(create_kernel(device, program, kernel));
    if (!device->dry)
        TRY(check_local_memory(device, program, kernel));
    kernel->next = program->kernels;
    program->kernels = kernel;
    *out_kernel = kernel;
    kernel = NULL;
out:
    kernels_free(kernel);
    return status;
}

/* Made if it is the first time. */
static enum clat_status find_in(struct device *device, struct program *program,
    const char *function, struct kernel **out_kernel)
{
    for (struct kernel *kernel = program->kernels; kernel; kernel = kernel->next)
        if (strcmp(kernel->function, function) == 0) {
            *out_kernel = kernel;
            return CLAT_OK;
        }
    return kernel_new(device, program, function, out_kernel);
}

enum clat_status kernel_find(struct device *device, const char *file, const char *function,
    const char *options, struct kernel **out_kernel)
{
    struct program *program;
    enum clat_status status = program_find(device, file, options ? options : "", &program);
    if (status != CLAT_OK)
        return status_prefix(status, "kernel %s", function);
    status = find_in(device, program, function, out_kernel);
    if (status == CLAT_OK && device->dry)
        kernel_note_call(device, *out_kernel);
    return status;
}
