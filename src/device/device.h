/* device.h - one OpenCL device: context, in-order queue, facts, counters. SPDX-License-Identifier:
 * MIT
 *
 * A device can also be opened dry: it has facts but no OpenCL context. On a dry device, buffers
 * only count their bytes, launches do nothing and count their work, and the same load and forward
 * code then tells how much memory and arithmetic a model needs before anything is allocated. */
#ifndef CLATENT_DEVICE_DEVICE_H
#define CLATENT_DEVICE_DEVICE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;
struct tuning;

/* Units that multiply whole tiles of matrices, as kernels find them (cl/tile_bf16.h). */
enum matrix_unit {
    MATRIX_UNIT_NONE,
    MATRIX_UNIT_TILES,   /* of x86 CPUs: bf16 factors, float sums */
    MATRIX_UNIT_EMULATED /* the same in plain OpenCL C, for tests */
};

/* Units that the sub-groups of a work-group have: rows of group_unit.c, headers cl/unit_NAME.h. */
enum unit_kind {
    UNIT_NONE,
    UNIT_MMA,     /* factors of 16 bits, 16 x 8 sums, 16 of k at a time */
    UNIT_MMA_8,   /* 8 of k */
    UNIT_DPAS_8,  /* 8 x 8 sums of 8 lanes */
    UNIT_DPAS_16, /* 8 x 16 sums of 16 lanes */
    UNIT_WMMA_11, /* 16 x 16 sums of 32 lanes, rows and columns held twice */
    UNIT_WMMA_12, /* the same, held once */
    UNIT_MFMA,    /* 16 x 16 sums of 64 lanes */
    UNIT_DOT2,    /* two products and a sum of each lane */
    UNIT_KINDS
};
struct group_unit {
    enum unit_kind kind;
    bool bf16;     /* factors are bf16, else half */
    bool emulated; /* in plain OpenCL C, for tests */
};

/* What the driver says, after the quirk rows of quirk.c have been applied. */
struct device_facts {
    char name[256], vendor[256], platform[256], driver[256], version[256];
    char pci[16];          /* "0000:03:00.0"; "" where the driver does not tell */
    bool on_host;          /* a CPU: its memory is the host's */
    bool is_cpu;           /* kernels of the CPU shape (explicit float16 tiles) are preferred */
    bool generic;          /* only portable kernels: device_use_generic() */
    bool groups_only;      /* those kernels are not used at all, not even by tests */
    bool has_half_storage; /* vload_half and vstore_half work (always, in OpenCL C 1.2) */
    enum matrix_unit matrix_unit;    /* proved by a trial, and allowed now */
    struct group_unit unit;          /* the same of kernels in work-groups */
    struct group_unit unit_expected; /* before the trial */
    int compute_units;
    size_t global_memory;    /* in bytes */
    size_t largest_buffer;   /* in bytes: one buffer cannot be larger */
    size_t local_memory;     /* in bytes per work-group; 32 KiB at least is assumed */
    size_t work_group_limit; /* work-items in one group; kernels here need at most 256 */
    size_t launch_groups;    /* most work-groups in one enqueue; 0: all, or PACE_MEASURED: pace.h */
    struct tuning *tuning; /* rows for it, owned by the device that was opened, or NULL: tuning.h */
    unsigned refused;      /* rows of fallback.c: files of kernels that did not build */
};

/* What a device has, and the points that it gets for it. score.c */
struct score_fact {
    char text[64];
    int points;
};
#define SCORE_FACTS 6

/* One row of `clatent devices`. */
struct device_entry {
    struct device_facts facts;
    int index; /* counted over all platforms, as shown and as accepted by device_open */
    bool usable;
    bool chosen;      /* the one of "auto" */
    char reason[256]; /* why it is not used, or when */
    int score;        /* the sum of the facts' points; 0 if not usable */
    struct score_fact score_facts[SCORE_FACTS];
    int score_fact_count;
};

/* All devices of all platforms, freed with free(). No platform at all is CLAT_OK and *count = 0. */
enum clat_status device_list(struct device_entry **entries, size_t *count);

/* Opens a device: selector NULL or "auto" (the highest score), an index as listed, "pci:" and its
 * address on the PCI bus, or part of its name (case does not matter; must fit one device only).
 * CLAT_ERROR_NO_DEVICE names what was found. */
enum clat_status device_open(const char *selector, struct device **device);

/* Devices that work on one job. */
#define DEVICES_LIMIT 16
struct device_choice {
    int index[DEVICES_LIMIT]; /* as listed */
    size_t count;
};
/* Those that selectors mean: none is "auto"; "all" alone is every GPU, or where there is none,
 * every CPU device of the best driver. CLAT_ERROR_USAGE for one that is named twice. */
enum clat_status device_choose(
    const char *const *selectors, size_t count, struct device_choice *choice);

/* A dry device with the given facts, or with those of a generic CPU if NULL. */
enum clat_status device_open_dry(const struct device_facts *facts, struct device **device);

