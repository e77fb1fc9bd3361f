/* signals.h - Ctrl-C and its like. SPDX-License-Identifier: MIT */
#ifndef CLATENT_PROGRAM_SIGNALS_H
#define CLATENT_PROGRAM_SIGNALS_H

/* The first SIGINT, SIGTERM or SIGHUP is only noted: the job asks signals_stop() and ends in order.
 * The second removes half-written files and ends the process at once. SIGPIPE becomes a write
 * error. */
void signals_catch(void);

/* Non-zero once such a signal came; a `cancelled` callback. */
int signals_stop(void *user);

/* If one came, dies of it, so that the shell sees why (130 for Ctrl-C). After CLAT_ERROR_DEVICE the
 * process ends with `status` within a second, even if a driver would not let it. */
void signals_end(int status);

#endif
