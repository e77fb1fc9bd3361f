/* narrow.h - a device made smaller than it is, for tests. SPDX-License-Identifier: MIT
 *
 * The environment variable CLATENT_TEST_DEVICE is a list of words, with commas:
 *
 *     gpu             taken for a GPU: work-group kernels only, memory of its own
 *     local_memory=N  at most N bytes of local memory per work-group
 *     work_group=N    at most N work-items in one
 *     memory=N        at most N bytes in all buffers, and in one
 *     launch=N        at most N work-groups in one enqueue; launch=measured as on a GPU: pace.h
 *     unit=NAME       a matrix unit of work-groups (group_unit.h), emulated
 *     forbidden       used in spite of a row of quirk.c that forbids it
 *
 * What a kernel or a buffer needs beyond these ends as on a device that really has no more. */
#ifndef CLATENT_DEVICE_NARROW_H
#define CLATENT_DEVICE_NARROW_H

#include "device/device.h"

struct narrowing {
    bool gpu, forbidden;
    enum unit_kind unit;
    size_t local_memory, work_group, memory; /* SIZE_MAX: as the device says */
    size_t launch;                           /* 0: as on the device */
};

/* What the variable says, nothing if it is not set; CLAT_ERROR_USAGE names a wrong word. */
enum clat_status narrow_read(struct narrowing *narrowing);

void narrow_facts(const struct narrowing *narrowing, struct device_facts *facts);

#endif
