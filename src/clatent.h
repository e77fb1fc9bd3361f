/* clatent.h - DRAFT of the part everybody needs now; the program's room completes it.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_H
#define CLATENT_H

/* What went wrong. The number is also the exit code of the program. */
enum clat_status {
    CLAT_OK = 0,
    CLAT_ERROR_INTERNAL = 1,  /* a defect of clatent: please report */
    CLAT_ERROR_USAGE = 2,     /* usage or configuration */
    CLAT_ERROR_INPUT = 3,     /* bad input: model, prompt, image */
    CLAT_ERROR_NO_DEVICE = 4, /* no usable device, or a plugin is missing */
    CLAT_ERROR_MEMORY = 5,    /* host or device memory */
    CLAT_ERROR_DEVICE = 6,    /* driver or device failed */
    CLAT_ERROR_OUTPUT = 7,    /* could not write */
    CLAT_ERROR_CHECK = 8,     /* a result check failed (not a number, self-test) */
    CLAT_CANCELLED = 9        /* stopped on request */
};

#endif
