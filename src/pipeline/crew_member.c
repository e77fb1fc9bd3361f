/* crew_member.c - one device of a crew. SPDX-License-Identifier: MIT
 *
 * Takes a share of the images, samples and decodes it as a job of one device does, and asks for the
 * next. How fast that went tells how large the next one is (portions.h). A device that fails gives
 * its images back, for the others to make. */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "base/clock.h"
#include "base/memory.h"
#include "pipeline/crew_shared.h"
#include "pipeline/preview.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Waits for images; false if there will be none. */
static bool take_share(struct member *member, int *first, int *count)
{
    struct crew *crew = member->crew;
    pthread_mutex_lock(&crew->lock);
    for (*count = 0; !crew->stops && !portions_are_done(&crew->portions);) {
        *count = portions_take(&crew->portions, member->number, member->run.group, first);
        if (*count)
            break;
        pthread_cond_wait(&crew->changed, &crew->lock);
    }
    pthread_mutex_unlock(&crew->lock);
    return *count > 0;
}

static enum clat_status make_share(struct member *member, int first, int count)
{
    struct run *run = &member->run;
    struct crew *crew = member->crew;
    size_t at = (size_t)first * run->elements, size = (size_t)count * run->elements;
    double begun = clock_seconds();
    enum clat_status status;
    memcpy(run->latents + at, crew->job->latents + at, size * sizeof(float));
    if (!run->request.several)
        autoencoder_free(run->device, &run->decoder);
    run->sampled = run->finished = first;
    run->end = first + count;
    TRY(run_make_groups(run));
    pthread_mutex_lock(&crew->lock);
    crew->portions.members[member->number].speed = count / (clock_seconds() - begun);
    pthread_mutex_unlock(&crew->lock);
out:
    return status;
}

/* Its own copy of what sampling changes. */
static enum clat_status member_begin(struct member *member)
{
    struct run *run = &member->run;
    const struct crew *crew = member->crew;
    enum clat_status status;
    TRY(memory_new((size_t)run->images * run->elements, sizeof(float), &run->latents));
    TRY(scheduler_open(run->job->scheduler, &run->model->scheduler, &run->job->scheduler_options,
        &run->scheduler));
    TRY(run_plan(run));
    TRY(preview_join(run, crew->job));
    if (run->device != crew->job->device)
        device_take_trouble(run->device);
    TRY(run_check_memory(run));
out:
    return status;
}

static void member_end(struct member *member)
{
    struct run *run = &member->run;
    run_release(run);
    preview_close(run);
    scheduler_close(run->scheduler);
    free(run->uses);
    free(run->latents);
}

/* Gives its images back. True if others do them. */
static bool give_up(struct member *member, enum clat_status status, const char *sentence)
{
    struct crew *crew = member->crew;
    pthread_mutex_lock(&crew->lock);
    portions_return(&crew->portions, member->number);
    crew->portions.members[member->number].works = false;
    bool replaced =
        crew_can_replace(status) && !crew->stops && portions_members(&crew->portions) > 0;
    if (!replaced)
        crew_fail(crew, status, sentence);
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    return replaced;
}

static void *member_run(void *user)
{
    struct member *member = user;
    struct crew *crew = member->crew;
    int first, count;
    enum clat_status status = member_begin(member);
    while (status == CLAT_OK && take_share(member, &first, &count))
        status = make_share(member, first, count);
    if (status != CLAT_OK && give_up(member, status, status_text()))
        run_warn(&member->run, "%s: its images go to the other devices", status_text());
    member_end(member);
    pthread_mutex_lock(&crew->lock);
    crew->at_work--;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

void member_open(struct crew *crew, int number, struct device *device)
{
    struct member *member = &crew->members[number];
    *member = (struct member){.crew = crew, .number = number, .run = *crew->job};
    member->run.device = device;
    member->run.events = &member->events;
    member->run.latents = NULL;
    member->run.scheduler = NULL;
    member->run.preview = NULL;
    member->run.uses = NULL;
    member->run.rungs = (struct rungs){0};
    member_connect(member);
}

/* Signals that the process gets are for the caller's thread. */
void member_start(struct member *member)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    member->started = pthread_create(&member->thread, NULL, member_run, member) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!member->started) {
        member->crew->at_work--;
        give_up(member, CLAT_ERROR_MEMORY, "no thread can be had for a device");
    }
}
