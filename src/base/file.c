/* file.c - whole files: mapped for reading, written so that no half file is ever seen.
 * SPDX-License-Identifier: MIT
 *
 * Writing: a file of a random name is made beside the target (O_EXCL, mode 0666 less the umask),
 * filled, flushed to the disk, and renamed over the target; then the directory is flushed as well.
 * The names of temporary files now open stand in a fixed table, which a signal handler can walk. */
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading -------------------------------------------------------------------------------- */

static enum clat_status cannot_read(const char *path, const char *why)
{
    return status_set(CLAT_ERROR_INPUT, "cannot read '%s': %s", path, why);
}

/* O_NONBLOCK: a named pipe must not make us wait before we see that it is one. */
static enum clat_status open_regular(const char *path, int *descriptor, size_t *size)
{
    struct stat facts;
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0)
        return cannot_read(path, strerror(errno));
    const char *fault = NULL;
    if (fstat(opened, &facts) != 0)
        fault = strerror(errno);
    else if (S_ISDIR(facts.st_mode))
        fault = "it is a folder, a file is expected";
    else if (!S_ISREG(facts.st_mode))
        fault = "it is not a regular file";
    else if ((uintmax_t)facts.st_size > SIZE_MAX / 2)
        fault = "it is too large for the address space";
    if (fault) {
        close(opened);
        return cannot_read(path, fault);
    }
    *descriptor = opened;
    *size = (size_t)facts.st_size;
    return CLAT_OK;
}

static enum clat_status map_descriptor(const char *path, int descriptor, struct file_map *map)
{
    if (map->size == 0) {
        map->data = (const unsigned char *)"";
        return CLAT_OK;
    }
    void *data = mmap(NULL, map->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED)
        return cannot_read(path, strerror(errno));
    map->data = data;
    return CLAT_OK;
}

enum clat_status file_map_open(const char *path, struct file_map *map)
{
    int descriptor;
    memset(map, 0, sizeof *map);
    enum clat_status status = open_regular(path, &descriptor, &map->size);
    if (status != CLAT_OK)
        return status;
    TRY(memory_string(path, &map->path));
    TRY(map_descriptor(path, descriptor, map));
out:
    close(descriptor);
    if (status != CLAT_OK)
        file_map_close(map);
    return status;
}

void file_map_close(struct file_map *map)
{
    if (map->data && map->size)
        munmap((void *)(uintptr_t)map->data, map->size);
    free(map->path);
    memset(map, 0, sizeof *map);
}

/* Rounded outwards to whole pages: they come back from the file if somebody still reads them. */
void file_map_forget(const struct file_map *map, size_t offset, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (offset > map->size || size > map->size - offset || size == 0)
        return;
    size_t begin = offset / page * page;
    madvise((void *)(uintptr_t)(map->data + begin), offset + size - begin, MADV_DONTNEED);
}

static enum clat_status read_all(const char *path, int descriptor, char *text, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(descriptor, text + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return cannot_read(path, got < 0 ? strerror(errno) : "it became shorter meanwhile");
        done += (size_t)got;
    }
    return CLAT_OK;
}

