/* fallback.h - fast kernels that a driver cannot build, and what takes their place.
 * SPDX-License-Identifier: MIT
 *
 * A file of kernels that does not build is refused from then on (device_facts.refused), with one
 * warning, and ops choose as if it were not there. Weights may be packed for it already; the
 * failure that comes with it (TROUBLE_REFUSED) asks for loading them anew. */
#ifndef CLATENT_DEVICE_FALLBACK_H
#define CLATENT_DEVICE_FALLBACK_H

#include "device/device.h"

/* Whether ops must do without the kernels of cl/FILE.cl; false for one that has no fallback. */
bool fallback_is_taken(const struct device_facts *facts, const char *file);

/* Whether there is a row for it; and the file of a row, NULL behind the last. */
bool fallback_exists(const char *file);
const char *fallback_file(size_t row);

/* Notes that a file did not build, or computes wrong, for the reason that status_text() has.
 * Nothing if all depends on it. */
void fallback_take(struct device *device, const char *file);

/* Takes back what was noted since `refused` was the fact: a trial of parameters failed, not the
 * file.
 */
void fallback_forget(struct device *device, unsigned refused);

#endif
