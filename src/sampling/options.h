/* options.h - settings as text into the struct a plugin describes. SPDX-License-Identifier: MIT */
#ifndef CLATENT_SAMPLING_OPTIONS_H
#define CLATENT_SAMPLING_OPTIONS_H

#include "base/option.h"
#include "base/status.h"
#include "clatent-scheduler.h"

/* Zero-initialise; freed with options_free(). */
struct option_values {
    const struct clat_plugin *plugin;
    void *fields;          /* the plugin's struct, options_size bytes */
    struct settings texts; /* every option with the text its value came from */
};

/* Defaults, then `model` (unknown keys passed over; NULL: none), then `user` (unknown keys refused:
 * CLAT_ERROR_USAGE with place and nearest name; NULL: none). A value of the wrong type or out of
 * range is CLAT_ERROR_USAGE, or CLAT_ERROR_INPUT where it came from the model. */
enum clat_status options_fill(struct option_values *values, const struct clat_plugin *plugin,
    const struct settings *model, const struct settings *user);

/* Adds every option with its value as text. */
enum clat_status options_effective(const struct option_values *values, struct settings *settings);

void options_free(struct option_values *values);

#endif
