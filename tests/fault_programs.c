/* fault_programs.c - programs that do not build, and those that are changed.
 * SPDX-License-Identifier: MIT */
#include "fault_layer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char mutated_in[256], mutated_from[256], mutated_to[256];

void mutation_read(void)
{
    const char *value = getenv("CLFAULT_MUTATE");
    *mutated_in = '\0';
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
    /* not all compilers bear more than one at a time */
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
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

void take_programs(cl_icd_dispatch *layer)
{
    TAKE(CreateProgramWithSource), TAKE(BuildProgram), TAKE(CreateKernel), TAKE(SetKernelArg);
}
