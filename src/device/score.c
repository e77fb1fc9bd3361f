/* score.c - how good a device is, by what it says of itself. SPDX-License-Identifier: MIT
 *
 * What decides most stands highest: a GPU before a CPU, memory of its own before the host's, then
 * how much memory, then width times clock. No table of cards: a driver that lies about these lies
 * about everything. Drivers known to be worse than another for the same hardware lose points by a
 * row of quirk.c. */
#include "device/matrix_unit.h"
#include "device/platform.h"
#include "device/quirk.h"

#include <stdarg.h>
#include <stdio.h>

static void add(struct device_entry *entry, int points, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(struct device_entry *entry, int points, const char *format, ...)
{
    struct score_fact *fact = &entry->score_facts[entry->score_fact_count];
    va_list arguments;
    if (entry->score_fact_count == SCORE_FACTS)
        return;
    va_start(arguments, format);
    vsnprintf(fact->text, sizeof fact->text, format, arguments);
    va_end(arguments);
    fact->points = points;
    entry->score += points;
    entry->score_fact_count++;
}

static int at_most(double value, int limit)
{
    return value < limit ? (int)value : limit;
}

static void add_kind(cl_device_id id, struct device_entry *entry)
{
    cl_bool shared = CL_FALSE;
    clGetDeviceInfo(id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof shared, &shared, NULL);
    if (entry->facts.on_host)
        add(entry, 1000, "CPU");
    else if (shared)
        add(entry, 2000, "GPU, sharing the host's memory");
    else
        add(entry, 3000, "GPU with memory of its own");
}

void score_device(cl_device_id id, struct device_entry *entry)
{
    const struct device_facts *facts = &entry->facts;
    unsigned quirks = quirk_find(facts, NULL);
    cl_uint clock = 0;
    double gib = (double)facts->global_memory / (1024.0 * 1024 * 1024);
    clGetDeviceInfo(id, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof clock, &clock, NULL);
    add_kind(id, entry);
    add(entry, at_most(10 * gib, 800), "%.1f GiB of memory", gib);
    add(entry, at_most(facts->compute_units * (clock / 1000.0), 150), "%d compute units at %u MHz",
        facts->compute_units, (unsigned)clock);
    if (facts->unit_expected.kind != UNIT_NONE || matrix_unit_expected(facts, quirks))
        add(entry, 40, "matrix unit");
    if (quirks & QUIRK_SECOND_CHOICE)
        add(entry, -500, "this driver is the second choice for its hardware");
}
