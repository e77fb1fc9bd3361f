/* component.h - which files hold the weights of a component. SPDX-License-Identifier: MIT */
#ifndef CLATENT_CHECKPOINT_COMPONENT_H
#define CLATENT_CHECKPOINT_COMPONENT_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

/* The file to open in a component folder, and whether it is an index of shards; see
 * weights_open_component(). *path is freed by the caller. */
enum clat_status component_find(
    const char *folder, const char *stem, const char *variant, char **path, bool *index);

/* An index file: which tensor stands in which shard. */
struct component_index {
    char **shards; /* paths, [shard_count] */
    size_t shard_count;
    struct component_entry {
        char *name;
        size_t shard;
    } * entries; /* [entry_count] */
    size_t entry_count;
};
enum clat_status component_read_index(const char *path, struct component_index *index);
void component_free_index(struct component_index *index);

#endif
