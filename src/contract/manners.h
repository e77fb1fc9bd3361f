/* manners.h - what a plugin must leave as it was. SPDX-License-Identifier: MIT */
#ifndef CLATENT_CONTRACT_MANNERS_H
#define CLATENT_CONTRACT_MANNERS_H

#include <limits.h>
#include <sys/types.h>

/* What the process is like. */
struct manners {
    int rounding, threads;
    char locale[256];
    char folder[PATH_MAX];
    mode_t mask;
    off_t printed;
};

struct manners manners_look(void);

/* Reports whether it is still as it was before the plugin was loaded. Standard output must be a
 * regular file, so that what was printed is seen. */
void check_manners(const struct manners *before);

#endif
