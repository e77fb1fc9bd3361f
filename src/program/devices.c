/* devices.c - OpenCL devices, and why each is or is not used. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/json.h"
#include "program/program.h"

#include <stdio.h>

static void print_score_json(struct json *json, const struct clat_device *device)
{
    json_bool(json, "chosen", device->chosen);
    json_real(json, "score", device->score);
    json_begin(json, "score_facts", '[');
    for (size_t i = 0; i < device->fact_count; i++) {
        json_begin(json, NULL, '{');
        json_string(json, "text", device->facts[i].text);
        json_real(json, "points", device->facts[i].points);
        json_end(json);
    }
    json_end(json);
}

static void print_json(const struct clat_devices *list)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_string(&json, "schema", "clatent/devices/1");
    json_begin(&json, "devices", '[');
    for (size_t i = 0; i < list->count; i++) {
        const struct clat_device *device = &list->devices[i];
        json_begin(&json, NULL, '{');
        json_real(&json, "index", device->index);
        json_string(&json, "name", device->name);
        json_string(&json, "vendor", device->vendor);
        json_string(&json, "platform", device->platform);
        json_string(&json, "driver", device->driver);
        json_string(&json, "version", device->version);
        json_bool(&json, "usable", device->usable);
        json_string(&json, "reason", device->reason);
        json_bool(&json, "cpu", device->is_cpu);
        json_uint(&json, "compute_units", (uint64_t)device->compute_units);
        json_uint(&json, "global_memory", device->global_memory);
        json_uint(&json, "largest_buffer", device->largest_buffer);
        json_uint(&json, "local_memory", device->local_memory);
        json_string(&json, "pci", device->pci[0] ? device->pci : NULL);
        print_score_json(&json, device);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
}

/* "score 1312: CPU 1000, 31.2 GiB of memory +312" */
static void print_score(const struct clat_device *device)
{
    if (!device->usable)
        return;
    printf("score %d: ", device->score);
    for (size_t i = 0; i < device->fact_count; i++)
        printf(i ? ", %s %+d" : "%s %d", device->facts[i].text, device->facts[i].points);
    printf("\n   ");
}

/* One that has no device, and why. */
static void print_platform(const struct clat_device *device)
{
    printf("-  ");
    print_shown(device->platform);
    printf("  (no device)\n   ");
    print_shown(device->reason);
    printf("\n");
}

static void print_device(const struct clat_device *device)
{
    if (device->index < 0)
        return print_platform(device);
    printf("%d  ", device->index);
    print_shown(device->name);
    printf("%s\n   ", device->usable ? "" : "  (not used)");
    print_shown(device->platform);
    printf(", ");
    print_shown(device->version);
    printf(", driver ");
    print_shown(device->driver);
    if (device->pci[0])
        printf(", pci:%s", device->pci);
    printf("\n   largest buffer %.1f GiB, local memory %.0f KiB\n   ",
        (double)device->largest_buffer / (1 << 30), (double)device->local_memory / 1024);
    print_score(device);
    print_shown(device->reason);
    printf("\n");
}

enum clat_status devices_run(int count, char **arguments)
{
    bool json = false;
    struct flag flags[] = {{"json", &json}, {NULL, NULL}};
    struct clat_options options = {0};
    struct clat_context *context = NULL;
    const struct clat_devices *list = NULL;
    enum clat_status status = arguments_read(count, arguments, flags, NULL, NULL);
    if (status == CLAT_OK)
        status = context_open(&options, &context);
    if (status == CLAT_OK)
        status = report(clat_devices(context, &list));
    if (status == CLAT_OK && json)
        print_json(list);
    else if (status == CLAT_OK)
        for (size_t i = 0; i < list->count; i++)
            print_device(&list->devices[i]);
    if (status == CLAT_OK && !json && list->count == 0)
        complain(
            status, "no OpenCL platform found: install a driver, or pocl-opencl-icd for the CPU");
    clat_free(list);
    clat_close(context);
    return status;
}
