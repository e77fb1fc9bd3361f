/* program.h - kernel programs: text, build, kept by the device. SPDX-License-Identifier: MIT */
#ifndef CLATENT_DEVICE_PROGRAM_H
#define CLATENT_DEVICE_PROGRAM_H

#include "device/opencl.h"
#include "device/pace.h"
#include "base/text.h"

/* The files of cl/, made by embed.awk from KERNEL_FILES; ended by name NULL. */
struct kernel_source {
    const char *name; /* "common.h", "norm.cl" */
    const char *text;
};
extern const struct kernel_source kernel_sources[];

struct kernel {
    cl_kernel handle; /* NULL on a dry device */
    char *function;
    const struct program *program;
    cl_uint arguments;           /* how many it takes */
    size_t work_group_limit;     /* work-items in one group, for this kernel */
    struct op_call call;         /* on a dry device: what it was launched for */
    struct rehearsal *rehearsal; /* its first launch on a dry device (prepare.h), or NULL */
    struct pace *paces;          /* of the shapes it was launched with on a GPU */
    size_t pace_count, pace_room;
    struct kernel *next;
};

/* One file of cl/ built with one set of options. */
struct program {
    char *file, *options;
    cl_program handle;
    struct kernel *kernels;
    struct program *next;
};

/* The text of cl/FILE.cl with every `#include "x"` replaced by the text of cl/x. */
enum clat_status source_expand(const char *file, struct text *text);

/* Kept program of that file and options, built if it is the first time. */
enum clat_status program_find(
    struct device *device, const char *file, const char *options, struct program **program);
/* The same without looking for it, and not kept. */
enum clat_status program_new(
    struct device *device, const char *file, const char *options, struct program **program);
/* True if the device keeps one like `wanted`. */
bool program_is_built(const struct device *device, const struct program *wanted);
/* Builds all that a dry device was asked for, several at once, where the driver bears that; nothing
 * elsewhere. ahead.c */
void device_build_ahead(struct device *device, const struct device *dry);
/* Builds `text` as if it were file `file`; for program_find and for tests of broken text. */
enum clat_status program_build(struct device *device, const char *file, const char *options,
    const char *text, cl_program *handle);
/* Adds all that can change what the driver makes of `source` with such options. */
enum clat_status program_key(
    const struct device *device, const char *options, const struct text *source, struct text *key);
/* For kernel_find on a dry device: keeps the call that goes on, or the one before. call.c */
void kernel_note_call(const struct device *device, struct kernel *kernel);
/* Counts what is still to be built of all that a dry device was asked for, for device_on_build().
 */
void device_expect_builds(struct device *device, const struct device *dry);
void programs_free(struct program *list);
void kernels_free(struct kernel *list);

#endif
