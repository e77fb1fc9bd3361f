/* system_memory.c - see system_memory.h. SPDX-License-Identifier: MIT
 *
 * Source: cgroups(7); Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of Linux.
 * Where groups have namespaces of their own, /proc/self/cgroup may name folders that are not there;
 * those are passed over, and the topmost one always is. */
#include "base/system_memory.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a version of control groups tells of memory. */
struct group_kind {
    const char *mount, *limit, *usage, *droppable; /* the last: a word of memory.stat */
};
static const struct group_kind version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
    "memory.usage_in_bytes", "total_inactive_file"};
static const struct group_kind version_2 = {
    "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"};
/* Both at once: version 2 beside the controllers of version 1. */
static const struct group_kind hybrid = {
    "/sys/fs/cgroup/unified", "memory.max", "memory.current", "inactive_file"};

/* The number after `word` and a space or colon, at the beginning of a line; word "": the first. */
static bool read_number(const char *path, const char *word, unsigned long long *number)
{
    FILE *file = fopen(path, "re");
    char line[256];
    bool found = false;
    size_t size = strlen(word);
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *at = line + size + (size > 0);
        found =
            strncmp(line, word, size) == 0 && (size == 0 || line[size] == ' ' || line[size] == ':');
        found = found && sscanf(at, "%llu", number) == 1;
    }
    if (file)
        fclose(file);
    return found;
}

/* Joins up to four parts; false if they do not fit. */
static bool join(char path[PATH_MAX], const char *a, const char *b, const char *c, const char *d)
{
    int size = snprintf(path, PATH_MAX, "%s%s%s/%s", a, b, c, d);
    return size > 0 && size < PATH_MAX;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What one group would still give; UINT64_MAX if it has no limit. */
static uint64_t group_left(const char *root, const struct group_kind *kind, const char *group)
{
    char path[PATH_MAX];
    unsigned long long limit, used = 0, droppable = 0;
    if (!join(path, root, kind->mount, group, kind->limit) || !read_number(path, "", &limit))
        return UINT64_MAX;
    if (join(path, root, kind->mount, group, kind->usage))
        read_number(path, "", &used);
    if (join(path, root, kind->mount, group, "memory.stat"))
        read_number(path, kind->droppable, &droppable);
    used -= least(used, droppable);
    return limit > used ? limit - used : 0;
}

/* The least of a group ("/a/b") and those above it. */
static uint64_t groups_left(const char *root, const struct group_kind *kind, const char *group)
{
    char at[PATH_MAX];
    uint64_t left = UINT64_MAX;
    snprintf(at, sizeof at, "%s", group);
    for (;;) {
        left = least(left, group_left(root, kind, at));
        char *slash = strrchr(at, '/');
        if (!slash)
            return left;
        *slash = '\0';
    }
}

/* Cuts "4:cpu,memory:/a/b" or "0::/a/b"; the group, or NULL if it has no say in memory. */
static char *group_of_line(char *line, bool *is_version_2)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return NULL;
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    *is_version_2 = *++controllers == '\0';
    for (char *word = controllers, *rest; word; word = rest) {
        rest = strchr(word, ',');
        if (rest)
            *rest++ = '\0';
        if (strcmp(word, "memory") == 0)
            return group;
    }
    return *is_version_2 ? group : NULL;
}

static uint64_t limits_left(const char *root)
{
    char path[PATH_MAX], line[PATH_MAX];
    uint64_t left = UINT64_MAX;
    FILE *file = join(path, root, "/proc", "/self", "cgroup") ? fopen(path, "re") : NULL;
    while (file && fgets(line, sizeof line, file)) {
        bool is_version_2;
        const char *group = group_of_line(line, &is_version_2);
        if (group && is_version_2)
            left = least(left, groups_left(root, &hybrid, group));
        if (group)
            left = least(left, groups_left(root, is_version_2 ? &version_2 : &version_1, group));
    }
    if (file)
        fclose(file);
    return left;
}

size_t system_memory_available(const char *root)
{
    char path[PATH_MAX];
    unsigned long long kilobytes;
    uint64_t left = limits_left(root);
    if (join(path, root, "/proc", "", "meminfo") && read_number(path, "MemAvailable", &kilobytes))
        left = least(left, (uint64_t)kilobytes * 1024);
    return left > SIZE_MAX ? SIZE_MAX : (size_t)left;
}
