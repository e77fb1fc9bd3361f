/* session.h - a verb that works on a job: its words, progress and results. SPDX-License-Identifier:
 * MIT
 */
#ifndef CLATENT_PROGRAM_SESSION_H
#define CLATENT_PROGRAM_SESSION_H

#include "program/progress.h"

struct session {
    struct progress progress;
    bool quiet, json;
    bool told;      /* a failure of a callback, which has said why */
    double started; /* or when the last image was finished */
};

/* Options of a context whose callbacks write for this session. */
struct clat_options session_options(struct session *session);

/* Takes `quiet`, `json` and `progress` from the job, just before its work begins. */
void session_start(struct session *session, struct clat_job *job);
/* Says what went wrong, if that has not been said; returns the status. */
enum clat_status session_end(struct session *session, enum clat_status status);

#endif
