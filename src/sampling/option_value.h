/* option_value.h - one option's value from text. SPDX-License-Identifier: MIT */
#ifndef CLATENT_SAMPLING_OPTION_VALUE_H
#define CLATENT_SAMPLING_OPTION_VALUE_H

#include "base/status.h"
#include "clatent-scheduler.h"

/* Reads `text` into the option's field of the plugin's struct `fields`. A text that is none of its
 * values is `code`, with what was expected: "eta is '2', expected a number from 0 to 1". */
enum clat_status option_read(
    const struct clat_option *option, const char *text, void *fields, enum clat_status code);

/* Frees the values of a list; nothing for the other types. */
void option_clear(const struct clat_option *option, void *fields);

#endif
