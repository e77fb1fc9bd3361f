/* system_memory.c - limits of control groups, as Linux writes them, in folders of the test.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "base/system_memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MIB ((size_t)1 << 20)

static char root[4096];

static void make_folders(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(path, 0755);
        *at = '/';
    }
}

static void put(const char *name, const char *text)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", root, name);
    make_folders(path);
    FILE *file = fopen(path, "w");
    if (CHECK(file, "cannot write '%s'", path)) {
        fputs(text, file);
        fclose(file);
    }
}

/* An empty machine. */
static void begin(const char *name)
{
    char command[8300];
    const char *build = getenv("top_builddir");
    snprintf(root, sizeof root, "%s/tests/tmp/system_memory/%s", build ? build : ".", name);
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    CHECK(system(command) == 0, "%s", command);
}

static void has(size_t want)
{
    size_t got = system_memory_available(root);
    CHECK(got == want, "%s: %zu bytes, not %zu", strrchr(root, '/') + 1, got, want);
}

static const char meminfo[] = "MemTotal:       24683672 kB\nMemFree:         9422984 kB\n"
                              "MemAvailable:      10240 kB\nBuffers:           10 kB\n";

static void check_machine(void)
{
    begin("nothing");
    has(SIZE_MAX);
    put("proc/meminfo", meminfo);
    has(10 * MIB);
    put("proc/self/cgroup", "0::/\n");
    has(10 * MIB);
}

static void check_version_2(void)
{
    begin("version 2");
    put("proc/meminfo", meminfo);
    put("proc/self/cgroup", "0::/user.slice/job\n");
    put("sys/fs/cgroup/user.slice/job/memory.max", "max\n");
    put("sys/fs/cgroup/user.slice/job/memory.current", "4194304\n");
    has(10 * MIB);
    put("sys/fs/cgroup/user.slice/memory.max", "8388608\n");
    put("sys/fs/cgroup/user.slice/memory.current", "5242880\n");
    has(3 * MIB);
    put("sys/fs/cgroup/user.slice/memory.stat",
        "anon 1\nactive_file 9\ninactive_file 1048576\nworkingset 7\n");
    has(4 * MIB);
    put("sys/fs/cgroup/user.slice/job/memory.max", "6291456\n");
    has(2 * MIB);
    put("sys/fs/cgroup/user.slice/job/memory.max", "1\n");
    has(0);
}

/* A container: the group of the host is not there, its root is the container's. */
static void check_version_1(void)
{
    begin("version 1");
    put("proc/meminfo", meminfo);
    put("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/abc\n1:cpu:/x\n0::/\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "7340032\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "3145728\n");
    has(4 * MIB);
    put("sys/fs/cgroup/memory/memory.stat",
        "cache 0\ninactive_file 5\ntotal_inactive_file 2097152\n");
    has(6 * MIB);
    put("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
    has(6 * MIB);
    put("sys/fs/cgroup/unified/memory.max", "2097152\n");
    has(2 * MIB);
}

int main(void)
{
    check_machine();
    check_version_2();
    check_version_1();
    CHECK(system_memory_available("") > 0, "no memory at all");
    return check_result();
}
