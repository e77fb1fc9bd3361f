/* preferences.h - what a user and a machine want of every job. SPDX-License-Identifier: MIT
 *
 * Each source is laid over those before it:
 *
 *     SYSCONFDIR/clatent/config.yaml, then clatent/config.yaml in each folder of $XDG_CONFIG_DIRS,
 *         the most important last
 *     $XDG_CONFIG_HOME/clatent/config.yaml
 *     CLATENT_KEY in the environment; folders of CLATENT_MODEL_PATH between colons
 *
 * A job file and the command line come over all of them. Only keys that say how to work may stand
 * there, not what to make. */
#ifndef CLATENT_JOB_PREFERENCES_H
#define CLATENT_JOB_PREFERENCES_H

#include "job/values.h"

struct preference_file {
    char *path;
    bool found;
};

/* Zero-initialise; freed with preferences_free(), also after a failure. */
struct preferences {
    struct job_values values; /* `where` says from which source */
    struct preference_file *files;
    size_t count, capacity; /* the user's is the last */
};

/* CLAT_ERROR_USAGE with file:line or variable for anything wrong. */
enum clat_status preferences_read(struct preferences *preferences);
void preferences_free(struct preferences *preferences);

/* The name of the variable of a key. */
enum clat_status preferences_variable(const struct job_key *key, struct text *out);

/* A variable of the environment that looks as if it was meant for this program, but is of no key;
 * *nearest is what it may have been meant for. Begins at *place 0; NULL at the end. */
const char *preferences_stranger(size_t *place, char nearest[80]);

#endif
