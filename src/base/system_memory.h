/* system_memory.h - what the system would give this process now. SPDX-License-Identifier: MIT */
#ifndef CLATENT_BASE_SYSTEM_MEMORY_H
#define CLATENT_BASE_SYSTEM_MEMORY_H

#include <stddef.h>

/* Bytes: what is free in the machine (MemAvailable of /proc/meminfo), or less where a control group
 * of this process, or one above it, has a limit: memory.max (version 2), memory.limit_in_bytes
 * (version 1), less what the group uses beyond caches that can be dropped. SIZE_MAX if nothing says
 * how much. `root` stands before all paths: "", or a folder of a test. */
size_t system_memory_available(const char *root);

#endif
