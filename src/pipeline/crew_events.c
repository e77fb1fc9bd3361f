/* crew_events.c - what the members of a crew say. SPDX-License-Identifier: MIT
 *
 * A member's events come from its own thread; those of the job are promised to come from the
 * caller's. So the arguments wait in a struct until that thread has passed them on. Steps are added
 * up and told once all images have them; loading is told for one member; images are put down, for
 * the leader to hand out in their order. */
#include "base/memory.h"
#include "pipeline/condition.h"
#include "pipeline/crew_shared.h"

#include <stdlib.h>
#include <string.h>

/* ---- through the caller's thread ------------------------------------------------------------ */

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

/* ---- the events of a member ----------------------------------------------------------------- */

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

static void on_build(void *user, const char *program, int number, int total)
{
    struct member *member = user;
    (void)program;
    on_phase(member, PHASE_BUILD, number, total);
}

static enum clat_status copy_floats(const float *values, size_t count, float **copy)
{
    enum clat_status status = memory_new(count, sizeof **copy, copy);
    if (status == CLAT_OK)
        memcpy(*copy, values, count * sizeof **copy);
    return status;
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

void member_connect(struct member *member)
{
    struct device *device = member->run.device;
    const struct pipeline_events *told = member->crew->job->events;
    member->events = (struct pipeline_events){.user = member,
        .phase = on_phase,
        .step = on_step,
        .cancelled = on_cancelled,
        .warn = on_warning,
        .precision = on_precision,
        .image = on_image,
        .preview = told->preview ? on_preview : NULL,
        .trace = told->trace ? on_trace : NULL};
    device_on_cancel(device, on_cancelled, member);
    device_on_warning(device, on_warning, member);
    device_on_build(device, on_build, member);
}
