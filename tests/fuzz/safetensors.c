/* safetensors.c - fuzz target: a safetensors file. SPDX-License-Identifier: MIT */
#include "formats/safetensors.h"
#include "fuzz.h"
#include "tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "fuzz";
    const struct file_map map = {.data = data, .size = size, .path = path};
    struct weight_list list = {0};
    if (safetensors_read(&map, &list) == CLAT_OK)
        tensors_use(&map, &list);
    else
        weight_list_free(&list);
    return 0;
}
