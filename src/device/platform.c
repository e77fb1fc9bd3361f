/* platform.c - which devices there are, and which can be used.
 * SPDX-License-Identifier: MIT
 *
 * Devices are counted over all platforms in the order of the drivers, usable or not, so that an
 * index stays the same while its reason changes. */
#include "device/platform.h"
#include "device/group_unit.h"
#include "device/pace.h"
#include "device/matrix_unit.h"
#include "device/quirk.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLATFORM_LIMIT 64
#define DEVICE_LIMIT 64

static size_t fact_size(cl_device_id id, cl_device_info what)
{
    cl_ulong value = 0;
    clGetDeviceInfo(id, what, sizeof value, &value, NULL);
    return value > SIZE_MAX ? SIZE_MAX : (size_t)value;
}

static cl_uint fact_uint(cl_device_id id, cl_device_info what)
{
    cl_uint value = 0;
    clGetDeviceInfo(id, what, sizeof value, &value, NULL);
    return value;
}

static void read_facts(cl_platform_id platform, cl_device_id id, struct device_facts *facts)
{
    cl_device_type type = 0;
    memset(facts, 0, sizeof *facts);
    opencl_device_string(id, CL_DEVICE_NAME, facts->name, sizeof facts->name);
    opencl_device_string(id, CL_DEVICE_VENDOR, facts->vendor, sizeof facts->vendor);
    opencl_device_string(id, CL_DRIVER_VERSION, facts->driver, sizeof facts->driver);
    opencl_device_string(id, CL_DEVICE_VERSION, facts->version, sizeof facts->version);
    opencl_platform_string(platform, CL_PLATFORM_NAME, facts->platform, sizeof facts->platform);
    clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    facts->on_host = (type & CL_DEVICE_TYPE_CPU) && !(type & CL_DEVICE_TYPE_GPU);
    facts->is_cpu = facts->on_host;
    facts->launch_groups = facts->on_host ? 0 : PACE_MEASURED;
    facts->has_half_storage = true;
    facts->compute_units = (int)fact_uint(id, CL_DEVICE_MAX_COMPUTE_UNITS);
    facts->global_memory = fact_size(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    facts->largest_buffer = fact_size(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    facts->local_memory = fact_size(id, CL_DEVICE_LOCAL_MEM_SIZE);
    clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof facts->work_group_limit,
        &facts->work_group_limit, NULL);
    facts->unit_expected.kind = unit_expected(id);
    pci_read(id, facts);
}

/* "OpenCL 1.2 ..." as 102; 0 if it says something else. */
static int version_number(const char *version)
{
    int major = 0, minor = 0;
    if (sscanf(version, "OpenCL %d.%d", &major, &minor) != 2)
        return 0;
    return major * 100 + minor;
}

/* Why the device cannot be used, in words; empty if it can. */
static void find_fault(
    cl_device_id id, const struct device_facts *facts, bool heed_quirks, char *reason, size_t size)
{
    const struct quirk *row;
    quirk_find(facts, &row);
    reason[0] = '\0';
    if (row && heed_quirks)
        snprintf(reason, size, "%s", row->effect);
    else if (!fact_uint(id, CL_DEVICE_AVAILABLE))
        snprintf(reason, size, "the driver says that it is not available");
    else if (!fact_uint(id, CL_DEVICE_COMPILER_AVAILABLE))
        snprintf(reason, size, "the driver has no compiler");
    else if (!fact_uint(id, CL_DEVICE_ENDIAN_LITTLE))
        snprintf(reason, size, "big-endian devices are not supported");
    else if (version_number(facts->version) < 102)
        snprintf(reason, size, "OpenCL 1.2 is needed, it has '%.60s'", facts->version);
    else if (facts->work_group_limit < 256)
        snprintf(
            reason, size, "work-groups of 256 are needed, it allows %zu", facts->work_group_limit);
    else if (facts->local_memory < 32768)
        snprintf(reason, size, "32768 bytes of local memory are needed, it has %zu",
            facts->local_memory);
}

static enum clat_status add_entry(struct found *found, cl_device_id id, struct device_entry **entry)
{
    enum clat_status status;
    TRY(memory_grow(&found->entries, &found->capacity, found->count, sizeof *found->entries));
    TRY(memory_grow(&found->ids, &found->id_capacity, found->count, sizeof *found->ids));
    found->ids[found->count] = id;
    *entry = &found->entries[found->count++];
    memset(*entry, 0, sizeof **entry);
out:
    return status;
}

static enum clat_status add_device(struct found *found, cl_platform_id platform, cl_device_id id)
{
    struct device_entry *entry;
    enum clat_status status = add_entry(found, id, &entry);
    if (status != CLAT_OK)
        return status;
    read_facts(platform, id, &entry->facts);
    narrow_facts(&found->narrowing, &entry->facts);
    find_fault(id, &entry->facts, !found->narrowing.forbidden, entry->reason, sizeof entry->reason);
    entry->index = found->next_index++;
    entry->usable = entry->reason[0] == '\0';
    if (entry->usable)
        score_device(id, entry);
    return CLAT_OK;
}

/* A platform whose devices cannot be asked for becomes an entry of its own, so that it is seen. */
static enum clat_status add_failed_platform(
    struct found *found, cl_platform_id platform, cl_int code)
{
    struct device_entry *entry;
    enum clat_status status = add_entry(found, NULL, &entry);
    if (status != CLAT_OK)
        return status;
    opencl_platform_string(
        platform, CL_PLATFORM_NAME, entry->facts.platform, sizeof entry->facts.platform);
    snprintf(entry->facts.name, sizeof entry->facts.name, "(no device)");
    snprintf(entry->reason, sizeof entry->reason, "clGetDeviceIDs gives %s (%d)", opencl_word(code),
        code);
    entry->index = -1;
    return CLAT_OK;
}

static enum clat_status add_platform(struct found *found, cl_platform_id platform)
{
    cl_device_id ids[DEVICE_LIMIT];
    cl_uint count = 0;
    cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, DEVICE_LIMIT, ids, &count);
    if (code != CL_SUCCESS || count == 0)
        return add_failed_platform(found, platform, code ? code : CL_DEVICE_NOT_FOUND);
    enum clat_status status = CLAT_OK;
    for (cl_uint i = 0; i < count && i < DEVICE_LIMIT; i++)
        TRY(add_device(found, platform, ids[i]));
out:
    return status;
}

