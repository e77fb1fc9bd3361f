/* matrix_unit.h - matrix units that kernels reach by instructions of the CPU.
 * SPDX-License-Identifier: MIT
 *
 * The unit is used if the processor has it, the system lets this process use it, the device runs
 * its kernels in this process, and a small product in a trial kernel comes out right. What is
 * missing is no fault: the other kernels do all of it. */
#ifndef CLATENT_DEVICE_MATRIX_UNIT_H
#define CLATENT_DEVICE_MATRIX_UNIT_H

#include "device/device.h"

/* Asks the processor and the system, which grants it to the whole process from then on. */
bool matrix_unit_allowed(void);

/* Whether a device of these facts and quirks is worth a trial. */
bool matrix_unit_expected(const struct device_facts *facts, unsigned quirks);

/* Sets the device's fact by the trial. */
void matrix_unit_try(struct device *device);

#endif
