/* checks.h - everything the contract asks of a plugin, tried out. SPDX-License-Identifier: MIT */
#ifndef CLATENT_CONTRACT_CHECKS_H
#define CLATENT_CONTRACT_CHECKS_H

#include "contract/probe.h"

/* All checks of the plugin in the file `path` (absolute); findings go to report(). For a child
 * process: the plugin may crash, hang or leave. */
void checks_run(const char *path);

/* One check each; they report one finding. */
void check_options(const struct clat_plugin *plugin); /* sweep.c */
void check_plan(const struct clat_plugin *plugin);
void check_run(const struct clat_plugin *plugin);
void check_repeat(const struct clat_plugin *plugin);
void check_cancel(const struct clat_plugin *plugin); /* faults.c */
void check_memory(const struct clat_plugin *plugin);
/* The numbers, with the network that is never wrong: accuracy.c. */
void check_accuracy(const struct clat_plugin *plugin);
void check_middle(const struct clat_plugin *plugin);

/* A number of steps, not more than `most`, that the plugin accepts; 0 if there is none. */
int checks_steps(struct probe *probe, int most, double strength);

#endif
