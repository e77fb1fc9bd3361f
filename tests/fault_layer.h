/* fault_layer.h - what the files of the fault layer share. SPDX-License-Identifier: MIT
 *
 * Each file stands before some functions of OpenCL, and puts its own into the table that the loader
 * calls from: take_...(). All ask fault() whether this call is one that fails. */
#ifndef CLATENT_TESTS_FAULT_LAYER_H
#define CLATENT_TESTS_FAULT_LAYER_H

#include <CL/cl_layer.h>

#include <stdatomic.h>
#include <stdbool.h>

#define EXPORT __attribute__((visibility("default")))

extern const cl_icd_dispatch *driver; /* the loader's own, behind this layer */
#define TAKE(function) layer->cl##function = function
void take_objects(cl_icd_dispatch *layer);
void take_programs(cl_icd_dispatch *layer);
void take_queue(cl_icd_dispatch *layer);
void take_devices(cl_icd_dispatch *layer);

/* ---- fault_rules.c -------------------------------------------------------------------------- */

/* The functions that can fail. */
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
extern const char *const call_names[CALL_COUNT];
extern atomic_int counts[CALL_COUNT], total, fired; /* calls, all of them, and faults */

int find_call(const char *name); /* CALL_COUNT: "any". Leaves with 99 if there is none */
void rules_read(void);           /* from the environment; a lost or hung context is forgotten */

/* The code that this call fails with, or CL_SUCCESS. */
cl_int fault(enum call call, cl_context context);

bool is_hung(cl_context context);
void wait_for_ever(cl_context context); /* if it is hung */
void revive(cl_context context);        /* a new one may have the address of one that was lost */

/* 0 for the first device that is seen, 1 for the next, ... */
int number_of(cl_device_id id);

cl_context context_of_queue(cl_command_queue queue);
cl_context context_of_program(cl_program program);

/* ---- fault_objects.c ------------------------------------------------------------------------ */

enum kind { CONTEXTS, QUEUES, BUFFERS, PROGRAMS, KERNELS, EVENTS, KINDS };
extern const char *const kind_names[KINDS];
extern atomic_int references[KINDS];

/* What a call that makes an object gives: the object, counted, or the fault. */
void *created(void *object, enum kind kind);
void *refused(cl_int code, cl_int *out);

/* ---- fault_programs.c ----------------------------------------------------------------------- */

void mutation_read(void);

#endif
