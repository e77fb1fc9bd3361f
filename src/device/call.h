/* call.h - which kernels a device was asked for, and for what. SPDX-License-Identifier: MIT
 *
 * On a dry device each op says how it was called (CALL, after METER), and each kernel keeps one
 * call that launched it: enough to run the op again with other values, and compare what comes out
 * (selftest/first_use.h). Of several calls it is the one that works most nearly for CALL_WORK. */
#ifndef CLATENT_DEVICE_CALL_H
#define CLATENT_DEVICE_CALL_H

#include "device/device.h"

#define CALL_NUMBERS 14
#define CALL_WORK 4e6 /* floating-point operations: enough for sums of some length, soon done */

struct op_call {
    const char *op; /* "linear"; NULL: an op that does not say it */
    bool half;      /* its weights are kept as half */
    bool units;     /* it may use matrix units, if there are any */
    double work;
    int numbers[CALL_NUMBERS]; /* as the op has them: sizes and flags */
};
bool op_call_equals(const struct op_call *a, const struct op_call *b);

/* What is launched on a dry device from now on belongs to this call; op NULL: to none. */
void call_note(
    struct device *device, const char *op, bool half, double work, const int numbers[CALL_NUMBERS]);
#define CALL(device, op, half, work, ...)                                                          \
    call_note(device, op, half, work, (const int[CALL_NUMBERS]){__VA_ARGS__})

/* A kernel in cl/FILE.cl, with the options of its program. */
struct kernel_use {
    char file[32], function[48], options[160];
    struct op_call call;
};
/* All that the device was asked for so far, freed with free(). */
enum clat_status device_uses(const struct device *device, struct kernel_use **uses, size_t *count);

#endif
