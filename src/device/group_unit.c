/* group_unit.c - which unit the sub-groups of a device have, and does it compute?
 * SPDX-License-Identifier: MIT
 *
 * Sources of the queries: OpenCL extensions cl_nv_device_attribute_query,
 * cl_amd_device_attribute_query, cl_intel_required_subgroup_size,
 * cl_intel_subgroup_matrix_multiply_accumulate. */
#include "device/group_unit.h"
#include "device/launch.h"
#include "device/opencl.h"
#include "device/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the driver says -------------------------------------------------------------------- */

static bool has_extension(cl_device_id id, const char *name)
{
    char all[16384];
    size_t size = strlen(name);
    opencl_device_string(id, CL_DEVICE_EXTENSIONS, all, sizeof all);
    for (const char *at = all; (at = strstr(at, name)) != NULL; at += size)
        if ((at == all || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

static int number_of(cl_device_id id, cl_device_info what)
{
    cl_uint value = 0;
    return clGetDeviceInfo(id, what, sizeof value, &value, NULL) == CL_SUCCESS ? (int)value : 0;
}

#define COMPUTE_CAPABILITY_MAJOR 0x4000
#define COMPUTE_CAPABILITY_MINOR 0x4001

/* Ten times the version of the instructions; 0: another kind of device. */
static int capability(cl_device_id id)
{
    if (!has_extension(id, "cl_nv_device_attribute_query"))
        return 0;
    return 10 * number_of(id, COMPUTE_CAPABILITY_MAJOR) + number_of(id, COMPUTE_CAPABILITY_MINOR);
}

static bool has_mma(cl_device_id id)
{
    return capability(id) >= 80;
}

static bool has_mma_8(cl_device_id id)
{
    return capability(id) >= 75;
}

#define SUB_GROUP_SIZES 0x4108 /* CL_DEVICE_SUB_GROUP_SIZES_INTEL */

/* The unit works with the smallest sub-groups of its device. */
static bool has_dpas(cl_device_id id, size_t lanes)
{
    size_t sizes[16], size = 0, least = SIZE_MAX;
    if (!has_extension(id, "cl_intel_subgroup_matrix_multiply_accumulate") ||
        clGetDeviceInfo(id, SUB_GROUP_SIZES, sizeof sizes, sizes, &size) != CL_SUCCESS)
        return false;
    for (size_t i = 0; i < size / sizeof *sizes; i++)
        if (sizes[i] < least)
            least = sizes[i];
    return least == lanes;
}

static bool has_dpas_8(cl_device_id id)
{
    return has_dpas(id, 8);
}

static bool has_dpas_16(cl_device_id id)
{
    return has_dpas(id, 16);
}

/* The device's instructions, 0x1030 for a name that begins with "gfx1030": two hexadecimal digits
 * are minor version and stepping. 0: another kind of device, or a driver with another compiler. */
static unsigned instructions(cl_device_id id)
{
    char name[256];
    unsigned version;
    opencl_device_string(id, CL_DEVICE_NAME, name, sizeof name);
    if (!has_extension(id, "cl_amd_device_attribute_query") ||
        sscanf(name, "gfx%5x", &version) != 1)
        return 0;
    return version;
}

static bool has_wmma_11(cl_device_id id)
{
    unsigned version = instructions(id);
    return version >= 0x1100 && version < 0x1170; /* from 0x1170 on as 0x1200 has it */
}

static bool has_wmma_12(cl_device_id id)
{
    unsigned version = instructions(id);
    return version >= 0x1170 && version < 0x1250;
}

static bool has_mfma(cl_device_id id)
{
    unsigned version = instructions(id);
    return version == 0x90a || (version >= 0x940 && version < 0xa00);
}

static bool has_dot2(cl_device_id id)
{
    unsigned version = instructions(id);
    return version == 0x906 || version == 0x908 || version == 0x1011 || version == 0x1012 ||
           (version >= 0x1030 && version < 0x1250);
}

/* ---- the units ------------------------------------------------------------------------------- */

/* Threads of 256 registers, half as many of them; with 128 large tiles spill. */
#define DPAS_ROOM " -cl-intel-256-GRF-per-thread"

/* Of several that a device may have, the first is taken. */
static const struct {
    enum unit_kind kind;
    struct unit_shape shape;
    bool (*is_there)(cl_device_id id);
} rows[] = {
    {UNIT_MMA, {"mma", "-DUNIT_MMA", 16, 8, 32, 32, true, ""}, has_mma},
    {UNIT_MMA_8, {"mma_8", "-DUNIT_MMA -DMMA_DEPTH=8", 16, 8, 32, 32, false, ""}, has_mma_8},
    {UNIT_DPAS_8, {"dpas_8", "-DUNIT_DPAS", 8, 8, 16, 8, true, DPAS_ROOM}, has_dpas_8},
    {UNIT_DPAS_16, {"dpas_16", "-DUNIT_DPAS -DDPAS_LANES=16", 8, 16, 16, 16, true, DPAS_ROOM},
        has_dpas_16},
    {UNIT_WMMA_11, {"wmma_11", "-DUNIT_WMMA", 16, 16, 16, 32, true, ""}, has_wmma_11},
    {UNIT_WMMA_12, {"wmma_12", "-DUNIT_WMMA -DWMMA_GENERATION=12", 16, 16, 16, 32, true, ""},
        has_wmma_12},
    {UNIT_MFMA, {"mfma", "-DUNIT_MFMA", 16, 16, 16, 64, true, ""}, has_mfma},
    {UNIT_DOT2, {"dot2", "-DUNIT_DOT2", 16, 16, 8, 32, false, ""}, has_dot2},
};
enum { ROWS = sizeof rows / sizeof *rows };

const struct unit_shape *unit_shape(enum unit_kind kind)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].kind == kind)
            return &rows[i].shape;
    return NULL;
}

