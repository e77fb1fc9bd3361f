/* shares.h - work of one call on several cores of the host. SPDX-License-Identifier: MIT
 *
 * For work that memory bounds, such as packing weights. Threads live as long as the call: nothing
 * is left behind, signals stay with the caller's threads, and where no thread can be had the caller
 * does all of it. */
#ifndef CLATENT_BASE_SHARES_H
#define CLATENT_BASE_SHARES_H

#include <stddef.h>

/* Calls work(user, first, last) for ranges that cover 0 to `count`, each on a core that the process
 * may run on, and returns when all are done. A unit of work should take 10 us or more. */
void shares_run(size_t count, void (*work)(void *user, size_t first, size_t last), void *user);

#endif
