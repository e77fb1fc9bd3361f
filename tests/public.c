/* public.c - the library as others see it: linked against libclatent only, with clatent.h only.
 * SPDX-License-Identifier: MIT */
#include "clatent.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void expect(int passed, const char *what)
{
    if (passed)
        return;
    failures++;
    fprintf(stderr, "public: %s: %s\n", what, clat_error());
}

static void test_job(struct clat_context *context)
{
    struct clat_job *job = NULL;
    const char *got;
    expect(clat_job_new(context, &job) == CLAT_OK, "clat_job_new");
    expect(!clat_job_get(job, "steps"), "a key that was not given is NULL");
    expect(clat_job_set(job, "steps", "20", "here") == CLAT_OK, "clat_job_set");
    got = clat_job_get(job, "num_inference_steps");
    expect(got && strcmp(got, "20") == 0, "clat_job_get by the other name");
    expect(clat_job_set(job, "steps", "many", "here") == CLAT_ERROR_USAGE, "a bad value");
    expect(strstr(clat_error(), "here: num_inference_steps") != NULL, "the sentence");
    expect(clat_generate(context, job) == CLAT_ERROR_INPUT, "a job without its model");
    expect(clat_job_read(job, "/nonexistent.yaml") == CLAT_ERROR_INPUT, "no job file");
    clat_job_free(job);
    clat_job_free(NULL);
}

static void test_lists(struct clat_context *context)
{
    const struct clat_keys *keys = NULL;
    const struct clat_model *model = NULL;
    const struct clat_image_info *info = NULL;
    const struct clat_schedulers *schedulers = NULL;
    expect(clat_keys(&keys) == CLAT_OK && keys->count > 10, "clat_keys");
    clat_free(keys);
    clat_free(NULL);
    expect(clat_inspect(context, "/nonexistent", &model) == CLAT_ERROR_INPUT && !model, "no model");
    expect(
        clat_image_info(context, "/nonexistent", &info) == CLAT_ERROR_INPUT && !info, "no image");
    expect(clat_schedulers(context, "nosuch", &schedulers) == CLAT_ERROR_NO_DEVICE && !schedulers,
        "no scheduler");
}

int main(void)
{
    struct clat_options options = {0};
    struct clat_context *context = NULL;
    expect(
        clat_open(&options, &context) == CLAT_ERROR_USAGE && !context, "struct_size is asked for");
    options.struct_size = sizeof options;
    options.data_folder = "/nonexistent";
    expect(clat_open(&options, &context) == CLAT_OK && context, "clat_open");
    if (context) {
        test_job(context);
        test_lists(context);
    }
    clat_close(context);
    clat_close(NULL);
    expect(strchr(clat_version(), '.') != NULL, "clat_version");
    return failures != 0;
}
