/* yaml.c - fuzz target: YAML, and the structs that a checkpoint's yaml becomes.
 * SPDX-License-Identifier: MIT */
#include "checkpoint/compvis.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_node root = {0};
    struct compvis_config config;
    (void)yaml_parse("fuzz", (const char *)data, size, &root);
    yaml_free(&root);
    (void)compvis_parse("fuzz", (const char *)data, size, &config);
    return 0;
}
