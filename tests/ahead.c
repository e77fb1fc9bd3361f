/* ahead.c - programs built several at a time, before they are needed. SPDX-License-Identifier: MIT
 *
 * fault_layer.c lets one build at a time through to the driver, which need not bear more. */
#include "check.h"
#include "fault.h"
#include "device/launch.h"
#include "device/prepare.h"
#include "device/program.h"
#include "device/quirk.h"

#include <stdio.h>

#define PROGRAMS 11

static int told, last, expected;

static void on_build(void *user, const char *program, int n, int total)
{
    (void)user, (void)program;
    CHECK(n > last && n <= total, "%d of %d after %d", n, total, last);
    told++;
    last = n;
    expected = total;
}

static void find_all(struct device *device)
{
    struct kernel *kernel;
    char options[16];
    for (int i = 0; i < PROGRAMS; i++) {
        snprintf(options, sizeof options, "-DTEST=%d", i);
        CHECK_OK(kernel_find(device, "resample", "resize_nearest", options, &kernel));
    }
}

int main(void)
{
    const struct fault_layer *layer = fault_open();
    struct device *device, *dry;
    struct kernel *kernel;
    if (device_open("0", &device) != CLAT_OK)
        check_skip("%s", status_text());
    device->quirks = QUIRK_NO_OWN_CACHE;
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    find_all(dry);
    CHECK_OK(kernel_find(dry, "no such file", "nor function", "", &kernel));
    device_on_build(device, on_build, NULL);

    device_prepare(device, dry);
    CHECK(!device->programs && layer->calls("clBuildProgram") == 0, "built without its quirk");
    device->quirks |= QUIRK_BUILDS_TOGETHER;
    device_prepare(device, dry);
    CHECK(layer->calls("clBuildProgram") == PROGRAMS && device->builds == PROGRAMS,
        "%d builds, %d counted", layer->calls("clBuildProgram"), device->builds);
    CHECK(told == 2 && last >= PROGRAMS && expected == PROGRAMS + 1, "told %d times, last %d/%d",
        told, last, expected);
    find_all(device);
    device_prepare(device, dry);
    CHECK(layer->calls("clBuildProgram") == PROGRAMS, "%d builds", layer->calls("clBuildProgram"));
    CHECK_FAILS(kernel_find(device, "no such file", "nor function", "", &kernel),
        CLAT_ERROR_INTERNAL, "no such file");
    device_close(dry);
    device_close(device);
    CHECK(
        layer->references() == 0, "%d references to OpenCL objects are left", layer->references());
    return check_result();
}
