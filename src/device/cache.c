/* cache.c - built kernel programs on disk. SPDX-License-Identifier: MIT
 *
 * An entry's name is a 128-bit digest of its key, but the whole key is stored in it and compared,
 * so a collision is only a miss. Format, all numbers as this machine has them:
 *
 *     magic[24], key size, value size, digest of the value (two words), key, value
 *
 * Entries appear by rename under their names, complete or not at all. */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "device/cache.h"
#include "base/digest.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRY_LIMIT ((size_t)64 << 20) /* bytes of one entry */
#define ENTRIES_MOST 512               /* then the one least recently used goes */
#define NAME_SIZE DIGEST_TEXT

static const char magic[24] = "clatent kernel cache 1\n";

struct header {
    char magic[24];
    uint64_t key_size, value_size;
    struct digest digest; /* of the value */
};

static void name_of(const struct text *key, char name[NAME_SIZE])
{
    struct digest digest = digest_of_nothing;
    digest_add(&digest, key->data, key->size);
    digest_text(&digest, name);
}

/* ---- the folder ----------------------------------------------------------------------------- */

static bool folder_name(char *path, size_t size)
{
    const char *base = secure_getenv("XDG_CACHE_HOME"), *inside = "";
    if (!base || base[0] != '/') {
        base = secure_getenv("HOME");
        inside = "/.cache";
    }
    if (!base || base[0] != '/')
        return false;
    int length = snprintf(path, size, "%s%s/clatent/kernels", base, inside);
    return length > 0 && (size_t)length < size;
}

/* Makes each missing folder of an absolute path, for this user only. */
static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    mkdir(path, 0700);
}

/* Ours, and writable by nobody else. */
static bool is_private(const struct stat *facts)
{
    return facts->st_uid == geteuid() && (facts->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* The folder's descriptor, or -1 if there is no cache. */
static int folder_open(bool make)
{
    char path[4096];
    struct stat facts;
    if (!folder_name(path, sizeof path))
        return -1;
    if (make)
        make_folders(path);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder >= 0 && (fstat(folder, &facts) != 0 || !is_private(&facts))) {
        close(folder);
        return -1;
    }
    return folder;
}

bool cache_is_on(void)
{
    const char *word = secure_getenv("CLATENT_CACHE");
    return !word || strcmp(word, "off") != 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool read_all(int file, void *bytes, size_t size)
{
    unsigned char *at = bytes;
    while (size > 0) {
        ssize_t got = read(file, at, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        size -= (size_t)got;
    }
    return true;
}

static bool header_fits(const struct header *header, const struct text *key, size_t file_size)
{
    size_t body;
    return memcmp(header->magic, magic, sizeof magic) == 0 && header->key_size == key->size &&
           size_add(header->value_size, key->size, &body) && file_size >= sizeof *header &&
           file_size - sizeof *header == body;
}

/* Reads an open entry; false if it is not what was stored under this key. */
static bool entry_read(int file, const struct text *key, unsigned char **value, size_t *size)
{
    struct stat facts;
    struct header header;
    struct digest digest = digest_of_nothing;
    unsigned char *body = NULL;
    if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode) || !is_private(&facts) ||
        facts.st_nlink != 1 || (size_t)facts.st_size > ENTRY_LIMIT ||
        !read_all(file, &header, sizeof header) ||
        !header_fits(&header, key, (size_t)facts.st_size))
        return false;
    if (memory_new(key->size + header.value_size, 1, &body) != CLAT_OK)
        return false;
    bool right = read_all(file, body, key->size + header.value_size) &&
                 memcmp(body, key->data, key->size) == 0;
    if (right) {
        digest_add(&digest, body + key->size, header.value_size);
        right = memcmp(&digest, &header.digest, sizeof digest) == 0;
    }
    if (!right) {
        free(body);
        return false;
    }
    memmove(body, body + key->size, header.value_size);
    *value = body;
    *size = header.value_size;
    return true;
}

bool cache_load(const struct text *key, unsigned char **value, size_t *size)
{
    char name[NAME_SIZE];
    int folder = folder_open(false), file = -1;
    bool found = false;
    if (folder < 0)
        return false;
    name_of(key, name);
    file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (file >= 0) {
        found = entry_read(file, key, value, size);
        if (found)
            futimens(file, NULL); /* used now */
        else
            unlinkat(folder, name, 0);
        close(file);
    }
    close(folder);
    return found;
}

bool cache_has(const struct text *key)
{
    char name[NAME_SIZE];
    int folder = folder_open(false);
    if (folder < 0)
        return false;
    name_of(key, name);
    bool found = faccessat(folder, name, R_OK, 0) == 0;
    close(folder);
    return found;
}

void cache_remove(const struct text *key)
{
    char name[NAME_SIZE];
    int folder = folder_open(false);
    if (folder < 0)
        return;
    name_of(key, name);
    unlinkat(folder, name, 0);
    close(folder);
}

/* ---- writing -------------------------------------------------------------------------------- */

static bool write_all(int file, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    while (size > 0) {
        ssize_t put = write(file, at, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        size -= (size_t)put;
    }
    return true;
}

static bool entry_write(int file, const struct text *key, const unsigned char *value, size_t size)
{
    struct header header = {.key_size = key->size, .value_size = size};
    memcpy(header.magic, magic, sizeof magic);
    header.digest = digest_of_nothing;
    digest_add(&header.digest, value, size);
    return write_all(file, &header, sizeof header) && write_all(file, key->data, key->size) &&
           write_all(file, value, size) && fsync(file) == 0;
}

static bool is_older(const struct stat *a, const struct stat *b)
{
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec)
        return a->st_mtim.tv_sec < b->st_mtim.tv_sec;
    return a->st_mtim.tv_nsec < b->st_mtim.tv_nsec;
}

/* Removes the entry that was not used for longest if there are too many; a store adds only one. */
static void folder_trim(int folder)
{
    char oldest[256] = "";
    struct stat facts, least = {0};
    int count = 0, copy = dup(folder);
    DIR *list = copy < 0 ? NULL : fdopendir(copy);
    if (!list) {
        if (copy >= 0)
            close(copy);
        return;
    }
    for (struct dirent *entry = readdir(list); entry; entry = readdir(list)) {
        if (entry->d_name[0] == '.' || fstatat(folder, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW))
            continue;
        if (count++ == 0 || is_older(&facts, &least)) {
            least = facts;
            snprintf(oldest, sizeof oldest, "%s", entry->d_name);
        }
    }
    if (count > ENTRIES_MOST)
        unlinkat(folder, oldest, 0);
    closedir(list);
}

void cache_store(const struct text *key, const unsigned char *value, size_t size)
{
    char name[NAME_SIZE], temporary[NAME_SIZE + 32];
    size_t total;
    int folder;
    if (!size_add(size, key->size, &total) || total > ENTRY_LIMIT - sizeof(struct header) ||
        (folder = folder_open(true)) < 0)
        return;
    name_of(key, name);
    snprintf(temporary, sizeof temporary, ".%s.%ld", name, (long)syscall(SYS_gettid));
    unlinkat(folder, temporary, 0); /* of a dead thread with our number */
    int file =
        openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file >= 0) {
        bool written = entry_write(file, key, value, size);
        if (close(file) != 0 || !written || renameat(folder, temporary, folder, name) != 0)
            unlinkat(folder, temporary, 0);
        folder_trim(folder);
    }
    close(folder);
}
