/* clatent_bench.c - how long each network of a model takes here. SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/memory.h"
#include "clatent_internal.h"
#include "device/device.h"
#include "pipeline/bench.h"
#include "pipeline/model.h"
#include "pipeline/pipeline.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define RUNS 5 /* of each network, after one to warm up; the median counts */

/* The largest resident size so far; Linux counts it in KiB. */
static uint64_t peak_memory(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static enum clat_status make_result(
    const struct bench_stage *stages, int count, const struct clat_bench **result)
{
    enum clat_status status = CLAT_OK;
    struct arena *arena = NULL;
    struct clat_bench *made = NULL;
    struct clat_bench_stage *list;
    TRY(arena_new(sizeof *made, &arena, &made));
    TRY(arena_take(arena, BENCH_STAGES, sizeof *list, &list));
    made->stages = list;
    made->stage_count = (size_t)count;
    made->peak_memory_bytes = peak_memory();
    for (int i = 0; i < count; i++) {
        const char *name = strcmp(stages[i].name, "decoder") == 0 ? "decode" : stages[i].name;
        list[i] = (struct clat_bench_stage){
            NULL, stages[i].batch, stages[i].seconds, stages[i].flop / 1e9};
        TRY(arena_string(arena, name, &list[i].name));
    }
    *result = made;
    made = NULL;
out:
    arena_free(made);
    return status;
}

enum clat_status clat_bench(
    struct clat_context *context, struct clat_job *given, const struct clat_bench **result)
{
    enum clat_status status = CLAT_OK;
    struct bench_stage stages[BENCH_STAGES];
    struct job_values *values = NULL;
    struct job job = {0};
    struct device *device = NULL;
    struct model *model = NULL;
    char *folder = NULL;
    int count;
    *result = NULL;
    TRY(memory_new(1, sizeof *values, &values));
    TRY(context_resolve(context, &given->values, values, &folder));
    TRY(job_build(values, &job));
    TRY(model_open(folder, job.variant, &model));
    TRY(device_open(job.device, &device));
    context_log(context, "device: %s", device_facts(device)->name);
    device_on_cancel(device, context_is_cancelled, context);
    pipeline_choose_engine(device, job.gemm);
    TRY(bench_model(device, model, job.height, job.width, RUNS, stages, &count));
    TRY(make_result(stages, count, result));
out:
    device_close(device);
    model_close(model);
    job_free(&job);
    if (values)
        job_values_free(values);
    free(values);
    free(folder);
    return status;
}
