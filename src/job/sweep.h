/* sweep.h - the axes of a sweep: a key, and the values that it takes. SPDX-License-Identifier: MIT
 *
 *     scheduler=ddim,euler                      values
 *     scheduler=[ddim, "ddim,eta=0.3"]          values that hold commas
 *     seed=1-4  steps=10-50(+10)                ranges, the second with a step
 *     guidance_scale=1-9[5]                     5 values from 1 to 9
 *
 * Source of the ranges: what users know from the X/Y/Z plots of other programs. */
#ifndef CLATENT_JOB_SWEEP_H
#define CLATENT_JOB_SWEEP_H

#include "base/status.h"
#include <stddef.h>

#define SWEEP_AXES 6     /* most axes of one sweep */
#define SWEEP_LIMIT 4096 /* most images of one sweep */

/* Zero-initialise; freed with sweep_axis_free() also after a failure. */
struct sweep_axis {
    int key;      /* index in job_keys */
    char **items; /* [count], 1 or more, each as --KEY takes it; all different */
    size_t count, capacity;
};
/* CLAT_ERROR_USAGE for a key that cannot be swept, a value that the key does not take, and one that
 * is there twice. */
enum clat_status sweep_axis_read(const char *text, const char *where, struct sweep_axis *axis);
enum clat_status sweep_axis_check(const char *text, const char *where);
enum clat_status sweep_axis_add(struct sweep_axis *axis, const char *item, const char *where);
void sweep_axis_free(struct sweep_axis *axis);

#endif
