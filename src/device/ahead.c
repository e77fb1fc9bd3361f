/* ahead.c - programs built side by side before they are needed. SPDX-License-Identifier: MIT
 *
 * Only for drivers that are known to bear it (a quirk row); elsewhere each is built when it is
 * needed, one at a time in the whole process. A program that does not build is passed over: the op
 * that needs it says so, or takes another. */
#include "base/shares.h"
#include "device/program.h"
#include "device/quirk.h"

#include <string.h>

#define BATCH 8 /* programs at a time: between two batches progress is told */

struct batch {
    const struct device *device;
    const struct program *wanted[BATCH]; /* of a dry device */
    struct program *made[BATCH];         /* NULL: it does not build */
    int builds[BATCH], cache_hits[BATCH];
    size_t count;
};

/* On a thread of its own: with a copy of the device, so that nothing is shared but its context. */
static void make_some(void *user, size_t first, size_t last)
{
    struct batch *batch = user;
    for (size_t i = first; i < last; i++) {
        struct device device = *batch->device;
        device.building = NULL;
        device.warn = NULL;
        device.builds = device.cache_hits = 0;
        if (program_new(&device, batch->wanted[i]->file, batch->wanted[i]->options,
                &batch->made[i]) != CLAT_OK)
            batch->made[i] = NULL;
        batch->builds[i] = device.builds;
        batch->cache_hits[i] = device.cache_hits;
    }
}

static void make_batch(struct device *device, struct batch *batch)
{
    int last = device->builds + (int)batch->count;
    if (device->building && device->builds_ahead > 0)
        device->building(device->building_user, batch->wanted[0]->file,
            last < device->builds_ahead ? last : device->builds_ahead, device->builds_ahead);
    shares_run(batch->count, make_some, batch);
    for (size_t i = 0; i < batch->count; i++) {
        device->builds += batch->builds[i];
        device->cache_hits += batch->cache_hits[i];
        if (batch->made[i]) {
            batch->made[i]->next = device->programs;
            device->programs = batch->made[i];
        }
    }
    batch->count = 0;
}

void device_build_ahead(struct device *device, const struct device *dry)
{
    struct batch batch = {.device = device, .count = 0};
    if (device->dry || !(device->quirks & QUIRK_BUILDS_TOGETHER))
        return;
    for (const struct program *program = dry->programs; program; program = program->next) {
        if (!program_is_built(device, program))
            batch.wanted[batch.count++] = program;
        if (batch.count == BATCH)
            make_batch(device, &batch);
    }
    if (batch.count)
        make_batch(device, &batch);
}
