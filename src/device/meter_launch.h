/* meter_launch.h - what launch.c tells a running meter. SPDX-License-Identifier: MIT */
#ifndef CLATENT_DEVICE_METER_LAUNCH_H
#define CLATENT_DEVICE_METER_LAUNCH_H

#include "device/opencl.h"
#include "device/program.h"

/* The event of a launch is kept until the meter stops. */
void meter_launch(struct device *device, const struct kernel *kernel, cl_event event);

#endif
