/* scheduler_host.h - the host side of a plugin's plan() and run(). SPDX-License-Identifier: MIT */
#ifndef CLATENT_SAMPLING_SCHEDULER_HOST_H
#define CLATENT_SAMPLING_SCHEDULER_HOST_H

#include "sampling/options.h"
#include "sampling/sampler.h"

struct scheduler {
    const struct clat_plugin *plugin;
    struct option_values options;
    struct clat_plan plan;
    bool compat;
};

/* What run->host points at. */
struct host {
    const struct scheduler *scheduler;
    const struct sampler_host *pipeline; /* NULL during plan() */
    struct scratch *scratch;
    enum clat_status failed; /* of the first call that failed; CLAT_OK: none so far */
    int evaluations, steps;  /* so far */
};

/* What the plugin is called with; that points to *host. */
struct clat_run host_run(const struct scheduler *scheduler, struct host *host);
/* What became of a call of plan() or run() that returned `code`. */
enum clat_status host_outcome(struct host *host, int code);
/* A plugin that came back early left noise where latents should be. */
enum clat_status host_check_steps(struct host *host, const struct clat_run *run);
/* Frees what the plugin had of it. */
void host_free(struct host *host);

#endif
