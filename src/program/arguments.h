/* arguments.h - the command line. SPDX-License-Identifier: MIT
 *
 * Long options take their value as the next word or behind '='; "--" ends the options; "-" alone is
 * a value. */
#ifndef CLATENT_PROGRAM_ARGUMENTS_H
#define CLATENT_PROGRAM_ARGUMENTS_H

#include "clatent.h"
#include <stdbool.h>

/* A flag of a verb: --NAME sets *set. */
struct flag {
    const char *name;
    bool *set;
};

/* For verbs with flags and at most one other word, into *word (untouched if it is not there).
 * `flags` ends with a NULL name. Complains and returns CLAT_ERROR_USAGE. */
enum clat_status arguments_read(
    int count, char **arguments, const struct flag *flags, const char *what, const char **word);

/* For verbs that take the keys of a job: options into the job, and at most one other word. Without
 * `apply` the job is left alone: a first pass finds the word, so that a file can be read before the
 * options that override it. */
enum clat_status arguments_read_job(int count, char **arguments, struct clat_job *job, bool apply,
    const char *what, const char **word);
/* The same in one pass, for verbs whose other word is the model. */
enum clat_status arguments_read_model(int count, char **arguments, struct clat_job *job);

#endif
