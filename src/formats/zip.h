/* zip.h - the members of a zip archive whose data are stored as they are. SPDX-License-Identifier:
 * MIT */
#ifndef CLATENT_FORMATS_ZIP_H
#define CLATENT_FORMATS_ZIP_H

#include "base/file.h"
#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

struct zip_member {
    const char *name; /* in the map, not terminated; relative, '/' between folders */
    size_t name_size;
    size_t header; /* offset of the local header */
    const unsigned char *data;
    size_t size;
    uint32_t crc; /* CRC-32 of data; 0 may mean that the writer left it out */
};
struct zip {
    struct zip_member *members; /* sorted by name */
    size_t count;
    const char *folder; /* the one folder that holds everything, with its '/' */
    size_t folder_size;
};

/* Reads the directory of a mapped archive and checks it against the local headers. All faults are
 * CLAT_ERROR_INPUT with file and place. */
enum clat_status zip_read(const struct file_map *map, struct zip *zip);
void zip_free(struct zip *zip);

/* The member folder + name, or NULL. */
const struct zip_member *zip_find(const struct zip *zip, const char *name);

/* CRC-32 of any number of bytes. */
uint32_t zip_checksum(const unsigned char *data, size_t size);

#endif
