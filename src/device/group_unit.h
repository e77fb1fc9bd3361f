/* group_unit.h - matrix units that the sub-groups of a work-group have. SPDX-License-Identifier:
 * MIT
 *
 * A unit is a header in cl/ (cl/unit.h says what it gives) and a row here. It is used if what the
 * driver says of the device lets expect it, a trial kernel builds, and small products come out
 * right; the verdict is kept on disk beside the programs. All others take the kernels that need no
 * unit. */
#ifndef CLATENT_DEVICE_GROUP_UNIT_H
#define CLATENT_DEVICE_GROUP_UNIT_H

#include "device/device.h"

struct _cl_device_id;

/* What the header says too; the trial compares. */
struct unit_shape {
    const char *name;    /* for people, and for CLATENT_TEST_DEVICE */
    const char *options; /* that choose the header */
    int rows, columns, depth, lanes;
    bool has_bf16;    /* takes factors of that kind as well */
    const char *room; /* compiler option that gives a lane more registers, or "" */
};
/* NULL for UNIT_NONE. */
const struct unit_shape *unit_shape(enum unit_kind kind);

/* UNIT_NONE if there is none of that name. */
enum unit_kind unit_named(const char *name);

/* By the device's extensions and queries. */
enum unit_kind unit_expected(struct _cl_device_id *id);

/* "-DUNIT_... -DBF16 -DEMULATE", as far as it goes, for kernels of that unit. */
#define UNIT_OPTIONS 64
void unit_options(const struct group_unit *unit, char options[UNIT_OPTIONS]);
/* Behind them, for kernels that keep many sums: " -cl-..." or "". */
const char *unit_room(const struct group_unit *unit);

/* facts.unit_expected, or none, if the trial fails. */
struct group_unit group_unit_try(struct device *device);

#endif