void found_free(struct found *found)
{
    free(found->entries);
    free(found->ids);
}

static enum clat_status find_all(struct found *found)
{
    enum clat_status status = CLAT_OK;
    cl_platform_id platforms[PLATFORM_LIMIT];
    cl_uint count = 0;
    memset(found, 0, sizeof *found);
    TRY(narrow_read(&found->narrowing));
    if (clGetPlatformIDs(PLATFORM_LIMIT, platforms, &count) != CL_SUCCESS)
        return CLAT_OK;
    for (cl_uint i = 0; i < count && i < PLATFORM_LIMIT; i++)
        TRY(add_platform(found, platforms[i]));
out:
    return status;
}

/* What speaks for a device that can be used. */
static void give_reasons(struct found *found)
{
    size_t best;
    struct device_entry *first = NULL;
    if (choose_best(found, &best) == CLAT_OK)
        first = &found->entries[best];
    for (size_t i = 0; i < found->count; i++) {
        struct device_entry *entry = &found->entries[i];
        entry->chosen = entry == first;
        if (entry->usable)
            snprintf(entry->reason, sizeof entry->reason, "%s",
                entry->chosen ? "used unless another is named: the highest score"
                : entry->score == first->score
                    ? "used if it is named: another one with its score comes first"
                    : "used if it is named: another has a higher score");
    }
}

enum clat_status found_open(struct found *found)
{
    enum clat_status status;
    TRY(find_all(found));
    give_reasons(found);
out:
    return status;
}

enum clat_status device_list(struct device_entry **entries, size_t *count)
{
    struct found found;
    enum clat_status status = found_open(&found);
    if (status == CLAT_OK && !found.entries)
        status = memory_new(1, sizeof *found.entries, &found.entries);
    *entries = status == CLAT_OK ? found.entries : NULL;
    *count = status == CLAT_OK ? found.count : 0;
    if (status == CLAT_OK)
        found.entries = NULL;
    found_free(&found);
    return status;
}
