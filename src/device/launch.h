/* launch.h - find a kernel, run it, in one statement each. SPDX-License-Identifier: MIT
 *
 *     struct kernel *kernel;
 *     TRY(kernel_find(device, "norm", "group_stats", "-DWG=64", &kernel));
 *     TRY(launch(device, kernel, grid1(groups * 64, 64), ARG_TENSOR(x), ARG_INT(c),
 * ARG_FLOAT(eps)));
 *
 * A kernel is named by its file in cl/ (without .cl), its function and the -D options its file
 * documents. Programs are built on first use, kept by the device, and cached on disk (program.h).
 *
 * On a GPU a launch that would take long goes in parts (pace.h): kernels number their groups with
 * GROUP_ID of cl/common.h. Kernels whose groups are one work-item draw jobs instead, and go whole.
 *
 * ARG_TENSOR gives two kernel arguments: the buffer and the offset in elements (`uint`); kernels
 * declare them with the TENSOR macros of cl/common.h. */
#ifndef CLATENT_DEVICE_LAUNCH_H
#define CLATENT_DEVICE_LAUNCH_H

#include "device/tensor.h"

struct kernel;

enum clat_status kernel_find(struct device *device, const char *file, const char *function,
    const char *options, struct kernel **kernel);

struct grid {
    int dimensions;   /* 1, 2 or 3 */
    size_t global[3]; /* work-items; multiples of local */
    size_t local[3];
};
/* `global` is rounded up to a multiple of `local`. */
struct grid grid1(size_t global, size_t local);
struct grid grid2(size_t gx, size_t gy, size_t lx, size_t ly);
struct grid grid3(size_t gx, size_t gy, size_t gz, size_t lx, size_t ly, size_t lz);

/* How many blocks cover `count`. */
static inline int blocks_of(int count, int block)
{
    return (count + block - 1) / block;
}

/* The grid of a CPU-shaped kernel: two work-items per compute unit, local size 1. */
struct grid grid_jobs(const struct device *device);

enum argument_kind {
    ARGUMENT_TENSOR,
    ARGUMENT_BUFFER,
    ARGUMENT_INT,
    ARGUMENT_FLOAT,
    ARGUMENT_LOCAL
};
struct argument {
    enum argument_kind kind;
    struct _cl_mem *memory;
    size_t size; /* offset in elements, or bytes of local memory */
    int int_value;
    float float_value;
};
struct argument argument_tensor(const struct tensor *tensor); /* NULL: no buffer, offset 0 */
struct argument argument_buffer(const struct buffer *buffer); /* NULL: no buffer */
#define ARG_TENSOR(t) argument_tensor(t)
#define ARG_BUFFER(b) argument_buffer(b)
#define ARG_INT(v) ((struct argument){.kind = ARGUMENT_INT, .int_value = (v)})
#define ARG_FLOAT(v) ((struct argument){.kind = ARGUMENT_FLOAT, .float_value = (v)})
#define ARG_LOCAL(bytes) ((struct argument){.kind = ARGUMENT_LOCAL, .size = (bytes)})

/* Queues the kernel. A failure names file, function and OpenCL's own word for the code. */
#define launch(device, kernel, grid, ...)                                                          \
    launch_array(device, kernel, grid, (struct argument[]){__VA_ARGS__},                           \
        sizeof((struct argument[]){__VA_ARGS__}) / sizeof(struct argument))
enum clat_status kernel_set_arguments(struct device *device, const struct kernel *kernel,
    const struct argument *arguments, size_t count);
enum clat_status launch_array(struct device *device, struct kernel *kernel, struct grid grid,
    const struct argument *arguments, size_t count);

/* In one enqueue, whatever device_facts.launch_groups says: for those who measure time themselves.
 */
enum clat_status launch_whole(struct device *device, struct kernel *kernel, struct grid grid,
    const struct argument *arguments, size_t count);

#endif
