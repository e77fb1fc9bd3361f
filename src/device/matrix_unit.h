/* matrix_unit.h - matrix units that kernels reach by instructions of the CPU.
 * SPDX-License-Identifier: MIT
 *
 * The unit is used if the processor has it, the system lets this process use it, the device runs
 * its kernels in this process, and a small product in a trial kernel comes out right. What is
 * missing is no fault: the other kernels do all of it. */
#ifndef CLATENT_DEVICE_MATRIX_UNIT_H
#define CLATENT_DEVICE_MATRIX_UNIT_H

#include "device/device.h"

/* Whether a device of these facts and quirks has one, and a system that knows it. */
bool matrix_unit_expected(const struct device_facts *facts, unsigned quirks);

/* The unit, if the system grants it (to the whole process, from then on) and the trial succeeds. */
enum matrix_unit matrix_unit_try(struct device *device);

#endif