void device_close(struct device *device); /* NULL is allowed */
const struct device_facts *device_facts(const struct device *device);
bool device_is_dry(const struct device *device);

/* What a failure of the device calls for, besides the status that told of it. */
enum device_trouble {
    TROUBLE_NONE,
    TROUBLE_MEMORY,  /* there is not as much as it says */
    TROUBLE_REFUSED, /* a fast kernel did not build; what is loaded now takes a portable one */
    TROUBLE_LOST     /* its context is dead: device_reopen() */
};
/* The worst since the last call, forgotten then. */
enum device_trouble device_take_trouble(struct device *device);
/* The same, not forgotten. */
enum device_trouble device_trouble(const struct device *device);
/* Bytes in buffers, with the one that could not be made, when memory last ran out. */
size_t device_memory_short(const struct device *device);

/* A new context on the same device, in place of one that is dead. All buffers must be freed. */
enum clat_status device_reopen(struct device *device);
/* The same on the next device in the order of "auto"; CLAT_ERROR_NO_DEVICE if there is none, and
 * the device is as it was. */
enum clat_status device_move(struct device *device);

/* Called before the context is closed, or given up for another: what others built for it must go
 * too. */
void device_on_close(struct device *device, void (*closing)(struct device *device));

/* Waits until all queued work is done; reports the first fault of any of it. */
enum clat_status device_finish(struct device *device);

/* Called between launches and their parts; a true answer makes launch() fail with CLAT_CANCELLED.
 * At most 16 launches are in flight, on a GPU at most about a third of a second of them, so that a
 * cancelled job stops within a second. */
void device_on_cancel(struct device *device, bool (*cancelled)(void *user), void *user);

/* How many seconds a device may leave unanswered what it was given, before it is taken to hang and
 * the work fails with CLAT_ERROR_DEVICE; 0: for ever; below 0: as is good for its kind. A device
 * that hangs is of no use any more. */
void device_set_patience(struct device *device, double seconds);

/* Called while a kernel program is built for the first time (n counts from 1; total: how many there
 * will be, 0 if that is not known). */
void device_on_build(struct device *device,
    void (*building)(void *user, const char *program, int n, int total), void *user);

/* Told in a sentence when a kernel takes the place of one that does not build. */
void device_on_warning(
    struct device *device, void (*warn)(void *user, const char *sentence), void *user);

/* Work counted so far by the ops (floating-point operations, a multiply-add counted as two). */
void device_count_work(struct device *device, double flop);
double device_work(const struct device *device);

/* A device buffer, owned by whoever made it. */
struct buffer {
    struct _cl_mem *memory; /* NULL on a dry device, or if never made */
    size_t size;            /* in bytes */
};
/* CLAT_ERROR_MEMORY with figures (asked for, in use, what the device has) if it does not fit. */
enum clat_status buffer_new(struct device *device, size_t size, struct buffer *buffer);
void buffer_free(struct device *device, struct buffer *buffer); /* NULL memory is allowed */

/* Writes all of it once and waits: a driver that accepts more than it can back says so here. A CPU
 * device backs its memory page by page, and is not asked. */
enum clat_status buffer_touch(struct device *device, const struct buffer *buffer);

/* Maps the whole buffer for writing and lets `fill` write it: weights are packed straight into
 * place. On a dry device `fill` is not called. */
enum clat_status buffer_fill(struct device *device, struct buffer *buffer,
    void (*fill)(void *user, void *mapped), void *user);

/* Bytes in all buffers of this device now, and the most there have been at one time. */
size_t device_memory_used(const struct device *device);
size_t device_memory_peak(const struct device *device);
void device_memory_peak_reset(struct device *device);

/* Two zeroed ints that CPU-shaped kernels draw job numbers from and leave zero (cl/common.h). */
const struct buffer *device_counter(struct device *device);

/* Whether weights that are loaded from now on are kept as half instead of float (ops/op.h). */
void device_store_half(struct device *device, bool half);
bool device_stores_half(const struct device *device);

/* Whether what is loaded from now on may use a matrix unit, whose products are less exact than
 * those of floats. Not allowed at first; the first time that it is, a trial shows if there is one.
 */
void device_allow_matrix_unit(struct device *device, bool allowed);

/* For tests and trials: a matrix unit in place of the one that was found, until
 * device_allow_matrix_unit(). */
void device_force_matrix_unit(struct device *device, enum matrix_unit unit);

void device_force_unit(struct device *device, struct group_unit unit);

/* Whether what is loaded from now on does without all kernels that have a fallback: work-groups on
 * any device, and no matrix unit. */
void device_use_generic(struct device *device, bool generic);

/* For tests: makes the ops choose kernels of the CPU or of the GPU shape, whatever the device is.
 * False, and nothing is changed, if the device has no kernels of that shape. */
bool device_force_shape(struct device *device, bool cpu);

/* For tests: another device_facts.launch_groups. */
void device_force_launch(struct device *device, size_t groups);

#endif
