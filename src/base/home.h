/* home.h - the user's folders, as the XDG base directory specification has them.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_BASE_HOME_H
#define CLATENT_BASE_HOME_H

#include "base/text.h"

/* The value of a variable; NULL if it is not set or empty. */
const char *home_variable(const char *name);

/* $HOME, or what the system knows of the user; NULL if neither has one. */
const char *home_folder(void);

/* The folder that `variable` names, or `standard` in the home folder, then "/name": appended to
 * `out`. A variable with a relative path is passed over, as the specification says. Nothing is
 * appended if there is no home. */
enum clat_status home_path(
    const char *variable, const char *standard, const char *name, struct text *out);

#endif
