/* torch.c - reading torch's own files. SPDX-License-Identifier: MIT */
#include "formats/torch.h"

#include <string.h>

bool torch_is_zip(const struct file_map *map)
{
    return map->size >= 4 && memcmp(map->data, "PK\3\4", 4) == 0;
}

bool torch_is_legacy(const struct file_map *map)
{
    static const unsigned char magic[] = {
        0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, '.'};
    return map->size >= sizeof magic && memcmp(map->data, magic, sizeof magic) == 0;
}

enum clat_status torch_read(const struct file_map *map, struct weight_list *list)
{
    (void)list;
    return status_set(
        CLAT_ERROR_INPUT, "'%s' cannot be read: it is a torch zip archive", map->path);
}

enum clat_status torch_read_legacy(const struct file_map *map, struct weight_list *list)
{
    (void)list;
    return status_set(CLAT_ERROR_INPUT,
        "'%s' cannot be read: it is a torch file from before 1.6, which is not supported",
        map->path);
}
