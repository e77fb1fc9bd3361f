/* autoencode.c - encode, decode, reconstruct: a model's autoencoder alone. SPDX-License-Identifier:
 * MIT
 */
#include "program/arguments.h"
#include "program/json.h"
#include "program/program.h"
#include "program/session.h"

#include <stdio.h>

/* One of the three verbs. */
struct errand {
    const char *key;    /* of the job, for the word on the command line */
    const char *output; /* if the job has none; NULL: then nothing is written */
    enum clat_status (*run)(struct clat_context *context, struct clat_job *job);
};

static enum clat_status read_job(
    const struct errand *errand, struct clat_job *job, int count, char **arguments)
{
    const char *word = NULL;
    enum clat_status status = arguments_read_job(count, arguments, job, true, errand->key, &word);
    if (status == CLAT_OK && word)
        status = report(clat_job_add(job, errand->key, word, errand->key));
    if (status == CLAT_OK && errand->output && !clat_job_get(job, "output"))
        status = report(clat_job_set(job, "output", errand->output, "the default output"));
    return status;
}

static enum clat_status run_errand(const struct errand *errand, int count, char **arguments)
{
    struct session session = {.quiet = false};
    struct clat_options options = session_options(&session);
    struct clat_context *context = NULL;
    struct clat_job *job = NULL;
    enum clat_status status = context_open_configured(&options, &context);
    if (status == CLAT_OK)
        status = report(clat_job_new(context, &job));
    if (status == CLAT_OK)
        status = read_job(errand, job, count, arguments);
    if (status == CLAT_OK) {
        session_start(&session, job);
        status = session_end(&session, errand->run(context, job));
    }
    clat_job_free(job);
    clat_close(context);
    return status;
}

enum clat_status encode_run(int count, char **arguments)
{
    static const struct errand errand = {"image", "latents.npy", clat_encode};
    return run_errand(&errand, count, arguments);
}

enum clat_status decode_run(int count, char **arguments)
{
    static const struct errand errand = {"latents", "clatent-{index:05}.png", clat_decode};
    return run_errand(&errand, count, arguments);
}

/* Equal pictures have no finite ratio, which JSON cannot say: null. */
static void print_json(const struct clat_reconstruction *result)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_begin(&json, "psnr", '[');
    for (size_t i = 0; i < result->count; i++)
        json_real(&json, NULL, result->psnr[i]);
    json_end(&json);
    json_end(&json);
}

static enum clat_status reconstruct(struct clat_context *context, struct clat_job *job)
{
    const struct clat_reconstruction *result = NULL;
    enum clat_status status = clat_reconstruct(context, job, &result);
    if (status == CLAT_OK && clat_job_get(job, "json"))
        print_json(result);
    for (size_t i = 0; status == CLAT_OK && !clat_job_get(job, "json") && i < result->count; i++)
        printf("image %zu: PSNR %.2f dB\n", i, result->psnr[i]);
    clat_free(result);
    return status;
}

enum clat_status reconstruct_run(int count, char **arguments)
{
    static const struct errand errand = {"image", NULL, reconstruct};
    return run_errand(&errand, count, arguments);
}
