/* generate.c - make images. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/json.h"
#include "program/program.h"
#include "program/progress.h"
#include "program/signals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct session {
    struct progress progress;
    bool quiet, json;
    bool told;      /* a failure of a callback, which has said why */
    double started; /* or when the last image was finished */
};

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

/* The file first, so that options can override it. */
static enum clat_status read_job(struct clat_job *job, int count, char **arguments)
{
    const char *file = NULL, *ignored = NULL;
    enum clat_status status = arguments_read_job(count, arguments, job, false, "job file", &file);
    if (status == CLAT_OK && file)
        status = report(clat_job_read(job, file));
    if (status == CLAT_OK)
        status = arguments_read_job(count, arguments, job, true, "job file", &ignored);
    return status;
}

static enum clat_status settle_output(struct clat_job *job)
{
    const char *output = clat_job_get(job, "output");
    if (!output)
        return report(
            clat_job_set(job, "output", "clatent-{index:05}-{seed}.png", "the default output"));
    if (strcmp(output, "-") == 0 && isatty(STDOUT_FILENO))
        return complain(
            CLAT_ERROR_USAGE, "--output: - would write an image to the terminal; redirect it");
    if (strcmp(output, "-") == 0 && is_true(job, "json"))
        return complain(CLAT_ERROR_USAGE, "--json and --output - both want standard output");
    return CLAT_OK;
}

static enum clat_status generate(
    struct session *session, struct clat_context *context, struct clat_job *job)
{
    session->quiet = is_true(job, "quiet");
    session->json = is_true(job, "json");
    progress_start(&session->progress, session->quiet ? "none" : clat_job_get(job, "progress"));
    session->started = progress_clock();
    enum clat_status status = clat_generate(context, job);
    progress_clear(&session->progress);
    if (status == CLAT_CANCELLED && !session->quiet)
        complain(status, "stopped");
    return session->told ? status : report(status);
}

enum clat_status generate_run(int count, char **arguments)
{
    struct session session = {.quiet = false};
    struct clat_options options = {.user = &session,
        .log = log_words,
        .progress = show_progress,
        .cancelled = signals_stop,
        .image = finished};
    struct clat_context *context = NULL;
    struct clat_job *job = NULL;
    enum clat_status status = context_open(&options, &context);
    if (status == CLAT_OK)
        status = report(clat_job_new(context, &job));
    if (status == CLAT_OK)
        status = read_job(job, count, arguments);
    if (status == CLAT_OK)
        status = settle_output(job);
    if (status == CLAT_OK)
        status = generate(&session, context, job);
    clat_job_free(job);
    clat_close(context);
    return status;
}
