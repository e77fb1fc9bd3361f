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
    {"attention_matrix", "attention"},
    {"attention_wide", "attention"},
    {"attention_wide_groups", "attention"},
    {"conv_direct", "conv"},
    {"conv_gather", "conv"},
    {"conv_matrix", "conv_tiled"},
    {"conv_narrow", "conv_direct"},
    {"conv_narrow_groups", "conv_tiled"},
    {"conv_tiled", "conv"},
    {"conv_unit", "conv_winograd"},
    {"conv_winograd", "conv_direct"},
    {"conv_winograd_groups", "conv_tiled"},
    {"gemm_cpu", "gemm"},
    {"gemm_matrix", "gemm"},
    {"gemm_tile", "gemm_cpu"},
    {"norm_cpu", "norm"},
    {"tile_pack", "gemm_cpu"},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* Not left out by `kernels: generic`: work-groups and local memory, as every portable kernel. */
static const char generic_file[] = "conv_tiled";

/* The row of a file, or ROWS. */
static unsigned row_of(const char *file)
{
    unsigned i = 0;
    while (i < ROWS && strcmp(rows[i].file, file) != 0)
        i++;
    return i;
}

bool fallback_exists(const char *file)
{
    return row_of(file) < ROWS;
}

const char *fallback_file(size_t row)
{
    return row < ROWS ? rows[row].file : NULL;
}

bool fallback_is_taken(const struct device_facts *facts, const char *file)
{
    unsigned row = row_of(file);
    return row < ROWS &&
           ((facts->refused >> row & 1) || (facts->generic && strcmp(file, generic_file) != 0));
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
    unsigned row = row_of(file), bit = row < ROWS ? 1u << row : 0;
    if (!bit)
        return;
    if (!(device->facts.refused & bit))
        warn(device, rows[row].instead);
    device->facts.refused |= bit;
    device_set_trouble(device, TROUBLE_REFUSED);
}

void fallback_forget(struct device *device, unsigned refused)
{
    device->facts.refused = refused;
}
