/* crew_shared.h - what the threads of a crew share. SPDX-License-Identifier: MIT
 *
 * The caller's thread leads (crew.c), one thread per device makes images (crew_member.c), and what
 * that one has to say goes through the caller's (crew_events.c). One lock guards the crew; what is
 * asked for without it is atomic. */
#ifndef CLATENT_PIPELINE_CREW_SHARED_H
#define CLATENT_PIPELINE_CREW_SHARED_H

#include "pipeline/crew.h"
#include "pipeline/portions.h"

#include <pthread.h>
#include <stdatomic.h>

struct crew;

struct member {
    struct crew *crew;
    int number;
    struct run run; /* the job's, with a device, networks and latents of its own */
    struct pipeline_events events;
    pthread_t thread;
    bool started;
};

/* An image that waits to be handed out. */
struct finished {
    float *rgb, *latents; /* [height][width][3], [channels][h][w]; NULL: not made, or handed out */
};

/* Something that a member wants done by the caller's thread. */
struct request {
    void (*work)(void *user);
    void *user;
    bool done;
};

struct crew {
    struct run *job;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct member members[DEVICES_LIMIT];
    int count, at_work; /* members in all, and threads that have not ended */
    struct portions portions;
    struct finished *finished; /* [images] */
    int wanted;                /* images that are to be made */
    int handed_out;            /* images before this one were, or are not wanted */
    int *steps;                /* [images] that are done */
    long long steps_done;      /* their sum */
    int told, steps_each;      /* the least that all images had when it was told, of how many */
    struct request *request;   /* that waits */
    atomic_bool stops;         /* members are to end */
    enum clat_status status;   /* of the first failure that ends the job */
    char sentence[2048];
};

/* The job ends with this failure, unless it has one. With the lock. */
void crew_fail(struct crew *crew, enum clat_status status, const char *sentence);

void finished_free(struct finished *finished);

/* Member `number` gets a run of its own, and what it says goes to its crew. */
void member_open(struct crew *crew, int number, struct device *device);
void member_start(struct member *member); /* its thread */

/* Fills member->events and has the device of its run report to them, too. */
void member_connect(struct member *member);

#endif
