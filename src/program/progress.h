/* progress.h - how far a job is, on standard error. SPDX-License-Identifier: MIT
 *
 * On a terminal one line that is drawn over, at most ten times a second; or a plain line every
 * tenth of the job or every 30 seconds; or one JSON object per event; or nothing. */
#ifndef CLATENT_PROGRAM_PROGRESS_H
#define CLATENT_PROGRAM_PROGRESS_H

#include "clatent.h"
#include <stdbool.h>

enum progress_form { PROGRESS_BAR, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_NONE };

struct progress {
    enum progress_form form;
    double drawn;        /* when the last line was, in seconds */
    int picture;         /* lines of the preview above that line; 0: none */
    int width;           /* columns of the line on the terminal now, 0: none */
    int tenth;           /* of the job, last told in plain form */
    char phase[64];      /* last told */
    double stepped;      /* when the last step ended */
    double step_seconds; /* exponential mean */
    double work_seconds; /* the same for all work of all jobs, from the share that a step is */
    double last_fraction;
    int last_step;
};

/* word: "auto" (or NULL), "plain", "json", "none". */
void progress_start(struct progress *progress, const char *word);
/* A progress callback; `user` is a struct progress. */
void progress_show(void *user, const struct clat_progress *now);
/* A preview above the line, in place of the last one, where there is a line and the terminal shows
 * pictures. */
void progress_picture(struct progress *progress, const struct clat_preview *preview);
/* Takes the line off the terminal, before other words or at the end; a preview stays. */
void progress_clear(struct progress *progress);

/* Seconds on a clock that never jumps. */
double progress_clock(void);

#endif
