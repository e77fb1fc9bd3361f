/* selftest.h - every kernel variant of a device against plain C. SPDX-License-Identifier: MIT
 *
 * Random inputs of awkward shapes and of those of the models go through each op, in each form that
 * the device can run, and through the references of this room. A form is right if the relative L2
 * distance stays below its limit, which is that of the project's own tests. */
#ifndef CLATENT_SELFTEST_SELFTEST_H
#define CLATENT_SELFTEST_SELFTEST_H

#include "device/device.h"

/* Good while it is told. */
struct selftest_check {
    const char *op, *variant, *shape; /* "conv 3x3", "winograd", "2x32x32, 320 -> 320, ..." */
    double error, limit;              /* relative L2; infinity if a value is no number */
    const char *fault;                /* why it could not run; NULL: it ran */
    bool passed;
};

/* Runs and tells all checks. A failed check is no failure of the call; CLAT_CANCELLED and
 * CLAT_ERROR_MEMORY are. */
enum clat_status selftest_all(struct device *device,
    void (*tell)(void *user, const struct selftest_check *check), void *user);

#endif
