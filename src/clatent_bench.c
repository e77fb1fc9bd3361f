/* clatent_bench.c - how long each network of a model takes here. SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/memory.h"
#include "clatent_internal.h"
#include "device/device.h"
#include "device/peak.h"
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

static enum clat_status copy_op(
    struct arena *arena, const struct meter_row *from, struct clat_bench_op *to)
{
    enum clat_status status;
    *to = (struct clat_bench_op){.calls = from->calls,
        .seconds = from->seconds,
        .gflop = from->flop / 1e9,
        .gbyte = from->bytes / 1e9};
    TRY(arena_string(arena, from->op, &to->op));
    TRY(arena_string(arena, from->shape, &to->shape));
    TRY(arena_string(arena, from->kernel, &to->kernel));
out:
    return status;
}

static enum clat_status copy_stage(
    struct arena *arena, const struct bench_stage *from, struct clat_bench_stage *to)
{
    enum clat_status status;
    const char *name = strcmp(from->name, "decoder") == 0 ? "decode" : from->name;
    struct clat_bench_op *ops;
    *to = (struct clat_bench_stage){.batch = from->batch,
        .seconds = from->seconds,
        .gflop = from->flop / 1e9,
        .load_seconds = from->load_seconds,
        .weight_bytes = from->weights,
        .activation_bytes = from->activations,
        .op_count = from->op_count};
    TRY(arena_string(arena, name, &to->name));
    TRY(arena_take(arena, from->op_count, sizeof *ops, &ops));
    to->ops = ops;
    for (size_t i = 0; i < from->op_count; i++)
        TRY(copy_op(arena, &from->ops[i], &ops[i]));
out:
    return status;
}

static enum clat_status make_result(const struct device *device, double peak,
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
    made->peak_gflop_per_s = peak / 1e9;
    TRY(arena_string(arena, device_facts(device)->name, &made->device));
    for (int i = 0; i < count; i++)
        TRY(copy_stage(arena, &stages[i], &list[i]));
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
    int count = 0;
    double peak;
    *result = NULL;
    TRY(memory_new(1, sizeof *opened, &opened));
    TRY(opened_resolve_one(context, given, opened));
    TRY(opened_build(opened));
    TRY(opened_device(context, opened));
    TRY(peak_measure(opened->device, &peak));
    TRY(bench_model(opened->device, opened->model, opened->job.height, opened->job.width, RUNS,
        stages, &count));
    TRY(make_result(opened->device, peak, stages, count, result));
out:
    bench_free(stages, count);
    if (opened)
        opened_close(opened);
    free(opened);
    return status;
}
