/* clatent_list.c - what is there: OpenCL devices, scheduler plugins. SPDX-License-Identifier: MIT
 */
#include "base/arena.h"
#include "clatent_internal.h"
#include "device/device.h"

#include <stdlib.h>

static enum clat_status copy_device(
    struct arena *arena, const struct device_entry *from, struct clat_device *to)
{
    enum clat_status status = CLAT_OK;
    const struct device_facts *facts = &from->facts;
    *to = (struct clat_device){.index = from->index,
        .usable = from->usable,
        .is_cpu = facts->is_cpu,
        .compute_units = facts->compute_units,
        .global_memory = facts->global_memory,
        .largest_buffer = facts->largest_buffer,
        .local_memory = facts->local_memory};
    TRY(arena_string(arena, facts->name, &to->name));
    TRY(arena_string(arena, facts->vendor, &to->vendor));
    TRY(arena_string(arena, facts->platform, &to->platform));
    TRY(arena_string(arena, facts->driver, &to->driver));
    TRY(arena_string(arena, facts->version, &to->version));
    TRY(arena_string(arena, from->reason, &to->reason));
out:
    return status;
}

enum clat_status clat_devices(struct clat_context *context, const struct clat_devices **result)
{
    enum clat_status status = CLAT_OK;
    struct device_entry *entries = NULL;
    size_t count = 0;
    struct arena *arena = NULL;
    struct clat_devices *made = NULL;
    struct clat_device *list;
    (void)context;
    *result = NULL;
    TRY(device_list(&entries, &count));
    TRY(arena_new(sizeof *made, &arena, &made));
    TRY(arena_take(arena, count, sizeof *list, &list));
    made->devices = list;
    for (; made->count < count; made->count++)
        TRY(copy_device(arena, &entries[made->count], &list[made->count]));
    *result = made;
    made = NULL;
out:
    arena_free(made);
    free(entries);
    return status;
}
