/* pair.h - a checkpoint and the yaml that says what it is. SPDX-License-Identifier: MIT */
#ifndef CLATENT_CHECKPOINT_PAIR_H
#define CLATENT_CHECKPOINT_PAIR_H

#include "base/status.h"

struct pair {
    char *checkpoint; /* .ckpt, .pt, .pth or .safetensors */
    char *yaml;
};
/* `path` is the checkpoint or the folder that holds it. The yaml has the checkpoint's stem, or is
 * config.yaml, or the only one in the folder. CLAT_ERROR_INPUT if either is not there, or more than
 * one could be meant. */
enum clat_status pair_find(const char *path, struct pair *pair);
void pair_free(struct pair *pair);

#endif
