/* platform.c - which devices there are, which can be used, and which one is meant.
 * SPDX-License-Identifier: MIT
 *
 * Devices are counted over all platforms in the order of the drivers, usable or not, so that an
 * index stays the same while its reason changes. */
#include "device/opencl.h"
#include "device/narrow.h"
#include "device/pace.h"
#include "device/quirk.h"
#include "device/group_unit.h"
#include "device/matrix_unit.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLATFORM_LIMIT 64
#define DEVICE_LIMIT 64

struct found {
    struct device_entry *entries;
    cl_device_id *ids; /* NULL where an entry stands for a platform that failed */
    size_t count, capacity, id_capacity;
    int next_index;
    struct narrowing narrowing; /* of all of them, for tests */
};

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

static bool has_unit(const struct device_facts *facts)
{
    return facts->unit_expected.kind != UNIT_NONE ||
           matrix_unit_expected(facts, quirk_find(facts, NULL));
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
        snprintf(entry->reason, sizeof entry->reason, "%s, %.1f GiB, %d compute units%s",
            entry->facts.on_host ? "CPU" : "GPU",
            (double)entry->facts.global_memory / (1024.0 * 1024 * 1024), entry->facts.compute_units,
            has_unit(&entry->facts) ? ", matrix unit" : "");
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

static void found_free(struct found *found)
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

enum clat_status device_list(struct device_entry **entries, size_t *count)
{
    struct found found;
    enum clat_status status = find_all(&found);
    if (status == CLAT_OK && !found.entries)
        status = memory_new(1, sizeof *found.entries, &found.entries);
    *entries = status == CLAT_OK ? found.entries : NULL;
    *count = status == CLAT_OK ? found.count : 0;
    if (status == CLAT_OK)
        found.entries = NULL;
    found_free(&found);
    return status;
}

/* "0: NAME (why it is not used); 1: ..." for messages. */
static void describe(const struct found *found, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < found->count && at < size; i++) {
        const struct device_entry *entry = &found->entries[i];
        int written = snprintf(text + at, size - at, "%s%d: %.80s%s%.120s%s", i ? "; " : "",
            entry->index, entry->index < 0 ? entry->facts.platform : entry->facts.name,
            entry->usable ? "" : " (", entry->usable ? "" : entry->reason,
            entry->usable ? "" : ")");
        at += written > 0 ? (size_t)written : 0;
    }
}

static bool is_better(const struct device_entry *a, const struct device_entry *b)
{
    if (a->facts.on_host != b->facts.on_host)
        return !a->facts.on_host;
    return a->facts.global_memory > b->facts.global_memory;
}

static enum clat_status choose_best(const struct found *found, size_t *chosen)
{
    bool any = false;
    for (size_t i = 0; i < found->count; i++)
        if (found->entries[i].usable &&
            (!any || is_better(&found->entries[i], &found->entries[*chosen]))) {
            *chosen = i;
            any = true;
        }
    if (any)
        return CLAT_OK;
    if (found->count == 0)
        return status_set(CLAT_ERROR_NO_DEVICE,
            "no OpenCL driver was found; install one (for a CPU: pocl-opencl-icd)");
    char list[1024];
    describe(found, list, sizeof list);
    return status_set(CLAT_ERROR_NO_DEVICE, "no usable OpenCL device; found %s", list);
}

/* The best of those that are not better than the device in use; of equals, the later in the list.
 */
static enum clat_status choose_next(const struct found *found, cl_device_id used, size_t *chosen)
{
    size_t now = 0;
    bool any = false;
    while (now < found->count && found->ids[now] != used)
        now++;
    for (size_t i = 0; now < found->count && i < found->count; i++) {
        const struct device_entry *entry = &found->entries[i], *in_use = &found->entries[now];
        bool later = is_better(in_use, entry) || (!is_better(entry, in_use) && i > now);
        if (entry->usable && later && (!any || is_better(entry, &found->entries[*chosen]))) {
            *chosen = i;
            any = true;
        }
    }
    return any ? CLAT_OK : status_set(CLAT_ERROR_NO_DEVICE, "there is no other usable device");
}

static enum clat_status no_such(const struct found *found, const char *selector, const char *why)
{
    char list[1024];
    describe(found, list, sizeof list);
    return status_set(CLAT_ERROR_NO_DEVICE, "device '%.100s' %s; found %s", selector, why,
        list[0] ? list : "no OpenCL driver");
}

static enum clat_status choose_index(
    const struct found *found, const char *selector, long long index, size_t *chosen)
{
    for (size_t i = 0; i < found->count; i++)
        if (found->entries[i].index == index) {
            *chosen = i;
            return CLAT_OK;
        }
    return no_such(found, selector, "is not in the list");
}

static enum clat_status choose_name(const struct found *found, const char *selector, size_t *chosen)
{
    int fitting = 0;
    for (size_t i = 0; i < found->count; i++)
        if (found->entries[i].index >= 0 &&
            quirk_contains(found->entries[i].facts.name, selector)) {
            *chosen = i;
            fitting++;
        }
    if (fitting == 1)
        return CLAT_OK;
    return no_such(found, selector, fitting ? "fits more than one device" : "fits no device");
}

static enum clat_status choose(const struct found *found, const char *selector, size_t *chosen)
{
    long long index;
    *chosen = 0;
    if (!selector || !selector[0] || strcmp(selector, "auto") == 0)
        return choose_best(found, chosen);
    if (text_to_int(selector, 0, 1000000, &index))
        return choose_index(found, selector, index, chosen);
    return choose_name(found, selector, chosen);
}

static void take(const struct found *found, size_t chosen, cl_device_id *id,
    struct device_facts *facts, unsigned *quirks)
{
    *id = found->ids[chosen];
    *facts = found->entries[chosen].facts;
    *quirks = quirk_find(facts, NULL);
}

enum clat_status platform_choose(
    const char *selector, cl_device_id *id, struct device_facts *facts, unsigned *quirks)
{
    size_t chosen;
    struct found found;
    enum clat_status status;
    TRY(find_all(&found));
    TRY(choose(&found, selector, &chosen));
    const struct device_entry *entry = &found.entries[chosen];
    if (!entry->usable)
        FAIL(CLAT_ERROR_NO_DEVICE, "device %d (%s) cannot be used: %s", entry->index,
            entry->facts.name, entry->reason);
    take(&found, chosen, id, facts, quirks);
out:
    found_free(&found);
    return status;
}

enum clat_status platform_next(cl_device_id *id, struct device_facts *facts, unsigned *quirks)
{
    size_t chosen = 0;
    struct found found;
    enum clat_status status;
    TRY(find_all(&found));
    TRY(choose_next(&found, *id, &chosen));
    take(&found, chosen, id, facts, quirks);
out:
    found_free(&found);
    return status;
}
