/* crew.c - see crew.h. SPDX-License-Identifier: MIT
 *
 * The caller's thread leads: it hands out finished images in their order, passes on what members
 * have to say, and asks whether to stop. Members take a share, sample and decode it as a job of one
 * device does, and put the images down. One lock guards all that they share. */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "pipeline/crew.h"
#include "base/memory.h"
#include "pipeline/condition.h"
#include "pipeline/preview.h"
#include "pipeline/portions.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASK_NANOSECONDS 50000000 /* between two questions whether to stop */

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

bool crew_can_replace(enum clat_status status)
{
    return status == CLAT_ERROR_DEVICE || status == CLAT_ERROR_MEMORY ||
           status == CLAT_ERROR_NO_DEVICE || status == CLAT_ERROR_CHECK;
}

/* With the lock. */
static void fail(struct crew *crew, enum clat_status status, const char *sentence)
{
    if (crew->status == CLAT_OK) {
        crew->status = status;
        snprintf(crew->sentence, sizeof crew->sentence, "%s", sentence);
    }
    crew->stops = true;
    pthread_cond_broadcast(&crew->changed);
}

/* ---- what members say ----------------------------------------------------------------------- */

/* Has the caller's thread do something, and waits for it. Not with the lock. */
static void ask(struct crew *crew, void (*work)(void *user), void *user)
{
    struct request request = {work, user, false};
    pthread_mutex_lock(&crew->lock);
    while (crew->request)
        pthread_cond_wait(&crew->changed, &crew->lock);
    crew->request = &request;
    pthread_cond_broadcast(&crew->changed);
    while (!request.done)
        pthread_cond_wait(&crew->changed, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
}

/* The arguments of one event. */
struct saying {
    struct crew *crew;
    const char *words;
    enum pipeline_phase phase;
    int done, total;
    int rank;
    const size_t *shape;
    const float *values;
    const int32_t *ids;
    enum clat_status status;
    char sentence[2048]; /* status_text() of the caller's thread */
};

static void say_warning(void *user)
{
    struct saying *said = user;
    run_warn(said->crew->job, "%s", said->words);
}

static void say_precision(void *user)
{
    struct saying *said = user;
    const struct pipeline_events *events = said->crew->job->events;
    if (events->precision)
        events->precision(events->user, said->words);
}

static void say_phase(void *user)
{
    struct saying *said = user;
    run_phase(said->crew->job, said->phase, said->done, said->total);
}

struct preview_words {
    struct crew *crew;
    int index, nth, step, steps, h, w;
    const float *rgb;
};

static void say_preview(void *user)
{
    const struct preview_words *said = user;
    const struct run *job = said->crew->job;
    job->events->preview(job->events->user, said->index, said->nth, said->step, said->steps,
        job->seeds[said->index],
        task_item(job->model, job->job, said->index / job->job->batch_size), said->h, said->w,
        said->rgb);
}

/* All images as if they were one group. */
static void say_steps(void *user)
{
    struct saying *said = user;
    const struct run *job = said->crew->job;
    if (job->events->step)
        job->events->step(job->events->user, said->done, said->total, 0, job->images, job->images);
}

static void say_trace(void *user)
{
    struct saying *said = user;
    said->status =
        run_trace(said->crew->job, said->words, said->rank, said->shape, said->values, said->ids);
    if (said->status != CLAT_OK)
        snprintf(said->sentence, sizeof said->sentence, "%s", status_text());
}

static void on_warning(void *user, const char *sentence)
{
    struct member *member = user;
    struct saying said = {.crew = member->crew, .words = sentence};
    ask(member->crew, say_warning, &said);
}

static void on_precision(void *user, const char *precision)
{
    struct member *member = user;
    struct saying said = {.crew = member->crew, .words = precision};
    ask(member->crew, say_precision, &said);
}

static enum clat_status on_trace(void *user, const char *name, int rank, const size_t *shape,
    const float *values, const int32_t *ids)
{
    struct member *member = user;
    struct saying said = {.crew = member->crew,
        .words = name,
        .rank = rank,
        .shape = shape,
        .values = values,
        .ids = ids};
    ask(member->crew, say_trace, &said);
    return said.status == CLAT_OK ? CLAT_OK : status_set(said.status, "%s", said.sentence);
}

static void on_preview(void *user, int index, int nth, int step, int steps, uint64_t seed,
    const char *item, int h, int w, const float *rgb)
{
    struct member *member = user;
    struct preview_words said = {member->crew, index, nth, step, steps, h, w, rgb};
    (void)seed, (void)item;
    ask(member->crew, say_preview, &said);
}

/* Loading is told for one member, before the first step; decoding once all is sampled. */
static void on_phase(void *user, enum pipeline_phase phase, int done, int total)
{
    struct member *member = user;
    struct crew *crew = member->crew;
    struct saying said = {.crew = crew, .phase = phase, .done = done, .total = total};
    pthread_mutex_lock(&crew->lock);
    bool has_begun = crew->steps_done > 0, told = !has_begun && member->number == 0;
    if (phase == PHASE_SAMPLE || phase == PHASE_DECODE)
        told = false;
    if (phase == PHASE_BUILD)
        told = true;
    pthread_mutex_unlock(&crew->lock);
    if (told)
        ask(crew, say_phase, &said);
}

static void on_step(void *user, int step, int steps, int first, int count, int total)
{
    struct member *member = user;
    struct crew *crew = member->crew;
    struct saying said = {.crew = crew, .total = steps};
    (void)total;
    pthread_mutex_lock(&crew->lock);
    for (int i = first; i < first + count; i++) {
        crew->steps_done += step - crew->steps[i];
        crew->steps[i] = step;
    }
    said.done = (int)(crew->steps_done / crew->wanted);
    bool is_new = said.done > crew->told;
    crew->steps_each = steps;
    if (is_new)
        crew->told = said.done;
    pthread_mutex_unlock(&crew->lock);
    if (is_new)
        ask(crew, say_steps, &said);
}

static bool on_cancelled(void *user)
{
    const struct member *member = user;
    return member->crew->stops;
}

/* ---- images --------------------------------------------------------------------------------- */

static enum clat_status copy_floats(const float *values, size_t count, float **copy)
{
    enum clat_status status = memory_new(count, sizeof **copy, copy);
    if (status == CLAT_OK)
        memcpy(*copy, values, count * sizeof **copy);
    return status;
}

static void finished_free(struct finished *finished)
{
    free(finished->rgb);
    free(finished->latents);
    *finished = (struct finished){NULL, NULL};
}

static enum clat_status on_image(void *user, int index, uint64_t seed, const char *item, int height,
    int width, const float *rgb, int channels, int h, int w, const float *latents)
{
    struct member *member = user;
    struct crew *crew = member->crew;
    struct finished made = {NULL, NULL};
    enum clat_status status;
    (void)seed, (void)item, (void)channels, (void)h, (void)w;
    TRY(copy_floats(rgb, 3 * (size_t)height * (size_t)width, &made.rgb));
    TRY(copy_floats(latents, crew->job->elements, &made.latents));
    pthread_mutex_lock(&crew->lock);
    crew->finished[index] = made;
    crew->portions.states[index] = IMAGE_MADE;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
out:
    if (status != CLAT_OK)
        finished_free(&made);
    return status;
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

/* ---- a member ------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

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
    double begun = now();
    enum clat_status status;
    memcpy(run->latents + at, crew->job->latents + at, size * sizeof(float));
    if (!run->request.several)
        autoencoder_free(run->device, &run->decoder);
    run->sampled = run->finished = first;
    run->end = first + count;
    TRY(run_make_groups(run));
    pthread_mutex_lock(&crew->lock);
    crew->portions.members[member->number].speed = count / (now() - begun);
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
        fail(crew, status, sentence);
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

static void on_build(void *user, const char *program, int number, int total)
{
    struct member *member = user;
    (void)program;
    on_phase(member, PHASE_BUILD, number, total);
}

static void member_open(struct crew *crew, int number, struct device *device)
{
    struct member *member = &crew->members[number];
    const struct pipeline_events *told = crew->job->events;
    *member = (struct member){.crew = crew, .number = number, .run = *crew->job};
    member->events = (struct pipeline_events){.user = member,
        .phase = on_phase,
        .step = on_step,
        .cancelled = on_cancelled,
        .warn = on_warning,
        .precision = on_precision,
        .image = on_image,
        .preview = told->preview ? on_preview : NULL,
        .trace = told->trace ? on_trace : NULL};
    member->run.device = device;
    member->run.events = &member->events;
    member->run.latents = NULL;
    member->run.scheduler = NULL;
    member->run.preview = NULL;
    member->run.uses = NULL;
    member->run.rungs = (struct rungs){0};
    device_on_cancel(device, on_cancelled, member);
    device_on_warning(device, on_warning, member);
    device_on_build(device, on_build, member);
}

/* ---- the leader ----------------------------------------------------------------------------- */

/* Signals that the process gets are for the caller's thread. */
static void member_start(struct member *member)
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
        fail(crew, status, status_text());
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
            fail(crew, CLAT_CANCELLED, "stopped on request");
        if (!can_serve(crew) && crew->at_work > 0)
            wait_a_little(crew);
    }
    pthread_mutex_unlock(&crew->lock);
}

/* After a failure: what is finished behind an image that is not. */
static void hand_out_rest(struct crew *crew)
{
    for (int i = crew->handed_out; i < crew->job->images; i++)
        if (crew->finished[i].rgb && crew->status != CLAT_ERROR_OUTPUT &&
            hand_out(crew, i) == CLAT_ERROR_OUTPUT)
            return;
}

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
