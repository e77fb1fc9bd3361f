/* peak.c - how many multiply-adds a device can do. SPDX-License-Identifier: MIT
 *
 * What suits a device (lanes, sums in flight, work-items per unit) is found by trying: the best of
 * a few forms of cl/peak.cl counts. Each runs as long as a clock needs. */
#include "device/peak.h"
#include "base/clock.h"
#include "device/launch.h"

#include <stdio.h>

#define SHORTEST 0.01 /* seconds of a run that counts */
#define RUNS 12
#define MOST_ROUNDS (1 << 28)

static const struct form {
    bool cpu;
    int width, sums;
    int group, groups; /* groups: per compute unit */
} forms[] = {
    {true, 16, 12, 1, 2},
    {true, 8, 12, 1, 2},
    {true, 4, 12, 1, 2},
    {false, 1, 16, 256, 16},
    {false, 4, 8, 64, 64},
};

static enum clat_status run_once(struct device *device, struct kernel *kernel, size_t items,
    int group, int rounds, const struct tensor *y, double *seconds)
{
    enum clat_status status;
    double start = clock_seconds();
    const struct argument arguments[] = {
        ARG_FLOAT(0.999f), ARG_FLOAT(0.001f), ARG_INT(rounds), ARG_TENSOR(y)};
    TRY(launch_whole(device, kernel, grid1(items, (size_t)group), arguments,
        sizeof arguments / sizeof arguments[0]));
    TRY(device_finish(device));
    *seconds = clock_seconds() - start;
out:
    return status;
}

/* The best rate of one form. */
static enum clat_status try_form(struct device *device, const struct form *form, double *rate)
{
    enum clat_status status;
    size_t items = (size_t)form->group * form->groups * device_facts(device)->compute_units;
    struct buffer buffer = {0};
    struct kernel *kernel;
    char options[64];
    double seconds = 0;
    int rounds = 512;
    *rate = 0;
    snprintf(options, sizeof options, "-DWIDTH=%d -DSUMS=%d -DGROUP=%d", form->width, form->sums,
        form->group);
    TRY(kernel_find(device, "peak", "peak", options, &kernel));
    TRY(buffer_new(device, items * sizeof(float), &buffer));
    struct tensor y = {.memory = buffer.memory, .n = 1, .h = 1, .w = 1, .c = (int)items};
    for (int run = 0; run <= RUNS;) {
        TRY(run_once(device, kernel, items, form->group, rounds, &y, &seconds));
        double done = 2.0 * form->width * form->sums * (double)rounds * (double)items;
        if (seconds < SHORTEST && rounds < MOST_ROUNDS)
            rounds *= 2;
        else if (run++ > 0 && done / seconds > *rate)
            *rate = done / seconds;
    }
out:
    buffer_free(device, &buffer);
    return status;
}

enum clat_status peak_measure(struct device *device, double *flop_per_second)
{
    enum clat_status status = CLAT_OK;
    *flop_per_second = 0;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        double rate;
        if (forms[i].cpu != device_facts(device)->is_cpu)
            continue;
        TRY(try_form(device, &forms[i], &rate));
        *flop_per_second = rate > *flop_per_second ? rate : *flop_per_second;
    }
out:
    return status;
}
