/* meter.h - what each op costs: device time, work and bytes. SPDX-License-Identifier: MIT
 *
 * Each op says what it is before it launches (METER); what is launched until the next op says so is
 * its own. Times are those of OpenCL's profiling events, on a queue that is there only while a
 * meter runs; without one an op does a comparison, and a launch another. Work is what
 * device_count_work() is told meanwhile. */
#ifndef CLATENT_DEVICE_METER_H
#define CLATENT_DEVICE_METER_H

#include "device/call.h"
#include "device/tensor.h"

/* All calls of one op with one shape. */
struct meter_row {
    char op[24], shape[64];
    char kernel[96]; /* of its kernels the one that took longest: file, function, options */
    int calls;
    double seconds; /* of all its launches on the device */
    double flop;    /* a multiply-add counted as two */
    double bytes;   /* of inputs, weights and outputs, each counted once per call */
};

/* Starts a meter on a real device; it must be stopped, also after a failure. */
enum clat_status meter_start(struct device *device);
/* Waits for all work and hands out the rows, most seconds first; freed with free(). Does nothing,
 * and gives no rows, if no meter runs. */
enum clat_status meter_stop(struct device *device, struct meter_row **rows, size_t *count);
bool meter_runs(const struct device *device);

void meter_op(struct device *device, double bytes, const char *op, const char *shape, ...)
    __attribute__((format(printf, 4, 5)));
#define METER(device, ...)                                                                         \
    do {                                                                                           \
        call_note(device, NULL, false, 0, NULL);                                                   \
        if (meter_runs(device))                                                                    \
            meter_op(device, __VA_ARGS__);                                                         \
    } while (0)

/* Bytes of a tensor's elements; NULL: none. */
double meter_bytes(const struct tensor *tensor);

#endif
