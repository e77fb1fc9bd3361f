/* bench.c - time and GFLOP/s of each network. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/json.h"
#include "program/program.h"
#include "program/signals.h"

#include <stdio.h>

static void print_json(const struct clat_bench *bench)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_begin(&json, "stages", '[');
    for (size_t i = 0; i < bench->stage_count; i++) {
        const struct clat_bench_stage *stage = &bench->stages[i];
        json_begin(&json, NULL, '{');
        json_string(&json, "name", stage->name);
        json_uint(&json, "batch", (uint64_t)stage->batch);
        json_real(&json, "seconds", stage->seconds);
        json_real(&json, "gflop", stage->gflop);
        json_real(&json, "gflop_per_s", stage->gflop / stage->seconds);
        json_end(&json);
    }
    json_end(&json);
    json_uint(&json, "peak_memory_bytes", bench->peak_memory_bytes);
    json_end(&json);
}

static void print_text(const struct clat_bench *bench)
{
    printf("%-14s %5s %12s %12s %10s\n", "stage", "batch", "seconds", "GFLOP", "GFLOP/s");
    for (size_t i = 0; i < bench->stage_count; i++) {
        const struct clat_bench_stage *stage = &bench->stages[i];
        printf("%-14s %5d %12.5f %12.4f %10.1f\n", stage->name, stage->batch, stage->seconds,
            stage->gflop, stage->gflop / stage->seconds);
    }
    printf("peak memory of the process: %.1f MiB\n", (double)bench->peak_memory_bytes / (1 << 20));
}

static enum clat_status read_job(struct clat_job *job, int count, char **arguments)
{
    const char *model = NULL;
    enum clat_status status = arguments_read_job(count, arguments, job, true, "model", &model);
    if (status == CLAT_OK && model)
        status = report(clat_job_set(job, "model", model, "model"));
    return status;
}

enum clat_status bench_run(int count, char **arguments)
{
    struct clat_options options = {.cancelled = signals_stop};
    struct clat_context *context = NULL;
    struct clat_job *job = NULL;
    const struct clat_bench *bench = NULL;
    enum clat_status status = context_open(&options, &context);
    if (status == CLAT_OK)
        status = report(clat_job_new(context, &job));
    if (status == CLAT_OK)
        status = read_job(job, count, arguments);
    if (status == CLAT_OK)
        status = report(clat_bench(context, job, &bench));
    if (status == CLAT_OK && clat_job_get(job, "json"))
        print_json(bench);
    else if (status == CLAT_OK)
        print_text(bench);
    clat_free(bench);
    clat_job_free(job);
    clat_close(context);
    return status;
}
