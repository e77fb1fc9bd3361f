/* peak.h - how many multiply-adds a device can do. SPDX-License-Identifier: MIT */
#ifndef CLATENT_DEVICE_PEAK_H
#define CLATENT_DEVICE_PEAK_H

#include "device/device.h"

/* Float multiply-adds per second in registers, counted as two operations: the best of several
 * vector widths and runs, which take about half a second in all. */
enum clat_status peak_measure(struct device *device, double *flop_per_second);

#endif
