/* packed.h - packed weights in memory that the device maps: float, or half.
 * SPDX-License-Identifier: MIT
 *
 * A layer keeps its weights as the device was told when it was loaded (device_store_half). Kernels
 * that read them are built with HALF_OPTION, which gives cl/common.h's WEIGHT its meaning.
 *
 * Packing transposes: neighbours in a row of the file, which belong to one output, come to lie a
 * panel's width apart. It goes by tiles of PACKED_DEPTH numbers of PACKED_LANES rows, so that whole
 * cache lines are read and written. */
#ifndef CLATENT_OPS_PACKED_H
#define CLATENT_OPS_PACKED_H

#include "base/half.h"
#include "device/device.h"

#include <stddef.h>

enum { PACKED_LANES = 64, PACKED_DEPTH = 16 };

struct packed {
    void *memory;
    bool half;
};

static inline size_t packed_size(bool half)
{
    return half ? sizeof(uint16_t) : sizeof(float);
}

static inline void packed_put(const struct packed *packed, size_t index, float value)
{
    if (packed->half)
        ((uint16_t *)packed->memory)[index] = half_of(value);
    else
        ((float *)packed->memory)[index] = value;
}

/* Up to PACKED_LANES rows of `length` numbers, one for each lane; NULL: zeros. */
struct packed_lanes {
    const float *rows[PACKED_LANES];
    int count;
    size_t length;
};

/* tile[k][lane] = rows[lane][first + k]; zero beyond the rows' length. */
struct packed_tile {
    float values[PACKED_DEPTH][PACKED_LANES];
};
void packed_transpose(const struct packed_lanes *lanes, size_t first, struct packed_tile *tile);

/* Writes `count` numbers from `index` on. */
void packed_write(const struct packed *packed, size_t index, const float *values, int count);

/* Behind the other options of a kernel. */
#define HALF_OPTION(half) ((half) ? " -DHALF_WEIGHTS" : "")

/* Of a kernel on the matrix unit of device_facts(). */
#define UNIT_OPTION(facts) ((facts)->matrix_unit == MATRIX_UNIT_EMULATED ? "-DEMULATE" : "")

#endif
