/* launch_parts.c - a launch that would take long, in parts. SPDX-License-Identifier: MIT
 *
 * Two parts are in flight: while one runs, the next is queued, and its time begins when the one
 * before it is done. What it took makes the next ones smaller or larger (pace.h). */
#include "device/launch_parts.h"
#include "base/clock.h"
#include "base/memory.h"

/* ---- the pace ------------------------------------------------------------------------------- */

size_t launch_groups(const struct grid *grid, size_t groups[3])
{
    size_t total = 1;
    for (int d = 0; d < 3; d++) {
        groups[d] = grid->global[d] / grid->local[d];
        total *= groups[d];
    }
    return total;
}

/* The grid and the numbers among the arguments, FNV-1a: what the time of a group depends on. */
static uint64_t shape_of(const struct grid *grid, const struct argument *arguments, size_t count)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (int d = 0; d < 3; d++)
        hash = (hash ^ grid->global[d]) * 0x100000001b3u;
    for (size_t i = 0; i < count; i++)
        if (arguments[i].kind == ARGUMENT_INT)
            hash = (hash ^ (uint64_t)(unsigned)arguments[i].int_value) * 0x100000001b3u;
    return hash;
}

static struct pace *find_pace(const struct kernel *kernel, uint64_t shape)
{
    for (size_t i = 0; i < kernel->pace_count; i++)
        if (kernel->paces[i].shape == shape)
            return &kernel->paces[i];
    return NULL;
}

enum clat_status launch_pace(struct device *device, struct kernel *kernel, const struct grid *grid,
    const struct argument *arguments, size_t count, struct pace **pace)
{
    enum clat_status status = CLAT_OK;
    uint64_t shape = shape_of(grid, arguments, count);
    int units = device->facts.compute_units;
    *pace = find_pace(kernel, shape);
    if (!*pace) {
        TRY(memory_grow(
            &kernel->paces, &kernel->pace_room, kernel->pace_count, sizeof *kernel->paces));
        *pace = &kernel->paces[kernel->pace_count++];
        **pace = (struct pace){.shape = shape, .groups = units > 0 ? (size_t)units : 1};
    }
    if (device->facts.launch_groups != PACE_MEASURED)
        (*pace)->groups = device->facts.launch_groups;
out:
    return status;
}

/* ---- the parts ------------------------------------------------------------------------------ */

/* A part in flight. */
struct flight {
    cl_event event;
    size_t groups;
    double begun; /* when it was queued */
};

/* Waits for a part; what it took since it was queued, or since *ended, when the one before it was
 * done, is learned. */
static enum clat_status land(
    struct device *device, struct pace *pace, struct flight *flight, double *ended)
{
    enum clat_status status = CLAT_OK;
    if (!flight->event)
        return CLAT_OK;
    TRY(opencl_await(device, flight->event));
    double end = clock_seconds(), begun = flight->begun > *ended ? flight->begun : *ended;
    if (device->facts.launch_groups == PACE_MEASURED)
        pace_learn(pace, flight->groups, end - begun);
    *ended = end;
out:
    clReleaseEvent(flight->event);
    flight->event = NULL;
    return status;
}

static enum clat_status enqueue_part(struct device *device, const struct kernel *kernel,
    const struct grid *grid, const struct part *part, cl_event *event)
{
    size_t offset[3], global[3];
    enum clat_status status;
    for (int d = 0; d < 3; d++) {
        offset[d] = part->first[d] * grid->local[d];
        global[d] = part->count[d] * grid->local[d];
    }
    TRY(launch_enqueue(device, kernel, grid, offset, global, event));
    clFlush(device->queue);
out:
    return status;
}

enum clat_status launch_parts(
    struct device *device, const struct kernel *kernel, const struct grid *grid, struct pace *pace)
{
    struct flight before = {NULL, 0, 0}, flight = before;
    double ended = 0;
    size_t groups[3], total = launch_groups(grid, groups);
    struct part part;
    enum clat_status status;
    TRY(device_finish(device));
    for (size_t done = 0; done < total; done += flight.groups) {
        TRY(launch_check_cancel(device));
        flight.groups = part_take(groups, done, pace->groups, &part);
        flight.begun = clock_seconds();
        TRY(enqueue_part(device, kernel, grid, &part, &flight.event));
        TRY(land(device, pace, &before, &ended));
        before = flight;
        flight.event = NULL;
    }
    TRY(land(device, pace, &before, &ended));
out:
    if (before.event)
        clReleaseEvent(before.event);
    if (flight.event)
        clReleaseEvent(flight.event);
    return status;
}
