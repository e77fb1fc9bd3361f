/* parking.h - weights that wait in host memory until they are needed. SPDX-License-Identifier: MIT
 *
 * Where a device is too small for a network, its blocks take turns: the buffers of a block are
 * filled from the host before it runs, and given back after it. What is computed is the same. On a
 * dry device bytes are counted in the same way. */
#ifndef CLATENT_DEVICE_PARKING_H
#define CLATENT_DEVICE_PARKING_H

#include "device/device.h"

/* The buffers of one block. Zero-initialise: an empty one costs nothing anywhere below. */
struct parking {
    struct parked {
        struct buffer *buffer; /* of a layer; empty while it is on the host */
        void *copy;            /* NULL on a dry device, and before it was parked first */
        size_t size;           /* in bytes */
    } * items;
    size_t count, capacity;
};

/* Buffers that the device makes from now on belong to a block, but small ones; NULL: to none. They
 * must stay where they are. */
void parking_begin(struct device *device, struct parking *parking);

/* From the device to the host, waiting for what uses them; and back. */
enum clat_status parking_leave(struct device *device, const struct parking *parking);
enum clat_status parking_return(struct device *device, const struct parking *parking);

/* Bytes of a block. */
size_t parking_size(const struct parking *parking);
void parking_free(struct parking *parking); /* the copies; buffers are freed by their owners */

/* For buffer_new: enters a buffer that was made. */
enum clat_status parking_add(struct parking *parking, struct buffer *buffer);

#endif
