/* fault_devices.c - devices that say something else of themselves. SPDX-License-Identifier: MIT
 *
 * Another type, less memory, and a place on the PCI bus, told by the extension of one vendor or
 * another. */
#include "fault_layer.h"

#include <stdlib.h>
#include <string.h>

/* The number behind NAME= in CLFAULT_LIMITS; 0: none. */
static unsigned long long limit(const char *name)
{
    const char *value = getenv("CLFAULT_LIMITS"), *at = value ? strstr(value, name) : NULL;
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void lower(cl_ulong *value, const char *name)
{
    unsigned long long most = limit(name);
    if (most && *value > most)
        *value = most;
}

static bool answer(size_t size, void *value, const void *bytes, size_t count)
{
    if (!value || size < count)
        return false;
    memcpy(value, bytes, count);
    return true;
}

/* True if the extension of CLFAULT_PCI has answered. */
static bool answer_pci(cl_device_id id, cl_device_info what, size_t size, void *value)
{
    const char *way = getenv("CLFAULT_PCI");
    const cl_uint slot = 2 + (cl_uint)number_of(id), khr[] = {1, 3, slot, 1}, domain = 1, bus = 3;
    const cl_uint nv_slot = slot << 3 | 1;
    unsigned char amd[24] = {1, [21] = 3, (unsigned char)slot, 1};
    static const char *const names[] = {"cl_khr_pci_bus_info",
        "cl_khr_fp16 cl_amd_device_attribute_query", "cl_nv_device_attribute_query cl_x"};
    int row = !way ? -1 : strcmp(way, "khr") == 0 ? 0 : strcmp(way, "amd") == 0 ? 1 : 2;
    if (row >= 0 && what == CL_DEVICE_EXTENSIONS)
        return answer(size, value, names[row], strlen(names[row]) + 1);
    if (row == 0 && what == 0x410F)
        return answer(size, value, khr, sizeof khr);
    if (row == 1 && what == 0x4037)
        return answer(size, value, amd, sizeof amd);
    if (row == 2 && (what == 0x400A || what == 0x4008))
        return answer(size, value, what == 0x4008 ? &bus : &domain, sizeof bus);
    return row == 2 && what == 0x4009 && answer(size, value, &nv_slot, sizeof nv_slot);
}

/* All of the limits have the size of a cl_ulong. */
static cl_int CL_API_CALL GetDeviceInfo(
    cl_device_id id, cl_device_info what, size_t size, void *value, size_t *size_out)
{
    if (answer_pci(id, what, size, value))
        return CL_SUCCESS;
    cl_int code = driver->clGetDeviceInfo(id, what, size, value, size_out);
    if (code || !value || size < sizeof(cl_ulong))
        return code;
    switch (what) {
    case CL_DEVICE_GLOBAL_MEM_SIZE:
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
        lower(value, "memory=");
        break;
    case CL_DEVICE_TYPE:
        if (limit("gpu="))
            *(cl_device_type *)value = CL_DEVICE_TYPE_GPU;
        break;
    default:
        break;
    }
    return CL_SUCCESS;
}

void take_devices(cl_icd_dispatch *layer)
{
    TAKE(GetDeviceInfo);
}
