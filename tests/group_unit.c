/* group_unit.c - the trial of every matrix unit of sub-groups, emulated: what the header of a unit
 * says of loads, registers and sums belongs together. SPDX-License-Identifier: MIT */
#include "config.h"
#include "check.h"
#include "device/device.h"
#include "device/group_unit.h"
#include "device/opencl.h"
#include "device/verdict.h"

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

/* A unit that was right is not tried again by the next process. */
static void check_kept(void)
{
    setenv("XDG_CACHE_HOME", check_scratch("group_unit"), 1);
    setenv("CLATENT_CACHE", "auto", 1);
    struct kernel_use use = {.file = "unit_trial", .function = "unit_trial"};
    for (int process = 0; process < 2; process++) {
        struct device *device = open_with("mma");
        device_allow_matrix_unit(device, true);
        CHECK(device_facts(device)->unit.kind == UNIT_MMA, "%s", status_text());
        CHECK(process == 0 || !device->programs, "tried twice");
        unit_options(&device_facts(device)->unit, use.options);
        CHECK(verdict_is_right(device, &use), "no verdict");
        device_close(device);
    }
}

int main(void)
{
    setenv("CLATENT_CACHE", "off", 1);
    for (int kind = UNIT_NONE + 1; kind < UNIT_KINDS; kind++)
        check_unit((enum unit_kind)kind);
    check_kept();
    setenv("CLATENT_TEST_DEVICE", "unit=none", 1);
    struct device *device;
    CHECK_FAILS(device_open(NULL, &device), CLAT_ERROR_USAGE, "matrix unit 'none'");
    return check_result();
}