enum unit_kind unit_named(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].shape.name, name) == 0)
            return rows[i].kind;
    return UNIT_NONE;
}

enum unit_kind unit_expected(cl_device_id id)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].is_there(id))
            return rows[i].kind;
    return UNIT_NONE;
}

void unit_options(const struct group_unit *unit, char options[UNIT_OPTIONS])
{
    const struct unit_shape *shape = unit_shape(unit->kind);
    snprintf(options, UNIT_OPTIONS, "%s%s%s", shape ? shape->options : "",
        unit->bf16 ? " -DBF16" : "", unit->emulated ? " -DEMULATE" : "");
}

const char *unit_room(const struct group_unit *unit)
{
    const struct unit_shape *shape = unit_shape(unit->kind);
    return shape && !unit->emulated ? shape->room : "";
}

/* ---- the trial ------------------------------------------------------------------------------- */

enum { MOST = 16 * 32 }; /* values of a tile, at most */

struct trial {
    const struct unit_shape *shape;
    float a[MOST], b[MOST]; /* [rows][depth], [columns][depth] */
    struct buffer a_buffer, b_buffer, sums, facts;
};

/* Small whole numbers, so that every sum is exact. */
static float value_at(int index)
{
    return (float)((int)((uint32_t)index * 2654435761u >> 20) % 15 - 7);
}

static void copy_values(void *user, void *mapped)
{
    memcpy(mapped, user, MOST * sizeof(float));
}

static enum clat_status make_buffers(struct device *device, struct trial *trial)
{
    enum clat_status status;
    size_t sums = 2 * sizeof(float) * (size_t)(trial->shape->rows * trial->shape->columns);
    for (int i = 0; i < MOST; i++) {
        trial->a[i] = value_at(i);
        trial->b[i] = value_at(i + 5000);
    }
    TRY(buffer_new(device, sizeof trial->a, &trial->a_buffer));
    TRY(buffer_new(device, sizeof trial->b, &trial->b_buffer));
    TRY(buffer_new(device, sums, &trial->sums));
    TRY(buffer_new(device, 8 * sizeof(cl_int), &trial->facts));
    TRY(buffer_fill(device, &trial->a_buffer, copy_values, trial->a));
    TRY(buffer_fill(device, &trial->b_buffer, copy_values, trial->b));
out:
    return status;
}

static enum clat_status read_values(
    struct device *device, const struct buffer *buffer, int count, void *values)
{
    struct tensor all = {
        .memory = buffer->memory, .n = 1, .h = 1, .w = 1, .c = count, .stride = count};
    return tensor_read(device, &all, values);
}

static bool is_right(const struct trial *trial, const float *sums, const int facts[4])
{
    const struct unit_shape *s = trial->shape;
    if (facts[0] != s->rows || facts[1] != s->columns || facts[2] != s->depth ||
        facts[3] != s->lanes)
        return false;
    for (int i = 0; i < 2 * s->rows * s->columns; i++) {
        int row = i / s->columns % s->rows, column = i % s->columns;
        float want = 0;
        for (int k = 0; k < s->depth; k++)
            want += trial->a[row * s->depth + k] * trial->b[column * s->depth + k];
        if (sums[i] != (i < s->rows * s->columns ? want : 2 * want))
            return false;
    }
    return true;
}

static enum clat_status multiply(
    struct device *device, const struct group_unit *unit, struct trial *trial, bool *right)
{
    struct kernel *kernel;
    enum clat_status status;
    char options[UNIT_OPTIONS];
    float sums[2 * 16 * 16];
    int facts[4], lanes = 2 * trial->shape->lanes;
    unit_options(unit, options);
    TRY(kernel_find(device, "unit_trial", "unit_trial", options, &kernel));
    TRY(launch(device, kernel, grid1((size_t)lanes, (size_t)lanes), ARG_BUFFER(&trial->a_buffer),
        ARG_BUFFER(&trial->b_buffer), ARG_BUFFER(&trial->sums), ARG_BUFFER(&trial->facts)));
    TRY(read_values(device, &trial->sums, 2 * trial->shape->rows * trial->shape->columns, sums));
    TRY(read_values(device, &trial->facts, 4, facts));
    *right = is_right(trial, sums, facts);
out:
    return status;
}

/* With every kind of factors that it takes. */
static enum clat_status run_trial(struct device *device, struct group_unit unit, bool *right)
{
    struct trial trial = {.shape = unit_shape(unit.kind)};
    enum clat_status status;
    *right = false;
    TRY(make_buffers(device, &trial));
    TRY(multiply(device, &unit, &trial, right));
    unit.bf16 = true;
    if (*right && trial.shape->has_bf16)
        TRY(multiply(device, &unit, &trial, right));
out:
    buffer_free(device, &trial.a_buffer);
    buffer_free(device, &trial.b_buffer);
    buffer_free(device, &trial.sums);
    buffer_free(device, &trial.facts);
    return status;
}

/* ---- the verdict ----------------------------------------------------------------------------- */

struct group_unit group_unit_try(struct device *device)
{
    struct group_unit unit = device->facts.unit_expected;
    struct kernel_use use = {.file = "unit_trial", .function = "unit_trial"};
    bool right;
    if (unit.kind == UNIT_NONE)
        return unit;
    unit_options(&unit, use.options);
    if (verdict_is_right(device, &use))
        return unit;
    if (run_trial(device, unit, &right) != CLAT_OK || !right)
        return (struct group_unit){0};
    verdict_note_right(device, &use);
    verdicts_keep(device);
    return unit;
}
