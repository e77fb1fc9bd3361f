/* launch_parts.h - a launch that would take long, in parts. SPDX-License-Identifier: MIT
 *
 * Why, and how much at once: pace.h. Between launch.c, which tells whether, and launch_parts.c. */
#ifndef CLATENT_DEVICE_LAUNCH_PARTS_H
#define CLATENT_DEVICE_LAUNCH_PARTS_H

#include "device/launch.h"
#include "device/program.h"

/* The work-groups of a grid along each dimension; how many in all. */
size_t launch_groups(const struct grid *grid, size_t groups[3]);

/* The pace of a kernel with that grid and those arguments, which begins with a group per compute
 * unit. It is the kernel's, and stays where it is until the next one is asked for. */
enum clat_status launch_pace(struct device *device, struct kernel *kernel, const struct grid *grid,
    const struct argument *arguments, size_t count, struct pace **pace);

/* Queues a kernel whose arguments are set, so many groups at a time as the pace says. Nothing else
 * is in flight meanwhile, so that times are those of the parts. */
enum clat_status launch_parts(
    struct device *device, const struct kernel *kernel, const struct grid *grid, struct pace *pace);

/* Of launch.c. CLAT_CANCELLED if the job is to stop. */
enum clat_status launch_check_cancel(const struct device *device);
/* Queues a kernel whose arguments are set; `offset` NULL: from the beginning. *event, if it is
 * given, is the caller's. */
enum clat_status launch_enqueue(struct device *device, const struct kernel *kernel,
    const struct grid *grid, const size_t *offset, const size_t *global, cl_event *event);

#endif
