/* program.c - builds kernel programs on first use and keeps them. SPDX-License-Identifier: MIT
 *
 * Options are always -cl-std=CL1.2 and what the op gives: no relaxed arithmetic, since a picture
 * must not depend on what a driver takes that to mean. */
#include "device/program.h"
#include "device/launch.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE_OPTIONS "-cl-std=CL1.2"

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

enum clat_status program_build(struct device *device, const char *file, const char *options,
    const char *text, cl_program *handle)
{
    cl_int code;
    char all_options[1024], log[1024];
    snprintf(all_options, sizeof all_options, "%s%s %s", BASE_OPTIONS,
        device->has_prefetch ? " -DHAS_PREFETCH=1" : "", options);
    *handle = clCreateProgramWithSource(device->context, 1, &text, NULL, &code);
    if (code != CL_SUCCESS)
        return opencl_fault(device, code, "clCreateProgramWithSource of cl/%s.cl", file);
    if (device->building)
        device->building(device->building_user, file, device->builds + 1);
    device->builds++;
    code = clBuildProgram(*handle, 1, &device->id, all_options, NULL, NULL);
    if (code == CL_SUCCESS)
        return CLAT_OK;
    read_log(device, *handle, log, sizeof log);
    clReleaseProgram(*handle);
    *handle = NULL;
    return status_set(CLAT_ERROR_DEVICE,
        "%s: cl/%s.cl with options '%s' does not build: %s (%d): %s", device->facts.name, file,
        all_options, opencl_word(code), code, log);
}

static enum clat_status program_new(
    struct device *device, const char *file, const char *options, struct program **out_program)
{
    enum clat_status status;
    struct program *program = NULL;
    struct text text = {0};
    TRY(memory_new(1, sizeof *program, &program));
    TRY(memory_string(file, &program->file));
    TRY(memory_string(options, &program->options));
    if (!device->dry) {
        TRY(source_expand(file, &text));
        TRY(program_build(device, file, options, text.data, &program->handle));
    }
    *out_program = program;
    program = NULL;
out:
    text_free(&text);
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
    if (status != CLAT_OK)
        return status;
    program->next = device->programs;
    device->programs = program;
    *out_program = program;
    return CLAT_OK;
}

static void kernels_free(struct kernel *kernel)
{
    while (kernel) {
        struct kernel *next = kernel->next;
        if (kernel->handle)
            clReleaseKernel(kernel->handle);
        free(kernel->function);
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
    kernel->next = program->kernels;
    program->kernels = kernel;
    *out_kernel = kernel;
    kernel = NULL;
out:
    kernels_free(kernel);
    return status;
}

enum clat_status kernel_find(struct device *device, const char *file, const char *function,
    const char *options, struct kernel **out_kernel)
{
    struct program *program;
    enum clat_status status = program_find(device, file, options ? options : "", &program);
    if (status != CLAT_OK)
        return status_prefix(status, "kernel %s", function);
    for (struct kernel *kernel = program->kernels; kernel; kernel = kernel->next)
        if (strcmp(kernel->function, function) == 0) {
            *out_kernel = kernel;
            return CLAT_OK;
        }
    return kernel_new(device, program, function, out_kernel);
}
