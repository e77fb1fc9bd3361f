/* trust.c - who could have written a plugin. SPDX-License-Identifier: MIT
 *
 * A plugin runs in our process with the user's rights, so only root and the user may have written
 * it, or have been able to put another one in its place. */
#include "plugins/trust.h"
#include "base/file.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum clat_status check_owner(const char *path, const struct stat *facts)
{
    if (facts->st_uid == 0 || facts->st_uid == geteuid())
        return CLAT_OK;
    return status_set(CLAT_ERROR_NO_DEVICE, "plugin '%s': owner must be root or user %u, found %u",
        path, (unsigned)geteuid(), (unsigned)facts->st_uid);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* The dynamic loader maps what an ELF header says and dies of a file that is shorter: a
 * half-written plugin is found here. */
static bool is_whole_elf(const struct file_map *map)
{
    ElfW(Ehdr) header;
    ElfW(Phdr) part;
    if (map->size < sizeof header)
        return false;
    memcpy(&header, map->data, sizeof header);
    size_t parts = (size_t)header.e_phnum * sizeof part;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phentsize != sizeof part ||
        header.e_phoff > map->size || parts > map->size - header.e_phoff)
        return false;
    for (size_t i = 0; i < header.e_phnum; i++) {
        memcpy(&part, map->data + header.e_phoff + i * sizeof part, sizeof part);
        if (part.p_offset > map->size || part.p_filesz > map->size - part.p_offset)
            return false;
    }
    return true;
}

static enum clat_status check_elf(const char *path)
{
    struct file_map map;
    if (file_map_open(path, &map) != CLAT_OK)
        return CLAT_ERROR_NO_DEVICE;
    bool whole = is_whole_elf(&map);
    size_t size = map.size;
    file_map_close(&map);
    if (whole)
        return CLAT_OK;
    return status_set(CLAT_ERROR_NO_DEVICE,
        "plugin '%s': not a whole shared object for this machine (%zu bytes)", path, size);
}

enum clat_status trust_file(const char *path)
{
    enum clat_status status;
    struct stat facts;
    if (path[0] != '/')
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': the path must be absolute", path);
    if (lstat(path, &facts) != 0)
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': %s", path, strerror(errno));
    if (S_ISLNK(facts.st_mode))
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': a link, which is not followed", path);
    if (!S_ISREG(facts.st_mode))
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': not a regular file", path);
    TRY(check_owner(path, &facts));
    if (facts.st_mode & S_IWOTH)
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': anyone can write this file (chmod o-w)", path);
    TRY(check_elf(path));
out:
    return status;
}

/* ---- directories ---------------------------------------------------------------------------- */

/* In a sticky directory (/tmp) others may add files, not replace ours. */
static enum clat_status check_everybody(const char *path, struct stat *facts)
{
    if (stat(path, facts) != 0 || !S_ISDIR(facts->st_mode))
        return status_set(CLAT_ERROR_NO_DEVICE, "plugin directory '%s': not a directory", path);
    if (check_owner(path, facts) != CLAT_OK)
        return CLAT_ERROR_NO_DEVICE;
    if ((facts->st_mode & S_IWOTH) && !(facts->st_mode & S_ISVTX))
        return status_set(
            CLAT_ERROR_NO_DEVICE, "plugin directory '%s': anyone can write it (chmod o-w)", path);
    return CLAT_OK;
}

/* A group of the owner's own number is his private one, which a umask of 002 makes writable. */
static enum clat_status check_group(const char *path, const struct stat *facts)
{
    bool is_private = (unsigned long)facts->st_gid == (unsigned long)facts->st_uid;
    if (!(facts->st_mode & S_IWGRP) || (facts->st_mode & S_ISVTX) || is_private)
        return CLAT_OK;
    return status_set(CLAT_ERROR_NO_DEVICE,
        "plugin directory '%s': group %u can write it (chmod g-w)", path, (unsigned)facts->st_gid);
}

static enum clat_status check_directory(const char *path)
{
    struct stat facts;
    enum clat_status status = check_everybody(path, &facts);
    return status == CLAT_OK ? check_group(path, &facts) : status;
}

enum clat_status trust_directory(const char *path)
{
    char *resolved = realpath(path, NULL);
    if (!resolved)
        return status_set(CLAT_ERROR_NO_DEVICE, "plugin directory '%s' cannot be reached", path);
    enum clat_status status = check_directory(resolved);
    for (char *slash; status == CLAT_OK && (slash = strrchr(resolved, '/'));) {
        *slash = '\0';
        status = check_directory(*resolved ? resolved : "/");
    }
    free(resolved);
    return status;
}

enum clat_status trust_named_directory(const char *path)
{
    struct stat facts;
    return check_everybody(path, &facts);
}
