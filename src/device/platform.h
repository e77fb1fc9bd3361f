/* platform.h - the devices of all platforms, as platform.c finds them and choose.c picks among
 * them. SPDX-License-Identifier: MIT */
#ifndef CLATENT_DEVICE_PLATFORM_H
#define CLATENT_DEVICE_PLATFORM_H

#include "device/narrow.h"
#include "device/opencl.h"

struct found {
    struct device_entry *entries;
    cl_device_id *ids; /* NULL where an entry stands for a platform that failed */
    size_t count, capacity, id_capacity;
    int next_index;
    struct narrowing narrowing; /* of all of them, for tests */
};

/* All devices with their scores; the one of "auto" is marked. found_free() also after a failure. */
enum clat_status found_open(struct found *found);
void found_free(struct found *found);

/* score.c: the points of a device and what each is for. Text on what it knows of itself only. */
void score_device(cl_device_id id, struct device_entry *entry);

/* pci.c: "0000:03:00.0" into facts->pci, "" if the driver does not tell. */
void pci_read(cl_device_id id, struct device_facts *facts);
/* True if `text`, as "0000:03:00.0" or without the domain, is the address `pci`. */
bool pci_is(const char *pci, const char *text);

/* choose.c: the entry that "auto" takes; CLAT_ERROR_NO_DEVICE says what was found. */
enum clat_status choose_best(const struct found *found, size_t *chosen);

#endif
