/* verdict.h - which kernels of a device were found to compute right. SPDX-License-Identifier: MIT
 *
 * A verdict is a digest of all that decides what a kernel computes: its text, the options of its
 * program, its name; and it belongs to one device with one driver, by their names and versions, and
 * one version of clatent. They stand in one entry of the cache on disk (cache.h), and are in memory
 * only if CLATENT_CACHE is "off". That a kernel was wrong is not kept: it is tried again. */
#ifndef CLATENT_DEVICE_VERDICT_H
#define CLATENT_DEVICE_VERDICT_H

#include "device/call.h"

bool verdict_is_right(struct device *device, const struct kernel_use *use);
void verdict_note_right(struct device *device, const struct kernel_use *use);
/* Writes what is new to disk. */
void verdicts_keep(struct device *device);
/* For another device or driver. */
void verdicts_forget(struct device *device);

#endif
