/* clatent_selftest.c - the kernels of a device against plain C. SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/memory.h"
#include "clatent_internal.h"
#include "device/device.h"
#include "selftest/selftest.h"

#include <stdlib.h>

/* Checks as they come, kept for the result. */
struct collection {
    struct clat_context *context;
    struct arena *arena;
    void (*told)(void *user, const struct clat_check *check);
    struct clat_check *checks;
    size_t count, room, failed;
    enum clat_status status;
};

static enum clat_status copy_check(
    struct arena *arena, const struct selftest_check *from, struct clat_check *to)
{
    enum clat_status status;
    *to = (struct clat_check){.error = from->error, .limit = from->limit, .passed = from->passed};
    TRY(arena_string(arena, from->op, &to->op));
    TRY(arena_string(arena, from->variant, &to->variant));
    TRY(arena_string(arena, from->shape, &to->shape));
    TRY(arena_string(arena, from->fault, &to->fault));
out:
    return status;
}

static void collect(void *user, const struct selftest_check *check)
{
    struct collection *all = user;
    if (all->status == CLAT_OK)
        all->status = memory_grow(&all->checks, &all->room, all->count, sizeof *all->checks);
    if (all->status == CLAT_OK)
        all->status = copy_check(all->arena, check, &all->checks[all->count]);
    if (all->status != CLAT_OK)
        return;
    if (all->told)
        all->told(all->context->options.user, &all->checks[all->count]);
    all->failed += !check->passed;
    all->count++;
}

static enum clat_status copy_facts(
    struct arena *arena, const struct device_facts *facts, struct clat_selftest *to)
{
    enum clat_status status;
    struct clat_device *device;
    TRY(arena_take(arena, 1, sizeof *device, &device));
    *device = (struct clat_device){.index = -1,
        .usable = 1,
        .is_cpu = facts->on_host,
        .compute_units = facts->compute_units,
        .global_memory = facts->global_memory,
        .largest_buffer = facts->largest_buffer,
        .local_memory = facts->local_memory};
    TRY(arena_string(arena, facts->name, &device->name));
    TRY(arena_string(arena, facts->vendor, &device->vendor));
    TRY(arena_string(arena, facts->platform, &device->platform));
    TRY(arena_string(arena, facts->driver, &device->driver));
    TRY(arena_string(arena, facts->version, &device->version));
    TRY(arena_string(arena, "", &device->reason));
    TRY(arena_string(arena, facts->pci, &device->pci));
    to->device = device;
out:
    return status;
}

/* The list that grew, at its place in the result. */
static enum clat_status keep_checks(const struct collection *all, struct clat_selftest *to)
{
    struct clat_check *list;
    enum clat_status status = arena_take(all->arena, all->count, sizeof *list, &list);
    for (size_t i = 0; status == CLAT_OK && i < all->count; i++)
        list[i] = all->checks[i];
    if (status == CLAT_OK)
        to->checks = list;
    to->count = all->count;
    to->failed = all->failed;
    return status;
}

enum clat_status clat_selftest(struct clat_context *context, const char *device,
    void (*told)(void *user, const struct clat_check *check), const struct clat_selftest **result)
{
    enum clat_status status;
    struct device *opened = NULL;
    struct clat_selftest *made = NULL;
    struct collection all = {.context = context, .told = told};
    *result = NULL;
    TRY(arena_new(sizeof *made, &all.arena, &made));
    TRY(device_open(device, &opened));
    device_on_cancel(opened, context_is_cancelled, context);
    context_log(context, "device: %s", device_facts(opened)->name);
    TRY(copy_facts(all.arena, device_facts(opened), made));
    TRY(selftest_all(opened, collect, &all));
    TRY(all.status);
    TRY(keep_checks(&all, made));
    *result = made;
    made = NULL;
out:
    device_close(opened);
    free(all.checks);
    arena_free(made);
    return status;
}
