/* session.c - words, progress and results of a job. SPDX-License-Identifier: MIT */
#include "program/session.h"
#include "program/json.h"
#include "program/program.h"
#include "program/signals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_true(struct clat_job *job, const char *key)
{
    const char *text = clat_job_get(job, key);
    return text && (text[0] == 't' || text[0] == 'T');
}

static void log_words(void *user, const char *message)
{
    struct session *session = user;
    if (session->quiet)
        return;
    progress_clear(&session->progress);
    const char *text = shown(message);
    fprintf(stderr, "clatent: %s\n", text);
    clat_free(text);
}

static void show_progress(void *user, const struct clat_progress *now)
{
    struct session *session = user;
    progress_show(&session->progress, now);
}

static void print_json(const struct clat_image *image, double seconds)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_string(&json, "path", image->path);
    json_uint(&json, "index", (uint64_t)image->index);
    json_uint(&json, "seed", image->seed);
    json_string(&json, "prompt", image->prompt);
    json_uint(&json, "width", (uint64_t)image->width);
    json_uint(&json, "height", (uint64_t)image->height);
    json_real(&json, "seconds", seconds);
    json_end(&json);
}

static enum clat_status write_stream(struct session *session, const struct clat_image *image)
{
    errno = 0;
    size_t written = fwrite(image->file, 1, image->file_size, stdout);
    if (written == image->file_size && fflush(stdout) == 0)
        return CLAT_OK;
    if (errno != EPIPE)
        complain(CLAT_OK, "cannot write to standard output: %s", strerror(errno));
    session->told = true;
    return CLAT_ERROR_OUTPUT;
}

static enum clat_status finished(void *user, const struct clat_image *image)
{
    struct session *session = user;
    double now = progress_clock(), seconds = now - session->started;
    session->started = now;
    progress_clear(&session->progress);
    if (image->file)
        return write_stream(session, image);
    if (session->json) {
        print_json(image, seconds);
        fflush(stdout);
    } else if (!session->quiet && image->path) {
        const char *path = shown(image->path);
        fprintf(stderr, "clatent: %s (seed %llu, %.2f s)\n", path, (unsigned long long)image->seed,
            seconds);
        clat_free(path);
    }
    return CLAT_OK;
}

static void show_preview(void *user, const struct clat_preview *preview)
{
    struct session *session = user;
    progress_picture(&session->progress, preview);
}

struct clat_options session_options(struct session *session)
{
    return (struct clat_options){.user = session,
        .log = log_words,
        .progress = show_progress,
        .cancelled = signals_stop,
        .image = finished,
        .preview = show_preview};
}

void session_start(struct session *session, struct clat_job *job)
{
    session->quiet = is_true(job, "quiet");
    session->json = is_true(job, "json");
    progress_start(&session->progress, session->quiet ? "none" : clat_job_get(job, "progress"));
    session->started = progress_clock();
}

enum clat_status session_end(struct session *session, enum clat_status status)
{
    progress_clear(&session->progress);
    if (status == CLAT_CANCELLED && !session->quiet)
        complain(status, "stopped");
    return session->told ? status : report(status);
}
