/* names.h - which scheduler a name means. SPDX-License-Identifier: MIT
 *
 * People know schedulers by many names. Each answers to its own ("dpmsolver_multistep"), to
 * diffusers' class with or without "Scheduler", and to its aliases ("DPM++ 2M"), which may stand
 * for options too. Names are compared folded: without case, blanks, '-', '_' and '.', and '+' as
 * 'p'. In front of all of them "k_" may stand, and behind them a schedule: "DPM++ 2M Karras". */
#ifndef CLATENT_PLUGINS_NAMES_H
#define CLATENT_PLUGINS_NAMES_H

#include "base/option.h"
#include "plugins/loader.h"

#define NAME_SIZE 128 /* of a folded name with its NUL */

/* False if the name is empty or too long to be one. */
bool name_fold(const char *name, char folded[NAME_SIZE]);

/* The scheduler called `name`, and in *presets the options that the name stands for (those of the
 * alias, then those of the schedule), with the name as their place. CLAT_ERROR_NO_DEVICE: unknown,
 * with the nearest name and all known schedulers, or the reason why its file was refused;
 * CLAT_ERROR_USAGE: the name of two schedulers, or a schedule that this one does not have. */
enum clat_status names_find(
    const char *name, const struct clat_plugin **scheduler, struct settings *presets);

#endif
