/* prepare.h - kernels built while weights load. SPDX-License-Identifier: MIT
 *
 * Some drivers compile a kernel when it is first launched, on a thread of theirs, for as long as
 * seconds. A dry run has shown which kernels a job will launch; while the host is busy with weights
 * they are launched one after the other without work, in a queue of their own. What goes wrong here
 * is left to the launch that needs the kernel, which can say so. */
#ifndef CLATENT_DEVICE_PREPARE_H
#define CLATENT_DEVICE_PREPARE_H

#include "device/launch.h"

struct kernel;

/* Takes what was launched on the dry device as what the device will launch. Nothing on drivers that
 * compile elsewhere, but counted. */
void device_prepare(struct device *device, struct device *dry);

/* Starts the next kernel if the last one is done; never waits. To be called now and then. */
void device_prepare_next(struct device *device);

/* Waits for the kernel in work and forgets the others. */
void device_prepare_end(struct device *device);

/* The first launch of a kernel on a dry device. */
struct rehearsal {
    struct grid grid;
    size_t count;
    struct argument arguments[];
};
/* For launch_array: keeps the first one. */
enum clat_status kernel_rehearse(
    struct kernel *kernel, struct grid grid, const struct argument *arguments, size_t count);

#endif
