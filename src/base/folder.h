/* folder.h - a folder that appears under its name only when everything in it is complete.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_BASE_FOLDER_H
#define CLATENT_BASE_FOLDER_H

#include "base/status.h"

/* Zero-initialise. All faults are CLAT_ERROR_OUTPUT. */
struct folder_out {
    char *path;      /* final name; owned */
    char *temporary; /* beside it, where files are to be written; owned */
};
/* Refuses a name that is taken. */
enum clat_status folder_out_open(const char *path, struct folder_out *out);
/* A folder inside; *made is its path, freed by the caller. */
enum clat_status folder_out_make(const struct folder_out *out, const char *name, char **made);
enum clat_status folder_out_commit(struct folder_out *out);
/* Removes the temporary folder with all that is in it; also after a failed commit, and on a struct
 * never opened. */
void folder_out_abort(struct folder_out *out);

#endif
