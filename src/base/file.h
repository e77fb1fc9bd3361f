/* file.h - whole files: mapped for reading, written so that no half file is ever seen.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_BASE_FILE_H
#define CLATENT_BASE_FILE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A file mapped read-only. A zero-length file has data = "" and size = 0. */
struct file_map {
    const unsigned char *data;
    size_t size; /* in bytes */
    char *path;  /* as given, for messages; owned */
};

/* Fails with CLAT_ERROR_INPUT if the file is absent, unreadable or not a regular file. */
enum clat_status file_map_open(const char *path, struct file_map *map);
void file_map_close(struct file_map *map);

/* Tells the system that the pages of data[offset .. offset+size) are not needed any more, so that
 * a model that went to the device does not stay resident a second time. */
void file_map_forget(const struct file_map *map, size_t offset, size_t size);

/* The whole text of a small file, NUL-terminated, freed by the caller; CLAT_ERROR_INPUT if it is
 * larger than `limit` bytes. `size` may be NULL. */
enum clat_status file_read_text(const char *path, size_t limit, char **text, size_t *size);

bool file_exists(const char *path);
bool file_is_directory(const char *path);

/* "directory/name", freed by the caller. */
enum clat_status file_join(const char *directory, const char *name, char **out);

/* Output that appears under its name only when it is complete: written to a temporary name beside
 * the target, then renamed by file_out_commit(). file_out_abort() (also after a failed commit, and
 * on a struct never opened) removes the temporary file. All faults are CLAT_ERROR_OUTPUT. */
struct file_out {
    FILE *stream;
    char *path;      /* final name; owned */
    char *temporary; /* owned */
};
enum clat_status file_out_open(const char *path, struct file_out *out);
enum clat_status file_out_write(struct file_out *out, const void *data, size_t size);
enum clat_status file_out_commit(struct file_out *out);
/* The same, but never over a file that has this name by now. */
enum clat_status file_out_commit_new(struct file_out *out);
void file_out_abort(struct file_out *out);

/* Removes the temporary files of every file_out now open; async-signal-safe, for a second Ctrl-C.
 */
void file_out_abandon_all(void);

#endif
