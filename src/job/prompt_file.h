/* prompt_file.h - a file of prompts, one a line. SPDX-License-Identifier: MIT
 *
 *     # a comment; empty lines are skipped
 *     a red circle on a blue background
 *     it's a "star" --seed 7 --scheduler ddim,eta=0.3
 *     --prompt 'a star -- or two' --steps 30
 *     {"prompt": "a ring", "num_inference_steps": 30}
 *
 * A prompt ends before the first word that begins with --, and stands as it is; behind it are
 * options as on a command line, with its quotes. Relative paths start at the folder of the file. */
#ifndef CLATENT_JOB_PROMPT_FILE_H
#define CLATENT_JOB_PROMPT_FILE_H

#include "job/values.h"

#define PROMPT_FILE_LIMIT (16u << 20) /* bytes in a file */
#define PROMPT_LINES_LIMIT 10000      /* lines that say something */

/* Hands out each line: what it says over `defaults`; `values` is freed by the taker, also after a
 * failure, which ends the reading. "-" is standard input. CLAT_ERROR_USAGE and _INPUT with
 * file:line. */
enum clat_status prompt_file_read(const char *path, const struct job_values *defaults,
    enum clat_status (*take)(void *user, struct job_values *values, int line), void *user);

#endif
