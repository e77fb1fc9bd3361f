/* fallback.c - fast kernels that a driver cannot build, and what takes their place.
 * SPDX-License-Identifier: MIT */
#include "device/fallback.h"
#include "device/opencl.h"

#include <stdio.h>
#include <string.h>

/* At most as many rows as an unsigned has bits. */
static const struct {
    const char *file, *instead; /* in cl/, without .cl */
} rows[] = {
    {"attention_cpu", "attention"},
    {"attention_wide", "attention"},
    {"conv_direct", "conv"},
    {"conv_gather", "conv"},
    {"conv_narrow", "conv_direct"},
    {"conv_tiled", "conv"},
    {"conv_unit", "conv_winograd"},
    {"conv_winograd", "conv_direct"},
    {"conv_winograd_groups", "conv_tiled"},
    {"gemm_cpu", "gemm"},
    {"gemm_tile", "gemm_cpu"},
    {"tile_pack", "gemm_cpu"},
};
enum { ROWS = sizeof rows / sizeof *rows };

static unsigned bit_of(const char *file)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (strcmp(rows[i].file, file) == 0)
            return 1u << i;
    return 0;
}

bool fallback_is_taken(const struct device_facts *facts, const char *file)
{
    return facts->refused & bit_of(file);
}

static void warn(struct device *device, const char *instead)
{
    char sentence[2048];
    if (!device->warn)
        return;
    snprintf(sentence, sizeof sentence, "%s; slower kernels take its place, those of cl/%s.cl",
        status_text(), instead);
    device->warn(device->warn_user, sentence);
}

void fallback_take(struct device *device, const char *file)
{
    unsigned bit = bit_of(file);
    for (unsigned i = 0; i < ROWS; i++)
        if (bit == 1u << i) {
            if (!(device->facts.refused & bit))
                warn(device, rows[i].instead);
            device->facts.refused |= bit;
            device_set_trouble(device, TROUBLE_REFUSED);
        }
}
