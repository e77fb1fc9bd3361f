/* bench.c - time and GFLOP/s of each network, and of each op in it. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/json.h"
#include "program/program.h"
#include "program/signals.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON: every op with every shape -------------------------------------------------------- */

/* Nothing per no time is not a number; json_real() makes it null. */
static double rate(double amount, double seconds)
{
    return seconds > 0 ? amount / seconds : NAN;
}

static void print_op_json(struct json *json, const struct clat_bench_op *op, double peak)
{
    json_begin(json, NULL, '{');
    json_string(json, "op", op->op);
    json_string(json, "shape", op->shape);
    json_string(json, "kernel", op->kernel);
    json_uint(json, "calls", (uint64_t)op->calls);
    json_real(json, "seconds", op->seconds);
    json_real(json, "gflop", op->gflop);
    json_real(json, "gbyte", op->gbyte);
    json_real(json, "gflop_per_s", rate(op->gflop, op->seconds));
    json_real(json, "gbyte_per_s", rate(op->gbyte, op->seconds));
    json_real(json, "percent_of_peak", 100 * rate(op->gflop, op->seconds) / peak);
    json_end(json);
}

static void print_stage_json(struct json *json, const struct clat_bench_stage *stage, double peak)
{
    json_begin(json, NULL, '{');
    json_string(json, "name", stage->name);
    json_uint(json, "batch", (uint64_t)stage->batch);
    json_real(json, "seconds", stage->seconds);
    json_real(json, "gflop", stage->gflop);
    json_real(json, "gflop_per_s", stage->gflop / stage->seconds);
    json_real(json, "percent_of_peak", 100 * stage->gflop / stage->seconds / peak);
    json_real(json, "load_seconds", stage->load_seconds);
    json_uint(json, "weight_bytes", stage->weight_bytes);
    json_uint(json, "activation_bytes", stage->activation_bytes);
    json_begin(json, "ops", '[');
    for (size_t i = 0; i < stage->op_count; i++)
        print_op_json(json, &stage->ops[i], peak);
    json_end(json);
    json_end(json);
}

static void print_json(const struct clat_bench *bench)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_string(&json, "schema", "clatent/bench/1");
    json_string(&json, "device", bench->device);
    json_real(&json, "peak_gflop_per_s", bench->peak_gflop_per_s);
    json_begin(&json, "stages", '[');
    for (size_t i = 0; i < bench->stage_count; i++)
        print_stage_json(&json, &bench->stages[i], bench->peak_gflop_per_s);
    json_end(&json);
    json_uint(&json, "peak_memory_bytes", bench->peak_memory_bytes);
    json_end(&json);
}

/* ---- text: every op with every kernel ------------------------------------------------------- */

static int by_seconds(const void *a, const void *b)
{
    double x = ((const struct clat_bench_op *)a)->seconds;
    double y = ((const struct clat_bench_op *)b)->seconds;
    return (x < y) - (x > y);
}

/* Adds an op to the line of its name and kernel. */
static void add_line(struct clat_bench_op *lines, size_t *count, const struct clat_bench_op *op)
{
    size_t i = 0;
    while (i < *count && (strcmp(lines[i].op, op->op) != 0 || strcmp(lines[i].kernel, op->kernel)))
        i++;
    if (i == *count) {
        lines[(*count)++] = *op;
        return;
    }
    lines[i].calls += op->calls;
    lines[i].seconds += op->seconds;
    lines[i].gflop += op->gflop;
    lines[i].gbyte += op->gbyte;
}

/* A rate, `-` if there is none. */
static void print_rate(double value, double seconds, int width)
{
    if (value > 0 && seconds > 0)
        printf(" %*.1f", width, value / seconds);
    else
        printf(" %*s", width, "-");
}

static void print_lines(const struct clat_bench_op *lines, size_t count, double peak)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += lines[i].seconds;
    for (size_t i = 0; i < count; i++) {
        const struct clat_bench_op *line = &lines[i];
        printf("%-20s %5d %9.5f %5.1f", line->op, line->calls, line->seconds,
            sum > 0 ? 100 * line->seconds / sum : 0);
        print_rate(line->gflop, line->seconds, 9);
        print_rate(line->gbyte, line->seconds, 7);
        print_rate(100 * line->gflop / peak, line->seconds, 6);
        printf("  %s\n", line->kernel);
    }
    printf("%-20s %5s %9.5f\n", "all", "", sum);
}

static void print_ops(const struct clat_bench_stage *stage, double peak)
{
    size_t count = 0;
    struct clat_bench_op *lines = malloc((stage->op_count + 1) * sizeof *lines);
    if (!lines)
        return;
    for (size_t i = 0; i < stage->op_count; i++)
        add_line(lines, &count, &stage->ops[i]);
    qsort(lines, count, sizeof *lines, by_seconds);
    printf("\n%-20s %5s %9s %5s %9s %7s %6s  %s\n", stage->name, "calls", "seconds", "%", "GFLOP/s",
        "GB/s", "% peak", "kernel");
    print_lines(lines, count, peak);
    free(lines);
}

static void print_text(const struct clat_bench *bench)
{
    double peak = bench->peak_gflop_per_s;
    print_shown(bench->device);
    printf(", %.0f GFLOP/s of multiply-adds in registers\n", peak);
    printf("%-14s %5s %12s %12s %10s %7s\n", "stage", "batch", "seconds", "GFLOP", "GFLOP/s",
        "% peak");
    for (size_t i = 0; i < bench->stage_count; i++) {
        const struct clat_bench_stage *stage = &bench->stages[i];
        printf("%-14s %5d %12.5f %12.4f %10.1f %7.1f\n", stage->name, stage->batch, stage->seconds,
            stage->gflop, stage->gflop / stage->seconds,
            100 * stage->gflop / stage->seconds / peak);
    }
    printf("peak memory of the process: %.1f MiB\n", (double)bench->peak_memory_bytes / (1 << 20));
    for (size_t i = 0; i < bench->stage_count; i++)
        print_ops(&bench->stages[i], peak);
}

enum clat_status bench_run(int count, char **arguments)
{
    struct clat_options options = {.cancelled = signals_stop};
    struct clat_context *context = NULL;
    struct clat_job *job = NULL;
    const struct clat_bench *bench = NULL;
    enum clat_status status = context_open_configured(&options, &context);
    if (status == CLAT_OK)
        status = report(clat_job_new(context, &job));
    if (status == CLAT_OK)
        status = arguments_read_model(count, arguments, job);
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
