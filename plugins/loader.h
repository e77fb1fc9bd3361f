/* loader.h - finding, checking and opening scheduler plugins. SPDX-License-Identifier: MIT
 *
 * Plugins are looked for in the directories the program named (plugins_add_directory), then in the
 * one compiled in ($(pkglibdir)/schedulers-ABI); never in the current directory, nowhere relative,
 * nowhere taken from the environment. All of them are opened once, on first use, and stay open: the
 * host borrows their tables and texts. One registry for the process, behind a lock. */
#ifndef CLATENT_PLUGINS_LOADER_H
#define CLATENT_PLUGINS_LOADER_H

#include "base/status.h"
#include "clatent-scheduler.h"
#include <stddef.h>

/* One file NAME.so of a plugin directory, or a directory that was refused as a whole. */
struct plugin {
    char *path;                          /* absolute */
    const struct clat_plugin *scheduler; /* NULL if the file was refused */
    char *reason;                        /* why it was refused: one sentence; NULL otherwise */
};

/* Adds a directory (absolute) to be searched before the compiled-in one, in the order added. Only
 * before first use; later calls are CLAT_ERROR_USAGE. A directory that does not exist is passed
 * over, one that everybody can write is an entry of the list with its reason (trust.h). */
enum clat_status plugins_add_directory(const char *directory);

/* All files found, in the order of search, by name within a directory. A name that was already
 * found is not opened again. The list is the registry's and never changes after the first call. */
enum clat_status plugins_list(const struct plugin **plugins, size_t *count);

/* The plugin called `name`, by any of its names (names.h, which also tells the options that a name
 * stands for). */
enum clat_status plugins_find(const char *name, const struct clat_plugin **scheduler);

/* Checks one file and opens it; what plugins_list() does for each. CLAT_ERROR_NO_DEVICE if it is
 * refused. */
enum clat_status plugin_open(const char *path, const struct clat_plugin **scheduler);

#endif
