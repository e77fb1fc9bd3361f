/* pci.c - where on the PCI bus a device is. SPDX-License-Identifier: MIT
 *
 * Core OpenCL has no word for it; extensions do. Each is a row: how its answers are cut into
 * domain, bus, device and function. Sources: cl_khr_pci_bus_info (OpenCL extension specification),
 * cl_amd_device_attribute_query (type 1 of its union is PCI Express; bus, device and function are
 * the last three of its bytes), cl_nv_device_attribute_query (a slot is device * 8 + function). */
#include "device/platform.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { DOMAIN, BUS, DEVICE, FUNCTION, PARTS };

/* Bits shift..shift+width of the bytes at `offset`; query 0: the part is 0. */
struct pci_part {
    cl_device_info query;
    unsigned char offset, bytes, shift, width;
};

struct pci_row {
    const char *extension;
    int type; /* the answer's first word must be this; -1: any */
    struct pci_part parts[PARTS];
};

static const struct pci_row rows[] = {
    {"cl_khr_pci_bus_info", -1,
        {{0x410F, 0, 4, 0, 32}, {0x410F, 4, 4, 0, 32}, {0x410F, 8, 4, 0, 32},
            {0x410F, 12, 4, 0, 32}}},
    {"cl_amd_device_attribute_query", 1,
        {{0}, {0x4037, 21, 1, 0, 8}, {0x4037, 22, 1, 0, 8}, {0x4037, 23, 1, 0, 8}}},
    {"cl_nv_device_attribute_query", -1,
        {{0x400A, 0, 4, 0, 32}, {0x4008, 0, 4, 0, 32}, {0x4009, 0, 4, 3, 29},
            {0x4009, 0, 4, 0, 3}}},
};

/* True if `word` stands in a list with spaces. */
static bool has_word(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += size)
        if ((at == list || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

static bool read_part(
    cl_device_id id, const struct pci_row *row, const struct pci_part *part, unsigned *value)
{
    unsigned char answer[32] = {0};
    cl_uint first, number = 0;
    *value = 0;
    if (!part->query)
        return true;
    if (clGetDeviceInfo(id, part->query, sizeof answer, answer, NULL) != CL_SUCCESS)
        return false;
    memcpy(&first, answer, sizeof first);
    memcpy(&number, answer + part->offset, part->bytes);
    number >>= part->shift;
    *value = part->width < 32 ? number & ((1u << part->width) - 1) : number;
    return row->type < 0 || first == (cl_uint)row->type;
}

static bool read_row(cl_device_id id, const struct pci_row *row, unsigned values[PARTS])
{
    for (int i = 0; i < PARTS; i++)
        if (!read_part(id, row, &row->parts[i], &values[i]))
            return false;
    return true;
}

void pci_read(cl_device_id id, struct device_facts *facts)
{
    char extensions[8192] = "";
    unsigned v[PARTS];
    facts->pci[0] = '\0';
    if (clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions, NULL))
        return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (has_word(extensions, rows[i].extension) && read_row(id, &rows[i], v)) {
            snprintf(facts->pci, sizeof facts->pci, "%04x:%02x:%02x.%x", v[DOMAIN] & 0xFFFF,
                v[BUS] & 0xFF, v[DEVICE] & 0xFF, v[FUNCTION] & 0xF);
            return;
        }
}

bool pci_is(const char *pci, const char *text)
{
    const char *colon = strchr(pci, ':');
    return colon && (strcasecmp(pci, text) == 0 ||
                        (strncmp(pci, "0000:", 5) == 0 && strcasecmp(colon + 1, text) == 0));
}
