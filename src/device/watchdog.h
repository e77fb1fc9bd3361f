/* watchdog.h - waiting for a device that may never answer. SPDX-License-Identifier: MIT
 *
 * A driver that hangs does not say so: its waits never end. So where patience has an end, we ask
 * instead of waiting, more seldom the longer it lasts. A device that was given up is hung: nothing
 * more is asked of it, not even to take its objects back, since each such call might hang as well.
 * On a CPU kernels are threads of this machine, which may be slow for other reasons than a driver,
 * and patience has no end unless it is set. */
#ifndef CLATENT_DEVICE_WATCHDOG_H
#define CLATENT_DEVICE_WATCHDOG_H

#include "device/opencl.h"

#define PATIENCE_SECONDS 120

/* Waits until the event is done; CLAT_CANCELLED as soon as that is wanted; CLAT_ERROR_DEVICE when
 * patience ends. With endless patience it returns at once, and the caller may wait. */
enum clat_status watchdog_wait(struct device *device, cl_event event);

/* The same for all that a queue holds. */
enum clat_status watchdog_drain(struct device *device, cl_command_queue queue);

#endif
