/* verdict.c - which kernels of a device were found to compute right. SPDX-License-Identifier: MIT
 */
#include "device/verdict.h"
#include "device/cache.h"
#include "device/program.h"
#include "base/digest.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define MOST 1024 /* on disk: beyond it the list is begun anew */
#define FILES 32  /* whose digests are kept; others are computed each time */

struct verdicts {
    struct digest *right;
    size_t count, room;
    bool changed;
    struct {
        char file[sizeof((struct kernel_use *)0)->file];
        struct digest text;
    } files[FILES];
    int file_count;
};

static const struct text no_source = {.data = ""};

/* ---- digests -------------------------------------------------------------------------------- */

static bool digest_file(const char *file, struct digest *digest)
{
    struct text source = {0};
    *digest = digest_of_nothing;
    bool found = source_expand(file, &source) == CLAT_OK;
    if (found)
        digest_add(digest, source.data, source.size);
    text_free(&source);
    return found;
}

/* Of the flat text of cl/FILE.cl. */
static bool find_file(struct verdicts *verdicts, const char *file, struct digest *digest)
{
    int i = 0;
    while (i < verdicts->file_count && strcmp(verdicts->files[i].file, file) != 0)
        i++;
    if (i < verdicts->file_count) {
        *digest = verdicts->files[i].text;
        return true;
    }
    if (!digest_file(file, digest))
        return false;
    if (i < FILES) {
        strcpy(verdicts->files[i].file, file);
        verdicts->files[i].text = *digest;
        verdicts->file_count++;
    }
    return true;
}

static bool digest_use(
    const struct device *device, const struct kernel_use *use, struct digest *digest)
{
    struct text text = {0};
    bool made = find_file(device->verdicts, use->file, digest) &&
                program_key(device, use->options, &no_source, &text) == CLAT_OK &&
                text_print(&text, "\n%s", use->function) == CLAT_OK;
    if (made)
        digest_add(digest, text.data, text.size);
    text_free(&text);
    return made;
}

/* ---- on disk -------------------------------------------------------------------------------- */

static bool make_key(const struct device *device, struct text *key)
{
    return cache_is_on() && text_print(key, "verdicts\n") == CLAT_OK &&
           program_key(device, "", &no_source, key) == CLAT_OK;
}

static void load(struct device *device, struct verdicts *verdicts)
{
    struct text key = {0};
    unsigned char *value;
    size_t size;
    if (make_key(device, &key) && cache_load(&key, &value, &size)) {
        verdicts->right = (struct digest *)(void *)value;
        verdicts->count = verdicts->room = size / sizeof *verdicts->right;
    }
    text_free(&key);
}

void verdicts_keep(struct device *device)
{
    struct verdicts *verdicts = device->verdicts;
    struct text key = {0};
    if (!verdicts || !verdicts->changed)
        return;
    size_t first = verdicts->count > MOST ? verdicts->count - MOST / 2 : 0;
    if (make_key(device, &key))
        cache_store(&key, (const unsigned char *)(verdicts->right + first),
            (verdicts->count - first) * sizeof *verdicts->right);
    verdicts->changed = false;
    text_free(&key);
}

/* ---- in memory ------------------------------------------------------------------------------ */

static struct verdicts *open_verdicts(struct device *device)
{
    if (!device->verdicts && memory_new(1, sizeof *device->verdicts, &device->verdicts) == CLAT_OK)
        load(device, device->verdicts);
    return device->verdicts;
}

void verdicts_forget(struct device *device)
{
    if (device->verdicts)
        free(device->verdicts->right);
    free(device->verdicts);
    device->verdicts = NULL;
}

bool verdict_is_right(struct device *device, const struct kernel_use *use)
{
    const struct verdicts *verdicts = open_verdicts(device);
    struct digest digest;
    if (!verdicts || !digest_use(device, use, &digest))
        return false;
    for (size_t i = 0; i < verdicts->count; i++)
        if (memcmp(&verdicts->right[i], &digest, sizeof digest) == 0)
            return true;
    return false;
}

void verdict_note_right(struct device *device, const struct kernel_use *use)
{
    struct verdicts *verdicts = open_verdicts(device);
    struct digest digest;
    if (!verdicts || verdict_is_right(device, use) || !digest_use(device, use, &digest) ||
        memory_grow(&verdicts->right, &verdicts->room, verdicts->count, sizeof digest) != CLAT_OK)
        return;
    verdicts->right[verdicts->count++] = digest;
    verdicts->changed = true;
}
