/* child.h - a plugin tried out in a process of its own. SPDX-License-Identifier: MIT */
#ifndef CLATENT_CONTRACT_CHILD_H
#define CLATENT_CONTRACT_CHILD_H

#include "contract/report.h"

/* Runs all checks of the file (absolute path) in a child that may crash, hang or leave: that is a
 * finding too. False if there is no child: errno says why. */
bool child_check(const char *path, int seconds, struct findings *findings);

#endif