enum clat_status file_read_text(const char *path, size_t limit, char **text, size_t *size)
{
    int descriptor;
    size_t length;
    char *bytes = NULL;
    enum clat_status status = open_regular(path, &descriptor, &length);
    if (status != CLAT_OK)
        return status;
    if (length > limit)
        FAIL(CLAT_ERROR_INPUT, "'%s' has %zu bytes, at most %zu are expected", path, length, limit);
    TRY(memory_new(length + 1, 1, &bytes));
    TRY(read_all(path, descriptor, bytes, length));
    *text = bytes;
    if (size)
        *size = length;
    bytes = NULL;
out:
    free(bytes);
    close(descriptor);
    return status;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool file_is_directory(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

enum clat_status file_join(const char *directory, const char *name, char **out)
{
    struct text path = {0};
    size_t length = strlen(directory);
    const char *slash = length && directory[length - 1] != '/' ? "/" : "";
    enum clat_status status = text_print(&path, "%s%s%s", directory, slash, name);
    if (status == CLAT_OK)
        *out = path.data;
    else
        text_free(&path);
    return status;
}

/* ---- temporary files that are open now ------------------------------------------------------ */

#define OPEN_OUTPUTS 16
static struct {
    atomic_int state; /* 0 free, 1 being filled in or cleared, 2 names a file */
    char path[PATH_MAX];
} temporaries[OPEN_OUTPUTS];

static void temporary_enter(const char *path)
{
    if (strlen(path) >= sizeof temporaries[0].path)
        return;
    for (int i = 0; i < OPEN_OUTPUTS; i++) {
        int nothing = 0;
        if (atomic_compare_exchange_strong(&temporaries[i].state, &nothing, 1)) {
            strcpy(temporaries[i].path, path);
            atomic_store(&temporaries[i].state, 2);
            return;
        }
    }
}

static void temporary_leave(const char *path)
{
    for (int i = 0; i < OPEN_OUTPUTS; i++)
        if (atomic_load(&temporaries[i].state) == 2 && strcmp(temporaries[i].path, path) == 0)
            atomic_store(&temporaries[i].state, 0);
}

void file_out_abandon_all(void)
{
    for (int i = 0; i < OPEN_OUTPUTS; i++)
        if (atomic_load(&temporaries[i].state) == 2)
            unlink(temporaries[i].path);
}

/* ---- writing -------------------------------------------------------------------------------- */

static enum clat_status cannot_write(const char *path, int code)
{
    return status_set(
        CLAT_ERROR_OUTPUT, "cannot write '%s': %s", path, code ? strerror(code) : "unknown reason");
}

/* A link or a device under the final name would be replaced by rename(): refuse it. */
static enum clat_status check_target(const char *path)
{
    struct stat facts;
    if (*path == '\0')
        return status_set(CLAT_ERROR_OUTPUT, "cannot write: the file name is empty");
    if (lstat(path, &facts) != 0)
        return errno == ENOENT ? CLAT_OK : cannot_write(path, errno);
    if (!S_ISREG(facts.st_mode))
        return status_set(CLAT_ERROR_OUTPUT,
            "cannot write '%s': something that is not a regular file has this name", path);
    return CLAT_OK;
}

/* ".clatent-<16 hexadecimal digits>.tmp" in the folder of `path`; the name does not grow with the
 * target's, so it is never too long where the target's is not. */
static enum clat_status temporary_name(const char *path, char **name)
{
    struct text text = {0};
    uint64_t number;
    const char *slash = strrchr(path, '/');
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return cannot_write(path, errno);
    enum clat_status status = text_print(&text, "%.*s.clatent-%016llx.tmp",
        slash ? (int)(slash - path + 1) : 0, path, (unsigned long long)number);
    if (status == CLAT_OK)
        *name = text.data;
    else
        text_free(&text);
    return status;
}

static enum clat_status open_temporary(struct file_out *out)
{
    int descriptor = open(out->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor < 0)
        return cannot_write(out->path, errno);
    temporary_enter(out->temporary);
    out->stream = fdopen(descriptor, "w+b");
    if (out->stream)
        return CLAT_OK;
    int code = errno;
    close(descriptor);
    return cannot_write(out->path, code);
}

enum clat_status file_out_open(const char *path, struct file_out *out)
{
    enum clat_status status;
    memset(out, 0, sizeof *out);
    TRY(check_target(path));
    TRY(memory_string(path, &out->path));
    TRY(temporary_name(path, &out->temporary));
    TRY(open_temporary(out));
out:
    if (status != CLAT_OK)
        file_out_abort(out);
    return status;
}

enum clat_status file_out_write(struct file_out *out, const void *data, size_t size)
{
    errno = 0;
    if (size && fwrite(data, 1, size, out->stream) != size)
        return cannot_write(out->path, errno);
    return CLAT_OK;
}

/* The rename itself must survive a power cut; a file system without this call is no fault. */
static void flush_folder(const char *path)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash && (size_t)(slash - path) + 2 <= sizeof folder)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path + 1), path);
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return;
    (void)fsync(descriptor);
    close(descriptor);
}

/* Closes the stream in every case; the first error counts. */
static int flush_and_close(FILE *stream)
{
    int code = 0;
    errno = 0;
    if (ferror(stream))
        code = EIO;
    if (!code && (fflush(stream) != 0 || fsync(fileno(stream)) != 0))
        code = errno ? errno : EIO;
    if (fclose(stream) != 0 && !code)
        code = errno ? errno : EIO;
    return code;
}

/* Gives the complete file its name. link() is the one call that refuses a name that is taken; a
 * file system without it gets a look and a rename. 0 or an error number. */
static int give_name(const struct file_out *out, bool replace)
{
    if (!replace && link(out->temporary, out->path) == 0)
        return unlink(out->temporary) == 0 ? 0 : errno;
    if (!replace && (errno == EEXIST || file_exists(out->path)))
        return EEXIST;
    return rename(out->temporary, out->path) == 0 ? 0 : errno;
}

static enum clat_status commit(struct file_out *out, bool replace)
{
    enum clat_status status = CLAT_OK;
    int code = flush_and_close(out->stream);
    out->stream = NULL;
    if (!code)
        code = give_name(out, replace);
    if (code) {
        status = cannot_write(out->path, code);
    } else {
        temporary_leave(out->temporary);
        free(out->temporary);
        out->temporary = NULL;
        flush_folder(out->path);
    }
    file_out_abort(out);
    return status;
}

enum clat_status file_out_commit(struct file_out *out)
{
    return commit(out, true);
}

enum clat_status file_out_commit_new(struct file_out *out)
{
    return commit(out, false);
}

void file_out_abort(struct file_out *out)
{
    if (out->stream)
        fclose(out->stream);
    if (out->temporary) {
        unlink(out->temporary);
        temporary_leave(out->temporary);
    }
    free(out->temporary);
    free(out->path);
    memset(out, 0, sizeof *out);
}
