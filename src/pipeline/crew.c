/* crew.c - see crew.h. SPDX-License-Identifier: MIT
 *
 * The caller's thread leads: it hands out finished images in their order, passes on what members
 * have to say, and asks whether to stop. */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "pipeline/crew.h"
#include "base/memory.h"
#include "pipeline/condition.h"
#include "pipeline/crew_shared.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASK_NANOSECONDS 50000000 /* between two questions whether to stop */

bool crew_can_replace(enum clat_status status)
{
    return status == CLAT_ERROR_DEVICE || status == CLAT_ERROR_MEMORY ||
           status == CLAT_ERROR_NO_DEVICE || status == CLAT_ERROR_CHECK;
}

void crew_fail(struct crew *crew, enum clat_status status, const char *sentence)
{
    if (crew->status == CLAT_OK) {
        crew->status = status;
        snprintf(crew->sentence, sizeof crew->sentence, "%s", sentence);
    }
    crew->stops = true;
    pthread_cond_broadcast(&crew->changed);
}

void finished_free(struct finished *finished)
{
    free(finished->rgb);
    free(finished->latents);
    *finished = (struct finished){NULL, NULL};
}

/* ---- images --------------------------------------------------------------------------------- */

/* Those that are not wanted count as made, and as handed out. */
static void pass_unwanted(struct crew *crew)
{
    while (crew->handed_out < crew->job->images && !run_wants(crew->job, crew->handed_out))
        crew->handed_out++;
}

static void leave_unwanted(struct crew *crew)
{
    for (int i = 0; i < crew->job->images; i++)
        if (run_wants(crew->job, i))
            crew->wanted++;
        else
            crew->portions.states[i] = IMAGE_MADE;
    pass_unwanted(crew);
}

/* By the caller's thread. */
static enum clat_status hand_out(struct crew *crew, int index)
{
    const struct run *job = crew->job;
    struct finished *made = &crew->finished[index];
    enum clat_status status = CLAT_OK;
    if (job->events->image)
        status = job->events->image(job->events->user, index, job->seeds[index],
            task_item(job->model, job->job, index / job->job->batch_size), job->height, job->width,
            made->rgb, job->channels, job->h, job->w, made->latents);
    finished_free(made);
    pthread_mutex_lock(&crew->lock);
    bool all_sampled = crew->told == crew->steps_each;
    pthread_mutex_unlock(&crew->lock);
    if (all_sampled)
        run_phase(crew->job, PHASE_DECODE, index + 1, job->images);
    return status;
}

/* After a failure: what is finished behind an image that is not. */
static void hand_out_rest(struct crew *crew)
{
    for (int i = crew->handed_out; i < crew->job->images; i++)
        if (crew->finished[i].rgb && crew->status != CLAT_ERROR_OUTPUT &&
            hand_out(crew, i) == CLAT_ERROR_OUTPUT)
            return;
}

/* ---- leading -------------------------------------------------------------------------------- */

/* With the lock. */
static bool can_serve(const struct crew *crew)
{
    int next = crew->handed_out;
    return crew->request ||
           (next < crew->job->images && crew->finished[next].rgb && crew->status == CLAT_OK);
}

/* With the lock: one request, or one image, if there is any. */
static bool serve(struct crew *crew)
{
    struct request *request = crew->request;
    int next = crew->handed_out;
    enum clat_status status;
    if (request) {
        pthread_mutex_unlock(&crew->lock);
        request->work(request->user);
        pthread_mutex_lock(&crew->lock);
        crew->request = NULL;
        request->done = true;
        pthread_cond_broadcast(&crew->changed);
        return true;
    }
    if (!can_serve(crew))
        return false;
    crew->handed_out++;
    pass_unwanted(crew);
    pthread_mutex_unlock(&crew->lock);
    status = hand_out(crew, next);
    pthread_mutex_lock(&crew->lock);
    if (status != CLAT_OK)
        crew_fail(crew, status, status_text());
    return true;
}

static void wait_a_little(struct crew *crew)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ASK_NANOSECONDS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&crew->changed, &crew->lock, &until);
}

static void lead(struct crew *crew)
{
    bool cancelled = false;
    pthread_mutex_lock(&crew->lock);
    for (;;) {
        if (!serve(crew) && crew->at_work == 0)
            break;
        pthread_mutex_unlock(&crew->lock);
        cancelled = cancelled || run_is_cancelled(crew->job);
        pthread_mutex_lock(&crew->lock);
        if (cancelled)
            crew_fail(crew, CLAT_CANCELLED, "stopped on request");
        if (!can_serve(crew) && crew->at_work > 0)
            wait_a_little(crew);
    }
    pthread_mutex_unlock(&crew->lock);
}

/* ---- the crew ------------------------------------------------------------------------------- */

static bool are_alike(struct device *const *devices, size_t count)
{
    const struct device_facts *first = device_facts(devices[0]);
    for (size_t i = 1; i < count; i++) {
        const struct device_facts *other = device_facts(devices[i]);
        if (strcmp(first->name, other->name) != 0 || strcmp(first->driver, other->driver) != 0)
            return false;
    }
    return true;
}

static enum clat_status crew_open(
    struct crew *crew, struct run *job, struct device *const *devices, size_t count)
{
    enum clat_status status;
    size_t images = (size_t)job->images;
    crew->job = job;
    crew->count = crew->at_work = (int)count;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->changed, NULL);
    TRY(portions_open(&crew->portions, job->images, crew->count, are_alike(devices, count)));
    leave_unwanted(crew);
    TRY(memory_new(images, sizeof *crew->finished, &crew->finished));
    TRY(memory_new(images, sizeof *crew->steps, &crew->steps));
    if (job->events->trace)
        TRY(memory_new(
            images * 3 * (size_t)job->height * (size_t)job->width, sizeof(float), &job->decoded));
out:
    return status;
}

static void crew_close(struct crew *crew)
{
    for (int i = 0; crew->finished && i < crew->job->images; i++)
        finished_free(&crew->finished[i]);
    free(crew->finished);
    free(crew->steps);
    portions_close(&crew->portions);
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}

enum clat_status crew_make_images(struct run *job, struct device *const *devices, size_t count)
{
    enum clat_status status;
    struct crew *crew = NULL;
    TRY(memory_new(1, sizeof *crew, &crew));
    TRY(crew_open(crew, job, devices, count));
    for (size_t i = 0; i < count; i++)
        member_open(crew, (int)i, devices[i]);
    for (size_t i = 0; i < count; i++)
        member_start(&crew->members[i]);
    lead(crew);
    for (size_t i = 0; i < count; i++)
        if (crew->members[i].started)
            pthread_join(crew->members[i].thread, NULL);
    hand_out_rest(crew);
    if (crew->status != CLAT_OK)
        status = status_set(crew->status, "%s", crew->sentence);
out:
    if (crew)
        crew_close(crew);
    return status;
}
