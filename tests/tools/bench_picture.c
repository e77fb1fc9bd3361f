/* bench_picture.c - a whole picture, made when asked: for bench_peers.py.
 * SPDX-License-Identifier: MIT
 *
 *     bench_picture MODEL SCHEDULERS [KEY VALUE]...
 *
 * Says "ready"; each line on standard input is a number of steps and is answered with the seconds
 * that one picture takes, guided, without the time of loading weights. SCHEDULERS is the folder of
 * plugins, schedulers/.libs of a build; keys are those of a job. */
#include "clatent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Since the last event the job has been loading, or at work. */
struct watch {
    double seconds, since;
    int loading;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void watch_lap(struct watch *watch)
{
    double time = now();
    if (!watch->loading)
        watch->seconds += time - watch->since;
    watch->since = time;
}

static void progress(void *user, const struct clat_progress *progress)
{
    struct watch *watch = user;
    watch_lap(watch);
    watch->loading = strncmp(progress->phase, "loading", 7) == 0;
}

static void require(enum clat_status status)
{
    if (status == CLAT_OK)
        return;
    fprintf(stderr, "bench_picture: %s\n", clat_error());
    exit(1);
}

static void set(struct clat_job *job, const char *key, const char *value)
{
    require(clat_job_set(job, key, value, key));
}

int main(int count, char **arguments)
{
    struct watch watch;
    struct clat_options options = {
        .struct_size = sizeof options, .user = &watch, .progress = progress};
    struct clat_context *context;
    struct clat_job *job;
    char line[64];
    if (count < 3 || count % 2 != 1) {
        fputs("bench_picture MODEL SCHEDULERS [KEY VALUE]...\n", stderr);
        return 2;
    }
    char *schedulers = realpath(arguments[2], NULL); /* wanted absolute */
    options.scheduler_folder = schedulers;
    require(clat_open(&options, &context));
    require(clat_job_new(context, &job));
    set(job, "model", arguments[1]);
    set(job, "prompt", "a painting of a squirrel eating a burger");
    set(job, "guidance_scale", "6");
    set(job, "seed", "0");
    for (int i = 3; i < count; i += 2)
        set(job, arguments[i], arguments[i + 1]);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        set(job, "num_inference_steps", line);
        watch = (struct watch){0, now(), 1};
        require(clat_generate(context, job));
        watch_lap(&watch);
        printf("%.6f\n", watch.seconds);
        fflush(stdout);
    }
    clat_job_free(job);
    clat_close(context);
    free(schedulers);
    return 0;
}
