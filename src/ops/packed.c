/* packed.c - tiles of weights transposed, written as float or half. SPDX-License-Identifier: MIT */
#include "ops/packed.h"

static void transpose_lane(
    const float *row, size_t first, size_t length, int lane, struct packed_tile *tile)
{
    if (row && first + PACKED_DEPTH <= length)
        for (int k = 0; k < PACKED_DEPTH; k++)
            tile->values[k][lane] = row[first + (size_t)k];
    else
        for (int k = 0; k < PACKED_DEPTH; k++)
            tile->values[k][lane] =
                row && first + (size_t)k < length ? row[first + (size_t)k] : 0.0f;
}

void packed_transpose(const struct packed_lanes *lanes, size_t first, struct packed_tile *tile)
{
    for (int lane = 0; lane < lanes->count; lane++)
        transpose_lane(lanes->rows[lane], first, lanes->length, lane, tile);
}

/* Sixteen at a time, a loop that compilers turn into vectors. */
static void write_half(uint16_t *to, const float *values, int count)
{
    for (; count >= 16; count -= 16, to += 16, values += 16)
        for (int i = 0; i < 16; i++)
            to[i] = half_of(values[i]);
    for (int i = 0; i < count; i++)
        to[i] = half_of(values[i]);
}

void packed_write(const struct packed *packed, size_t index, const float *values, int count)
{
    if (packed->half)
        write_half((uint16_t *)packed->memory + index, values, count);
    else
        memcpy((float *)packed->memory + index, values, (size_t)count * sizeof *values);
}
