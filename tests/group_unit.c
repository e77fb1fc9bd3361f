/* group_unit.c - the trial of every matrix unit of sub-groups, emulated: what the header of a unit
 * says of loads, registers and sums belongs together. SPDX-License-Identifier: MIT */
#include "config.h"
#include "check.h"
#include "device/device.h"
#include "device/group_unit.h"

#include <stdio.h>
#include <stdlib.h>

static struct device *open_with(const char *word)
{
    struct device *device;
    char words[64];
    snprintf(words, sizeof words, "gpu,unit=%s", word);
    setenv("CLATENT_TEST_DEVICE", words, 1);
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    return device;
}

static void check_unit(enum unit_kind kind)
{
    const struct unit_shape *shape = unit_shape(kind);
    struct device *device = open_with(shape->name);
    const struct device_facts *facts = device_facts(device);
    CHECK(unit_named(shape->name) == kind, "%s", shape->name);
    CHECK(facts->unit.kind == UNIT_NONE, "%s: used before it is allowed", shape->name);
    device_allow_matrix_unit(device, true);
    CHECK(facts->unit.kind == kind && facts->unit.emulated, "%s: fails its trial: %s", shape->name,
        status_text());
    device_allow_matrix_unit(device, false);
    CHECK(facts->unit.kind == UNIT_NONE, "%s: still allowed", shape->name);
    device_close(device);
}

int main(void)
{
    for (int kind = UNIT_NONE + 1; kind < UNIT_KINDS; kind++)
        check_unit((enum unit_kind)kind);
    setenv("CLATENT_TEST_DEVICE", "unit=none", 1);
    struct device *device;
    CHECK_FAILS(device_open(NULL, &device), CLAT_ERROR_USAGE, "matrix unit 'none'");
    return check_result();
}
