/* descriptor.h - is a plugin's descriptor what the contract says? SPDX-License-Identifier: MIT */
#ifndef CLATENT_PLUGINS_DESCRIPTOR_H
#define CLATENT_PLUGINS_DESCRIPTOR_H

#include "base/status.h"
#include "clatent-scheduler.h"

#define PLUGIN_NAME_LIMIT 32     /* bytes of a scheduler's name */
#define PLUGIN_OPTIONS_LIMIT 256 /* rows of an option table */
#define PLUGIN_ALIASES_LIMIT 256
#define PLUGIN_FOREIGN_LIMIT 1024

/* Every field, and every row of the option table, before anything uses them; `path` is the file it
 * came from. CLAT_ERROR_NO_DEVICE with file, field, expected and found. */
enum clat_status descriptor_check(const char *path, const struct clat_plugin *plugin);

#endif
