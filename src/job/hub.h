/* hub.h - hf:ORG/NAME[@REV] to a folder of the local hub cache. SPDX-License-Identifier: MIT */
#ifndef CLATENT_JOB_HUB_H
#define CLATENT_JOB_HUB_H

#include "base/status.h"
#include <stdbool.h>

/* True if the text is an address of the hub ("hf:..."). */
bool hub_is_address(const char *model);

/* The snapshot folder that hf:ORG/NAME[@REV] names, or with :FILE a file in it, freed by the
 * caller. Only looked up, never fetched: CLAT_ERROR_INPUT says where it was looked for, and the
 * command that fetches it. @REV is a branch, tag or commit; default main. */
enum clat_status hub_find(const char *address, char **found);

#endif
