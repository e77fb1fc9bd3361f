/* component.c - which files hold the weights of a component. SPDX-License-Identifier: MIT
 *
 * Names, tried in this order, with STEM "model" also as "pytorch_model" for torch's files:
 *     STEM.safetensors.index.json   STEM.safetensors   STEM.bin.index.json   STEM.bin
 *     model_state.pdparams
 * and with a variant V: STEM.V.safetensors and so on; the index has been spelled in three ways. */
#include "checkpoint/component.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/json.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_LIMIT ((size_t)64 << 20)
#define SHARDS 1000

/* ---- one file, or the index ----------------------------------------------------------------- */

enum stem { STEM_OWN, STEM_TORCH, STEM_PADDLE };

/* %1$s is the stem, %2$s the variant. */
static const struct {
    const char *form;
    bool variant, index;
    enum stem stem;
} names[] = {
    {"%s.safetensors.index.json", false, true, STEM_OWN},
    {"%s.safetensors", false, false, STEM_OWN},
    {"%s.bin.index.json", false, true, STEM_TORCH},
    {"%s.bin", false, false, STEM_TORCH},
    {"%s.pdparams", false, false, STEM_PADDLE},
    {"%s.safetensors.index.%s.json", true, true, STEM_OWN},
    {"%s.safetensors.%s.index.json", true, true, STEM_OWN},
    {"%s.%s.safetensors.index.json", true, true, STEM_OWN},
    {"%s.%s.safetensors", true, false, STEM_OWN},
    {"%s.bin.index.%s.json", true, true, STEM_TORCH},
    {"%s.%s.bin", true, false, STEM_TORCH},
    {"%s.%s.pdparams", true, false, STEM_PADDLE},
};

static const char *torch_stem(const char *stem)
{
    return strcmp(stem, "model") == 0 ? "pytorch_model" : stem;
}

static const char *stem_of(const char *stem, enum stem kind)
{
    return kind == STEM_OWN ? stem : kind == STEM_TORCH ? torch_stem(stem) : "model_state";
}

static enum clat_status try_name(
    const char *folder, const char *stem, const char *variant, size_t i, char **path)
{
    char name[512];
    const char *base = stem_of(stem, names[i].stem);
    int size = snprintf(name, sizeof name, names[i].form, base, variant ? variant : "");
    if (size < 0 || (size_t)size >= sizeof name)
        return status_set(CLAT_ERROR_USAGE, "the variant '%.60s...' is too long", variant);
    return file_join(folder, name, path);
}

/* *path stays NULL if there is none. */
static enum clat_status find_variant(
    const char *folder, const char *stem, const char *variant, char **path, bool *index)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].variant != (variant != NULL))
            continue;
        enum clat_status status = try_name(folder, stem, variant, i, path);
        if (status != CLAT_OK)
            return status;
        *index = names[i].index;
        if (file_exists(*path))
            return CLAT_OK;
        free(*path);
        *path = NULL;
    }
    return CLAT_OK;
}

/* "V" of "STEM.V.safetensors" or "STEM.V.bin" into variant; false if the name is another. */
static bool variant_of(const char *name, const char *stem, char variant[64])
{
    size_t size = strlen(stem);
    if (strncmp(name, stem, size) || name[size] != '.')
        return false;
    const char *begin = name + size + 1, *end = strchr(begin, '.');
    if (!end || end == begin || end - begin >= 64 ||
        (strcmp(end, ".safetensors") && strcmp(end, ".bin") && strcmp(end, ".pdparams")))
        return false;
    memcpy(variant, begin, (size_t)(end - begin));
    variant[end - begin] = '\0';
    return true;
}

/* fp16 before any other, else the first in the alphabet; "" if there is none. */
static void only_variant(const char *folder, const char *stem, char best[64])
{
    char found[64];
    best[0] = '\0';
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (!variant_of(entry->d_name, stem, found) &&
            !variant_of(entry->d_name, torch_stem(stem), found) &&
            !variant_of(entry->d_name, "model_state", found))
            continue;
        if (strcmp(found, "fp16") == 0 || !best[0] ||
            (strcmp(best, "fp16") && strcmp(found, best) < 0))
            strcpy(best, found);
    }
    if (directory)
        closedir(directory);
}

