/* zip.c - fuzz target: a zip archive, and torch's file in it. SPDX-License-Identifier: MIT */
#include "formats/torch.h"
#include "formats/zip.h"
#include "fuzz.h"
#include "tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "fuzz";
    const struct file_map map = {.data = data, .size = size, .path = path};
    struct weight_list list = {0};
    struct zip zip = {0};
    if (zip_read(&map, &zip) == CLAT_OK)
        for (size_t i = 0; i < zip.count; i++)
            (void)zip_checksum(zip.members[i].data, zip.members[i].size);
    zip_free(&zip);
    if (torch_read(&map, &list) == CLAT_OK)
        tensors_use(&map, &list);
    else
        weight_list_free(&list);
    return 0;
}
