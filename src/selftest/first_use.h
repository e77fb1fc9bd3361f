/* first_use.h - kernels are tried before a job relies on them. SPDX-License-Identifier: MIT
 *
 * Given the kernels that a job will use, as its dry run has shown them, each that no verdict speaks
 * for is launched by one of the calls that the job itself will make, with other values, and
 * compared with plain C. A file of kernels that computes wrong is replaced by its fallback. */
#ifndef CLATENT_SELFTEST_FIRST_USE_H
#define CLATENT_SELFTEST_FIRST_USE_H

#include "device/call.h"

/* Tries what is unknown. If a file is wrong, or does not build, its fallback is taken, with a
 * warning: device_facts.refused is then another, and the job's kernels are others.
 * CLAT_ERROR_CHECK: nothing can take the place of what is wrong. Kernels of ops that do not note
 * their calls are not tried, and none is while memory is too short for it. */
enum clat_status first_use_check(
    struct device *device, const struct kernel_use *uses, size_t count);

#endif
