/* option.h - settings as text, and tables of the options that accept them. SPDX-License-Identifier:
 * MIT
 *
 * Job files, command lines and scheduler_config.json all become a list of (key, value, where); a
 * table of options (name, type, range, default, help) then checks them and fills a struct. One
 * table serves parsing, messages, `--help` and `clatent schedulers NAME`. */
#ifndef CLATENT_BASE_OPTION_H
#define CLATENT_BASE_OPTION_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

/* One setting. Values are the text of a YAML 1.2 core or JSON scalar ("true", "0.00085", "null"),
 * or of a flat JSON array "[1, 2]". */
struct setting {
    char *key, *value;
    char *where; /* "job.yaml:7", "--steps", "scheduler_config.json": for messages */
};
struct settings {
    struct setting *items;
    size_t count, capacity;
};
/* Adds a copy; a later setting of the same key replaces the earlier one. */
enum clat_status settings_set(
    struct settings *settings, const char *key, const char *value, const char *where);
/* Adds "key=value,key=[1,2],...": commas inside brackets do not separate. CLAT_ERROR_USAGE for
 * anything else. */
enum clat_status settings_read(struct settings *settings, const char *text, const char *where);
const struct setting *settings_find(const struct settings *settings, const char *key); /* or NULL */
void settings_free(struct settings *settings);

#endif
