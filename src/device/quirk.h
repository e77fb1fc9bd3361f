/* quirk.h - what drivers get wrong, as data. SPDX-License-Identifier: MIT
 *
 * Code asks for a symptom, never for a vendor; names of vendors stand only in the rows of quirk.c.
 */
#ifndef CLATENT_DEVICE_QUIRK_H
#define CLATENT_DEVICE_QUIRK_H

#include "device/device.h"

enum quirk_symptom {
    QUIRK_UNUSABLE =
        1, /* gives wrong pictures or crashes: not used (narrow.h has a word for tests) */
    QUIRK_NO_OWN_CACHE = 2,     /* fetching a binary costs more than it saves */
    QUIRK_BUILDS_AT_LAUNCH = 4, /* compiles a kernel at its first launch, on a thread of its own */
    QUIRK_IN_PROCESS = 8,       /* CPU devices run kernels in this process, with what its CPU has */
    QUIRK_PREFETCHES = 16,      /* CPU devices take the builtin that asks for a cache line */
    QUIRK_SECOND_CHOICE = 32,   /* another driver of the same hardware is better */
    QUIRK_BUILDS_TOGETHER = 64  /* its compiler may be used by several threads */
};

struct quirk {
    unsigned symptom;
    const char *platform, *device, *driver; /* parts of the names, any case; NULL fits all */
    const char *effect;                     /* for people: what is done about it */
    const char *source;                     /* where it was seen */
};

/* The rows, ended by symptom 0. */
extern const struct quirk quirk_rows[];

/* All symptoms of a device; *unusable (may be NULL) becomes the row that forbids it, or NULL. */
unsigned quirk_find(const struct device_facts *facts, const struct quirk **unusable);

/* True if `text` contains `part`, whatever the case; a NULL part is in every text. */
bool quirk_contains(const char *text, const char *part);

#endif
