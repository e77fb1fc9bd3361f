/* folder.c - a folder that appears when it is complete. SPDX-License-Identifier: MIT */
#include "base/folder.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum clat_status cannot_make(const char *path, int code)
{
    return status_set(CLAT_ERROR_OUTPUT, "cannot make the folder '%s': %s", path, strerror(code));
}

/* "a/b/" as "a/b". */
static enum clat_status copy_path(const char *path, char **out)
{
    enum clat_status status = memory_string(path, out);
    size_t size = status == CLAT_OK ? strlen(*out) : 0;
    while (size > 1 && (*out)[size - 1] == '/')
        (*out)[--size] = '\0';
    return status;
}

/* mkdtemp's own mode is 0700. What the umask allows cannot be asked without changing it for the
 * whole process, so a folder made inside tells it. */
static void open_to_others(const char *path)
{
    struct stat facts;
    char *probe;
    if (file_join(path, "mode", &probe) != CLAT_OK)
        return;
    if (mkdir(probe, 0777) == 0) {
        if (stat(probe, &facts) == 0)
            (void)chmod(path, facts.st_mode & 07777);
        rmdir(probe);
    }
    free(probe);
}

enum clat_status folder_out_open(const char *path, struct folder_out *out)
{
    enum clat_status status;
    struct text name = {0};
    struct stat facts;
    memset(out, 0, sizeof *out);
    TRY(copy_path(path, &out->path));
    if (lstat(out->path, &facts) == 0)
        FAIL(CLAT_ERROR_OUTPUT, "'%s' is there already and is not overwritten", out->path);
    if (errno != ENOENT)
        FAIL(CLAT_ERROR_OUTPUT, "cannot make the folder '%s': %s", out->path, strerror(errno));
    const char *slash = strrchr(out->path, '/');
    TRY(text_print(
        &name, "%.*s.clatent-XXXXXX", slash ? (int)(slash - out->path + 1) : 0, out->path));
    if (!mkdtemp(name.data))
        FAIL(CLAT_ERROR_OUTPUT, "cannot make the folder '%s': %s", out->path, strerror(errno));
    open_to_others(name.data);
    out->temporary = name.data;
    return CLAT_OK;
out:
    text_free(&name);
    folder_out_abort(out);
    return status;
}

enum clat_status folder_out_make(const struct folder_out *out, const char *name, char **made)
{
    enum clat_status status = file_join(out->temporary, name, made);
    if (status == CLAT_OK && mkdir(*made, 0777) != 0) {
        status = cannot_make(*made, errno);
        free(*made);
        *made = NULL;
    }
    return status;
}

enum clat_status folder_out_commit(struct folder_out *out)
{
    enum clat_status status = CLAT_OK;
    if (rename(out->temporary, out->path) != 0) {
        status = cannot_make(out->path, errno);
    } else {
        free(out->temporary);
        out->temporary = NULL;
    }
    folder_out_abort(out);
    return status;
}

/* Only what is really inside: a link is removed, not followed. */
static void remove_all(const char *path)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char *inner = NULL;
        struct stat facts;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            file_join(path, entry->d_name, &inner) != CLAT_OK)
            continue;
        if (lstat(inner, &facts) == 0 && S_ISDIR(facts.st_mode))
            remove_all(inner);
        else
            unlink(inner);
        free(inner);
    }
    if (directory)
        closedir(directory);
    rmdir(path);
}

void folder_out_abort(struct folder_out *out)
{
    if (out->temporary)
        remove_all(out->temporary);
    free(out->temporary);
    free(out->path);
    memset(out, 0, sizeof *out);
}
