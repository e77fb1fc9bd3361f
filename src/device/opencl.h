/* opencl.h - what the files of this room share: the device struct and OpenCL's codes as words.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_DEVICE_OPENCL_H
#define CLATENT_DEVICE_OPENCL_H

#include "device/call.h"
#include "device/device.h"
#include <CL/cl.h>

/* At most twice this many launches are in flight: every so many, or after PACE_SECONDS of work
 * where that is known, the one that far back is awaited. */
#define LAUNCH_STRIDE 8

struct program;
struct preparation;
struct parking;
struct meter;
struct verdicts;

struct device {
    struct device_facts facts;
    bool dry;
    bool was_cpu;                 /* the fact is_cpu without device_use_generic() */
    bool has_prefetch;            /* a real CPU: __builtin_prefetch means something */
    unsigned quirks;              /* bits of enum quirk_symptom */
    enum matrix_unit matrix_unit; /* as found; the fact is what may be used */
    struct group_unit unit;       /* the same of work-groups */
    bool matrix_unit_tried;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    struct buffer counter; /* device_counter() */
    size_t used, peak;     /* bytes in buffers now, and at most */
    double work;           /* floating-point operations counted */
    bool (*cancelled)(void *user);
    void *cancelled_user;
    void (*closing)(struct device *device); /* device_on_close() */
    void (*building)(void *user, const char *program, int n, int total);
    void *building_user;
    void (*warn)(void *user, const char *sentence);
    void *warn_user;
    double patience;             /* device_set_patience() */
    bool hung;                   /* watchdog.h: no call of OpenCL is made any more */
    size_t short_of;             /* device_memory_short() */
    enum device_trouble trouble; /* device_take_trouble() */
    int builds;                  /* programs built from source so far */
    int builds_ahead;            /* and with those to come; 0: not known; device_expect_builds() */
    int cache_hits;              /* programs that came from the disk cache */
    struct verdicts *verdicts;   /* NULL: not asked for yet */
    struct op_call call;         /* what a dry device is being asked for */
    struct program *programs;    /* list, newest first */
    struct preparation *preparation; /* NULL unless kernels wait: prepare.h */
    struct parking *parking;         /* that takes the buffers made now, or NULL */
    struct meter *meter;             /* NULL unless one runs: meter.h */
    int launches;                    /* since the last marked one, 0..LAUNCH_STRIDE */
    double queued;                   /* seconds that they will take, as far as is known */
    cl_event mark;                   /* of the last marked launch, or NULL */
    double marked_work;              /* counted up to the mark */
    double mark_work;                /* in what it ends */
    double landed;                   /* when the mark before it was done, in seconds */
    double work_rate;                /* operations in a second, from mark to mark; 0: not known */
    int gemm_engine;                 /* enum gemm_engine, kept for ops/gemm.c */
    bool stores_half;                /* device_store_half() */
};

/* "CL_OUT_OF_RESOURCES" for -5; "unknown code" for what no header knows. */
const char *opencl_word(cl_int code);

/* After these a context does nothing any more. CL_OUT_OF_RESOURCES is also what drivers say of a
 * launch that took too long, or of one before it that wrote beyond its buffer. */
bool opencl_means_lost(cl_int code);

/* Sets the sentence "WHAT failed: WORD (code)", and the trouble that the code means. Codes that
 * mean memory give CLAT_ERROR_MEMORY with what is in use and what the device has; all others
 * CLAT_ERROR_DEVICE. */
enum clat_status opencl_fault(struct device *device, cl_int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Asks an event's own status: the queue reports only that something behind it failed. */
enum clat_status opencl_await(struct device *device, cl_event event);

/* A string that the driver tells, cut to `size`; "" if it tells none. */
void opencl_device_string(cl_device_id id, cl_device_info what, char *text, size_t size);
void opencl_platform_string(cl_platform_id id, cl_platform_info what, char *text, size_t size);

/* A device found by the selector of device_open(). choose.c */
enum clat_status platform_choose(
    const char *selector, cl_device_id *id, struct device_facts *facts, unsigned *quirks);
/* The one that "auto" would take if *id and those before it were not there. */
enum clat_status platform_next(cl_device_id *id, struct device_facts *facts, unsigned *quirks);

void device_set_trouble(struct device *device, enum device_trouble trouble);

#endif
