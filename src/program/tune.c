/* tune.c - parameters of kernels for a model, found by timing. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/json.h"
#include "program/program.h"
#include "program/session.h"
#include "program/signals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the command line says besides keys of a job. */
struct request {
    struct clat_tuning_options options;
    const char *check; /* a table to be read, and nothing else */
};

/* ---- the command line ----------------------------------------------------------------------- */

static enum clat_status set_number(const char *word, const char *value, struct request *request)
{
    char *end;
    double number = strtod(value, &end);
    bool counts = strcmp(word, "--shapes") == 0;
    if (end == value || *end || !(number > 0 && number <= 1e6) ||
        (counts && number != (double)(size_t)number))
        return complain(CLAT_ERROR_USAGE, "%s: expected a %snumber above 0, found '%.40s'", word,
            counts ? "whole " : "", value);
    if (counts)
        request->options.shapes = (size_t)number;
    else
        request->options.seconds = number;
    return CLAT_OK;
}

/* An option of this verb that takes a value; false: it is none. */
static bool takes_value(const char *word)
{
    return strcmp(word, "--seconds") == 0 || strcmp(word, "--shapes") == 0 ||
           strcmp(word, "--check") == 0;
}

/* Takes its own options out; the others are for a job. */
static enum clat_status read_request(int *count, char **arguments, struct request *request)
{
    enum clat_status status = CLAT_OK;
    int kept = 0;
    for (int i = 0; i < *count && status == CLAT_OK; i++) {
        const char *word = arguments[i];
        if (strcmp(word, "--dry-run") == 0)
            request->options.dry_run = 1;
        else if (takes_value(word) && i + 1 == *count)
            status = complain(CLAT_ERROR_USAGE, "%s needs a value", word);
        else if (strcmp(word, "--check") == 0)
            request->check = arguments[++i];
        else if (takes_value(word))
            status = set_number(word, arguments[++i], request);
        else
            arguments[kept++] = arguments[i];
    }
    *count = kept;
    return status;
}

/* ---- results -------------------------------------------------------------------------------- */

static void print_head(void)
{
    printf("%-14s %-20s %10s %10s %5s  %s\n", "kernel", "shape", "own us", "best us", "tried",
        "parameters");
}

static void print_tuned(void *user, const struct clat_tuned *tuned)
{
    struct session *session = user;
    progress_clear(&session->progress);
    if (session->json)
        return;
    if (tuned->number == 1)
        print_head();
    printf("%-14s %-20s ", tuned->kernel, tuned->shape);
    if (tuned->fault) {
        printf("%10s %10s %5d  ", "-", "-", tuned->candidates);
        print_shown(tuned->fault);
        printf("\n");
    } else
        printf("%10.0f %10.0f %5d  %s\n", tuned->own_seconds * 1e6, tuned->seconds * 1e6,
            tuned->candidates, tuned->parameters);
    fflush(stdout); /* the next one may take a while */
}

static void print_tuned_json(struct json *json, const struct clat_tuned *tuned)
{
    json_begin(json, NULL, '{');
    json_string(json, "kernel", tuned->kernel);
    json_string(json, "shape", tuned->shape);
    json_string(json, "parameters", tuned->parameters);
    json_real(json, "seconds", tuned->seconds);
    json_real(json, "own_seconds", tuned->own_seconds);
    json_real(json, "error", tuned->error);
    json_uint(json, "candidates", (uint64_t)tuned->candidates);
    json_uint(json, "failed", (uint64_t)tuned->failed);
    json_string(json, "fault", tuned->fault);
    json_end(json);
}

static void print_json(const struct clat_tuning *tuning)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_string(&json, "schema", "clatent/tune/1");
    json_string(&json, "clatent", clat_version());
    json_string(&json, "device", tuning->device);
    json_string(&json, "driver", tuning->driver);
    json_string(&json, "path", tuning->path);
    json_begin(&json, "shapes", '[');
    for (size_t i = 0; i < tuning->count; i++)
        print_tuned_json(&json, &tuning->shapes[i]);
    json_end(&json);
    json_string(&json, "table", tuning->table);
    json_end(&json);
}

/* ---- the verb ------------------------------------------------------------------------------- */

static enum clat_status check_table(struct clat_context *context, const char *path)
{
    size_t rows;
    enum clat_status status = report(clat_tuning_check(context, path, &rows));
    if (status == CLAT_OK)
        printf("%zu rows are right\n", rows);
    return status;
}

static enum clat_status tune(struct clat_context *context, struct session *session,
    const struct request *request, int count, char **arguments)
{
    const struct clat_tuning *tuning = NULL;
    struct clat_job *job = NULL;
    enum clat_status status = report(clat_job_new(context, &job));
    if (status == CLAT_OK)
        status = arguments_read_model(count, arguments, job);
    if (status == CLAT_OK) {
        session_start(session, job);
        status =
            session_end(session, clat_tune(context, job, &request->options, print_tuned, &tuning));
    }
    if (status == CLAT_OK && session->json)
        print_json(tuning);
    else if (status == CLAT_OK && !tuning->path)
        printf("%s", tuning->table);
    clat_free(tuning);
    clat_job_free(job);
    return status;
}

enum clat_status tune_run(int count, char **arguments)
{
    struct request request = {.options = {.struct_size = sizeof request.options}};
    struct session session = {.quiet = false};
    struct clat_options options = session_options(&session);
    struct clat_context *context = NULL;
    enum clat_status status = read_request(&count, arguments, &request);
    if (status == CLAT_OK)
        status = context_open_configured(&options, &context);
    if (status == CLAT_OK && request.check)
        status = check_table(context, request.check);
    else if (status == CLAT_OK)
        status = tune(context, &session, &request, count, arguments);
    clat_close(context);
    return status;
}
