/* options.h - settings as text into the struct a plugin describes. SPDX-License-Identifier: MIT
 *
 * Four levels, the later one wins: the plugin's defaults, the model's scheduler_config.json, the
 * presets that a name stands for ("DPM++ 2M Karras"), the user. */
#ifndef CLATENT_SAMPLING_OPTIONS_H
#define CLATENT_SAMPLING_OPTIONS_H

#include "base/option.h"
#include "base/status.h"
#include "clatent-scheduler.h"

/* Zero-initialise; freed with options_free(). */
struct option_values {
    const struct clat_plugin *plugin;
    void *fields;          /* the plugin's struct, options_size bytes */
    struct settings texts; /* every option with the text its value came from, and the place */
};

/* Fills all levels; any of them may be NULL.
 * - model: what diffusers' from_config() does with the configuration of another class. Keys that
 *   the plugin does not have are passed over, as are those listed in _use_default_values; values
 *   of other classes are translated (clat_plugin.foreign). A wrong value is CLAT_ERROR_INPUT.
 * - presets: a wrong one is CLAT_ERROR_NO_DEVICE: the plugin's own fault
 * - user: an unknown key or a wrong value is CLAT_ERROR_USAGE, with its place and nearest name */
enum clat_status options_fill(struct option_values *values, const struct clat_plugin *plugin,
    const struct settings *model, const struct settings *presets, const struct settings *user);

/* Does the plugin read this key of a scheduler_config.json? */
bool options_hear(const struct clat_plugin *plugin, const struct settings *model, const char *key);

/* Adds every option with its value as text, and where it came from. */
enum clat_status options_effective(const struct option_values *values, struct settings *settings);

void options_free(struct option_values *values);

#endif
