/* generate.c - make images. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/program.h"
#include "program/session.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder, a checkpoint, a name in the hub cache or a bare one that is no file; everything else is
 * a job file. */
static bool is_model(const char *word)
{
    static const char *const endings[] = {".ckpt", ".safetensors", ".pt", ".pth", ".bin"};
    struct stat facts;
    size_t size = strlen(word);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (size > strlen(endings[i]) && strcmp(word + size - strlen(endings[i]), endings[i]) == 0)
            return true;
    if (strncmp(word, "hf:", 3) == 0)
        return true;
    return stat(word, &facts) == 0 ? S_ISDIR(facts.st_mode) : !strpbrk(word, "/.");
}

/* A picture in the place of a job is meant as the input of one. */
static bool is_picture(const char *word)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".JPG", ".webp"};
    size_t size = strlen(word);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (size > strlen(endings[i]) && strcmp(word + size - strlen(endings[i]), endings[i]) == 0)
            return true;
    return false;
}

/* The model or job file first, so that options can override it. */
static enum clat_status read_job(struct clat_job *job, int count, char **arguments)
{
    static const char what[] = "model or job file";
    const char *word = NULL, *ignored = NULL;
    enum clat_status status = arguments_read_job(count, arguments, job, false, what, &word);
    if (status == CLAT_OK && word && is_picture(word))
        return complain(CLAT_ERROR_USAGE,
            "a picture is the input of a job: --image, with a --model that takes one (clatent "
            "inspect MODEL tells)");
    if (status == CLAT_OK && word)
        status = report(is_model(word) ? clat_job_set(job, "model", word, "the model")
                                       : clat_job_read(job, word));
    if (status == CLAT_OK)
        status = arguments_read_job(count, arguments, job, true, what, &ignored);
    return status;
}

/* Previews go into a file too. */
static enum clat_status settle_preview(struct clat_job *job)
{
    const char *steps = clat_job_get(job, "preview");
    if (!steps || strcmp(steps, "0") == 0 || clat_job_get(job, "preview_output"))
        return CLAT_OK;
    return report(clat_job_set(
        job, "preview_output", "clatent-preview-{index:05}.png", "the default preview"));
}

static enum clat_status settle_output(struct clat_job *job)
{
    enum clat_status status = report(
        clat_job_default(job, "output", "clatent-{index:05}-{seed}.png", "the default output"));
    const char *output = clat_job_get(job, "output");
    if (status != CLAT_OK || !output)
        return status;
    if (strcmp(output, "-") == 0 && isatty(STDOUT_FILENO))
        return complain(
            CLAT_ERROR_USAGE, "--output: - would write an image to the terminal; redirect it");
    if (strcmp(output, "-") == 0 && clat_job_get(job, "json"))
        return complain(CLAT_ERROR_USAGE, "--json and --output - both want standard output");
    return CLAT_OK;
}

enum clat_status generate_run(int count, char **arguments)
{
    struct session session = {.quiet = false};
    struct clat_options options = session_options(&session);
    struct clat_context *context = NULL;
    struct clat_job *job = NULL;
    enum clat_status status = context_open_configured(&options, &context);
    if (status == CLAT_OK)
        status = report(clat_job_new(context, &job));
    if (status == CLAT_OK)
        status = read_job(job, count, arguments);
    if (status == CLAT_OK)
        status = settle_output(job);
    if (status == CLAT_OK)
        status = settle_preview(job);
    if (status == CLAT_OK) {
        session_start(&session, job);
        status = session_end(&session, clat_generate(context, job));
    }
    clat_job_free(job);
    clat_close(context);
    return status;
}
