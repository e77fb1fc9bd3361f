/* shares.c - work of one call on several cores of the host. SPDX-License-Identifier: MIT */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "base/shares.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>

#define MOST 8 /* fewer cores than that use up the memory's speed */

struct share {
    void (*work)(void *user, size_t first, size_t last);
    void *user;
    size_t first, last;
    pthread_t thread;
    bool started;
};

static void *share_run(void *user)
{
    struct share *share = user;
    share->work(share->user, share->first, share->last);
    return NULL;
}

/* Cores that the process may run on, 1 to MOST. */
static size_t count_cores(void)
{
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return cores < 1 ? 1 : cores > MOST ? MOST : (size_t)cores;
}

/* Signals that the process gets are for its other threads. */
static void share_start(struct share *share)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    share->started = pthread_create(&share->thread, NULL, share_run, share) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void shares_run(size_t count, void (*work)(void *user, size_t first, size_t last), void *user)
{
    struct share shares[MOST];
    size_t parts = count_cores();
    if (parts > count)
        parts = count;
    for (size_t i = 0; i < parts; i++)
        shares[i] = (struct share){.work = work,
            .user = user,
            .first = count / parts * i + count % parts * i / parts,
            .last = count / parts * (i + 1) + count % parts * (i + 1) / parts};
    for (size_t i = 1; i < parts; i++)
        share_start(&shares[i]);
    for (size_t i = 0; i < parts; i++)
        if (shares[i].started)
            pthread_join(shares[i].thread, NULL);
        else
            share_run(&shares[i]);
}
