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
    struct opened *opened = NULL;
    int count;
    *result = NULL;
    TRY(memory_new(1, sizeof *opened, &opened));
    TRY(opened_resolve(context, given, opened));
    TRY(opened_build(opened));
    TRY(opened_device(context, opened));
    TRY(bench_model(opened->device, opened->model, opened->job.height, opened->job.width, RUNS,
        stages, &count));
    TRY(make_result(stages, count, result));
out:
    if (opened)
        opened_close(opened);
    free(opened);
    return status;
}
