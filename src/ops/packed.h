/* packed.h - packed weights in memory that the device maps: float, or half.
 * SPDX-License-Identifier: MIT
 *
 * A layer keeps its weights as the device was told when it was loaded (device_store_half). Kernels
 * that read them are built with HALF_OPTION, which gives cl/common.h's WEIGHT its meaning. */
#ifndef CLATENT_OPS_PACKED_H
#define CLATENT_OPS_PACKED_H

#include "base/half.h"

#include <stddef.h>

struct packed {
    void *memory;
    bool half;
};

static inline size_t packed_size(bool half)
{
    return half ? sizeof(uint16_t) : sizeof(float);
}

/* Called in inner loops: PACKED_INLINE makes a loop of its own for either type. */
static inline void packed_put(const struct packed *packed, size_t index, float value)
{
    if (packed->half)
        ((uint16_t *)packed->memory)[index] = half_of(value);
    else
        ((float *)packed->memory)[index] = value;
}

#define PACKED_INLINE static inline __attribute__((always_inline))

/* Behind the other options of a kernel. */
#define HALF_OPTION(half) ((half) ? " -DHALF_WEIGHTS" : "")

#endif
