/* manifest.h - which images of a folder are finished, for a job that goes on later.
 * SPDX-License-Identifier: MIT
 *
 * A text file beside the images, a line for each, appended before the image gets its name:
 *
 *     {"file": "00003.png", "settings": "<digest>", "bytes": 12345, "digest": "<digest>"}
 *
 * The settings are all that the picture depends on; bytes and digest are the file's. An image is
 * done if a line has its settings and the file is as the line says; so a line without its file, or
 * one that was cut off, costs nothing but that image. Of several lines for a file the last counts,
 * but what any of them describes is ours, and may be replaced. */
#ifndef CLATENT_JOB_MANIFEST_H
#define CLATENT_JOB_MANIFEST_H

#include "base/digest.h"
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_NAME "clatent-manifest.jsonl"

struct manifest_line {
    char *file; /* its name without a folder */
    char settings[DIGEST_TEXT], digest[DIGEST_TEXT];
    uint64_t bytes;
    size_t number; /* in the manifest, from 1 */
};

/* Zero-initialise; freed with manifest_close(). */
struct manifest {
    char *path;                  /* of the manifest */
    struct manifest_line *lines; /* [count], by name, then by number */
    size_t count, capacity;
    size_t damaged;      /* lines that are none: so many files may be ours without being known */
    struct text claimed; /* lines about those that are taken for ours on that ground */
    bool needs_repair;   /* the file has damaged lines */
    bool cut_off;        /* its last line has no end */
};

/* The manifest of the folder that `image` is in; none is an empty one. A line that is none is told
 * in a sentence, and passed over. CLAT_ERROR_INPUT if it cannot be read or is too large. */
enum clat_status manifest_open(const char *image, void (*warn)(void *user, const char *sentence),
    void *user, struct manifest *manifest);
void manifest_close(struct manifest *manifest);

enum manifest_state {
    MANIFEST_NEW,    /* there is no such file */
    MANIFEST_DONE,   /* it is there, with these settings */
    MANIFEST_OURS,   /* it is there, with others, or a damaged line may have been about it */
    MANIFEST_FOREIGN /* what is there is none of ours, or was changed */
};
/* CLAT_ERROR_INPUT if the file cannot be read. */
enum clat_status manifest_look(struct manifest *manifest, const char *image,
    const char settings[DIGEST_TEXT], enum manifest_state *state);

/* When all images were looked for: writes the manifest anew without what is damaged in it. Nothing
 * if it is whole. CLAT_ERROR_OUTPUT. */
enum clat_status manifest_repair(struct manifest *manifest);

/* Adds a line about the file `image` that will have these bytes, and waits until it is on the disk.
 * CLAT_ERROR_OUTPUT. */
enum clat_status manifest_add(struct manifest *manifest, const char *image,
    const char settings[DIGEST_TEXT], const void *bytes, size_t size);

#endif
