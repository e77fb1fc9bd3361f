/* host.h - the calls that a probe offers to a plugin: what probe.c and host.c share.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_CONTRACT_HOST_H
#define CLATENT_CONTRACT_HOST_H

#include "contract/probe.h"

#define STOP_CODE 7001 /* what a call returns that was told to fail */
#define FAIL_CODE 7002 /* what fail() returns */
#define BROKEN_CODE 7003
#define PATIENCE 1000 /* calls after a failed one, before the plugin is left */

/* Memory given by scratch(); freed when the plugin returns. */
struct scratch_list {
    struct scratch_list *next;
    void *data; /* guarded */
};

/* Puts the calls into probe->run. */
void host_offer(struct probe *probe);

/* Notes a breach of the contract, if it is the first; from then on every call fails. Returns their
 * code. unfit: it is about a number out of its range, or none. */
int host_breach(struct probe *probe, const char *format, ...) __attribute__((format(printf, 2, 3)));
int host_unfit(struct probe *probe, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Finite, and one the model was trained with, if its schedule is known. */
bool host_is_timestep(const struct probe *probe, double t);

#endif
