/* pair.c - a checkpoint and its yaml. SPDX-License-Identifier: MIT */
#include "checkpoint/pair.h"
#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with_any(const char *name, const char *const *endings)
{
    const char *dot = strrchr(name, '.');
    for (; dot && *endings; endings++)
        if (strcmp(dot, *endings) == 0)
            return true;
    return false;
}

static const char *const checkpoints[] = {".ckpt", ".pt", ".pth", ".safetensors", NULL};
static const char *const yamls[] = {".yaml", ".yml", NULL};

/* The only file of such a name into *name, "" if there is none. clatent.yaml is a job. */
static enum clat_status find_only(const char *folder, const char *const *endings, char name[256])
{
    enum clat_status status = CLAT_OK;
    DIR *directory = opendir(folder);
    name[0] = '\0';
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (!ends_with_any(entry->d_name, endings) || strcmp(entry->d_name, "clatent.yaml") == 0)
            continue;
        if (name[0])
            FAIL(CLAT_ERROR_INPUT, "'%s' holds '%s' and '%s': name the one that is meant", folder,
                strcmp(name, entry->d_name) < 0 ? name : entry->d_name,
                strcmp(name, entry->d_name) < 0 ? entry->d_name : name);
        snprintf(name, 256, "%s", entry->d_name);
    }
out:
    if (directory)
        closedir(directory);
    return status;
}

/* folder/first if it is there, else the only file with such an ending; *path NULL: none. */
static enum clat_status find_in(
    const char *folder, const char *first, const char *const *endings, char **path)
{
    enum clat_status status;
    char name[256];
    TRY(file_join(folder, first, path));
    if (file_exists(*path))
        return CLAT_OK;
    free(*path);
    *path = NULL;
    TRY(find_only(folder, endings, name));
    if (name[0])
        TRY(file_join(folder, name, path));
out:
    return status;
}

/* "a/model.ckpt": a/model.yaml, or what its folder holds. */
static enum clat_status find_yaml(const char *checkpoint, char **yaml)
{
    enum clat_status status;
    const char *slash = strrchr(checkpoint, '/'), *dot = strrchr(checkpoint, '.');
    char *folder = NULL;
    size_t stem = dot && (!slash || dot > slash) ? (size_t)(dot - checkpoint) : strlen(checkpoint);
    TRY(memory_new(stem + sizeof ".yaml", 1, yaml));
    memcpy(*yaml, checkpoint, stem);
    strcpy(*yaml + stem, ".yaml");
    if (file_exists(*yaml))
        return CLAT_OK;
    free(*yaml);
    *yaml = NULL;
    TRY(memory_string(slash ? checkpoint : ".", &folder));
    if (slash)
        folder[slash == checkpoint ? 1 : slash - checkpoint] = '\0';
    TRY(find_in(folder, "config.yaml", yamls, yaml));
    if (!*yaml)
        FAIL(CLAT_ERROR_INPUT,
            "'%s': there is no .yaml beside it; the checkpoint does not say itself what it is",
            checkpoint);
out:
    free(folder);
    return status;
}

enum clat_status pair_find(const char *path, struct pair *pair)
{
    enum clat_status status;
    *pair = (struct pair){NULL, NULL};
    if (ends_with_any(path, yamls))
        FAIL(CLAT_ERROR_INPUT, "'%s' says what a checkpoint is: name the checkpoint itself", path);
    if (file_is_directory(path))
        TRY(find_in(path, "model.ckpt", checkpoints, &pair->checkpoint));
    else
        TRY(memory_string(path, &pair->checkpoint));
    if (!pair->checkpoint)
        FAIL(CLAT_ERROR_INPUT,
            "'%s' holds no model: expected model_index.json, the config.json of an autoencoder, or "
            "a checkpoint with its .yaml",
            path);
    TRY(find_yaml(pair->checkpoint, &pair->yaml));
out:
    if (status != CLAT_OK)
        pair_free(pair);
    return status;
}

void pair_free(struct pair *pair)
{
    free(pair->checkpoint);
    free(pair->yaml);
    *pair = (struct pair){NULL, NULL};
}
