/* replay.c - a fuzz target without a fuzzer: its seeds, cut off everywhere and with every byte
 * changed. SPDX-License-Identifier: MIT
 *
 * Seeds are the files of tests/fuzz/seeds/TARGET, TARGET being the program's own name, or those
 * named on the command line. Bytes stand alone in memory, so that sanitizers see every step too
 * far. */
#include "../check.h"
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE 4096 /* seeds up to this size are also damaged */

static size_t runs;

static void try_bytes(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        check_skip("no memory");
    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

/* Steps keep the number of runs per seed near 500. */
static void damage(uint8_t *bytes, size_t size)
{
    size_t step = 1 + size / 256;
    for (size_t cut = 0; cut < size; cut += step)
        try_bytes(bytes, cut);
    for (size_t at = 0; at < size; at += step) {
        uint8_t kept = bytes[at];
        bytes[at] ^= (uint8_t)(1u << at % 8);
        try_bytes(bytes, size);
        bytes[at] = kept;
    }
}

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    static uint8_t bytes[1 << 20];
    if (!file)
        check_skip("cannot read %s", path);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    try_bytes(bytes, size);
    if (size <= WHOLE)
        damage(bytes, size);
}

static int replay_folder(const char *target)
{
    char folder[4096], path[5000];
    const char *source = getenv("top_srcdir");
    int seeds = 0;
    snprintf(folder, sizeof folder, "%s/tests/fuzz/seeds/%s", source ? source : ".", target);
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%.255s", folder, entry->d_name);
        replay(path);
        seeds++;
    }
    if (directory)
        closedir(directory);
    return seeds;
}

/* libtool runs "lt-NAME" from a folder of its own. */
static const char *target_name(const char *program)
{
    const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;
    return strncmp(name, "lt-", 3) == 0 ? name + 3 : name;
}

int main(int count, char **arguments)
{
    int seeds = count - 1;
    for (int i = 1; i < count; i++)
        replay(arguments[i]);
    if (count == 1)
        seeds = replay_folder(target_name(arguments[0]));
    CHECK(seeds > 0, "no seeds for %s", target_name(arguments[0]));
    CHECK(runs >= (size_t)seeds, "%zu runs", runs);
    printf("%d seeds, %zu runs\n", seeds, runs);
    return check_result();
}