/* A variant goes into a file name and must not lead elsewhere. */
static enum clat_status check_variant(const char *variant)
{
    if (variant && (!*variant || strpbrk(variant, "/\\.")))
        return status_set(CLAT_ERROR_USAGE,
            "variant: expected a word such as fp16, without dots and slashes, found '%s'", variant);
    return CLAT_OK;
}

enum clat_status component_find(
    const char *folder, const char *stem, const char *variant, char **path, bool *index)
{
    char other[64];
    enum clat_status status;
    *path = NULL;
    if (!file_is_directory(folder))
        return status_set(CLAT_ERROR_INPUT, "there is no folder '%s'", folder);
    TRY(check_variant(variant));
    TRY(find_variant(folder, stem, variant, path, index));
    if (*path)
        return CLAT_OK;
    only_variant(folder, stem, other);
    if (variant)
        FAIL(CLAT_ERROR_INPUT,
            "'%s' has no weights of variant '%s': expected %s.%s.safetensors%s%s", folder, variant,
            stem, variant, other[0] ? "; there is the variant " : "", other);
    if (other[0])
        TRY(find_variant(folder, stem, other, path, index));
    if (!*path)
        FAIL(CLAT_ERROR_INPUT,
            "'%s' has no weights: expected %s.safetensors, %s.bin or model_state.pdparams", folder,
            stem, torch_stem(stem));
out:
    return status;
}

/* ---- the index of shards -------------------------------------------------------------------- */

static enum clat_status bad_index(const char *path, const char *name, const char *what)
{
    return status_set(CLAT_ERROR_INPUT, "'%s': weight_map: '%s': %s", path, name, what);
}

/* The place of the shard in the list, added if it is new. */
static enum clat_status enter_shard(const char *path, const char *name, const char *shard,
    struct component_index *index, size_t *capacity, size_t *place)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    if (!*shard || strpbrk(shard, "/\\") || shard[0] == '.')
        return bad_index(path, name, "the name of a file in the same folder is expected");
    for (*place = 0; *place < index->shard_count; ++*place)
        if (strcmp(index->shards[*place] + folder, shard) == 0)
            return CLAT_OK;
    if (index->shard_count == SHARDS)
        return bad_index(path, name, "more than 1000 files");
    struct text text = {0};
    enum clat_status status;
    TRY(memory_grow(&index->shards, capacity, index->shard_count, sizeof *index->shards));
    TRY(text_print(&text, "%.*s%s", (int)folder, path, shard));
    index->shards[index->shard_count++] = text.data;
out:
    if (status != CLAT_OK)
        text_free(&text);
    return status;
}

static enum clat_status read_map(
    const char *path, const struct json_t *map, struct component_index *index)
{
    void *place = NULL;
    const char *name;
    const struct json_t *value;
    size_t capacity = 0;
    enum clat_status status;
    TRY(memory_new(json_count(map), sizeof *index->entries, &index->entries));
    while (json_next(map, &place, &name, &value)) {
        struct component_entry *entry = &index->entries[index->entry_count];
        if (!json_as_string(value))
            FAIL(CLAT_ERROR_INPUT, "'%s': weight_map: '%s': expected a file name, found %s", path,
                name, json_kind_name(value));
        TRY(enter_shard(path, name, json_as_string(value), index, &capacity, &entry->shard));
        TRY(memory_string(name, &entry->name));
        index->entry_count++;
    }
out:
    return status;
}

enum clat_status component_read_index(const char *path, struct component_index *index)
{
    struct json *document = NULL;
    enum clat_status status;
    memset(index, 0, sizeof *index);
    TRY(json_open(path, INDEX_LIMIT, &document));
    const struct json_t *map = json_member(json_root(document), "weight_map");
    if (json_kind(map) != KIND_OBJECT || json_count(map) == 0)
        FAIL(CLAT_ERROR_INPUT, "'%s': key 'weight_map': expected an object with tensors, found %s",
            path, json_kind_name(map));
    TRY(read_map(path, map, index));
out:
    json_close(document);
    if (status != CLAT_OK)
        component_free_index(index);
    return status;
}

void component_free_index(struct component_index *index)
{
    for (size_t i = 0; i < index->shard_count; i++)
        free(index->shards[i]);
    for (size_t i = 0; i < index->entry_count; i++)
        free(index->entries[i].name);
    free(index->shards);
    free(index->entries);
    memset(index, 0, sizeof *index);
}
