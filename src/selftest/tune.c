/* tune.c - finds parameters of kernels by timing them, each result checked.
 * SPDX-License-Identifier: MIT */
#include "selftest/tune.h"
#include "base/clock.h"
#include "base/memory.h"
#include "device/fallback.h"
#include "selftest/tune_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIN 0.97            /* of the time of the op's own choice */
#define HOPELESS 1.5        /* times the best: not timed again */
#define TIMING_SECONDS 0.01 /* of one timing, which is so many calls */
#define CASE_SECONDS 0.4    /* of all timings of a candidate */
#define TIMINGS 4           /* at most, and calls of one: */
#define CALLS 200

/* One shape in work. */
struct trial_run {
    struct device *device;
    struct tuning *tuning;
    struct tune_case shape;
    struct tune_stage stage;
    struct tune_values list[TUNE_CANDIDATES];
    int count;
    float *own, *got; /* results */
    double own_seconds;
    struct tune_outcome *outcome;
};

/* ---- one candidate -------------------------------------------------------------------------- */

/* These values for its kind, and the kernel they are for instead of what else would compute it. */
static void force(struct trial_run *run, const struct tune_values *values)
{
    enum tuned kind = run->shape.kind;
    const int *chooser = case_chooser(kind);
    tuning_force(run->tuning, kind, values ? values->value : NULL);
    if (chooser)
        tuning_force(run->tuning,
            kind == TUNED_CONV_TILED || kind == TUNED_CONV_MATRIX ? TUNED_CONV : TUNED_LINEAR,
            values ? chooser : NULL);
}

static enum clat_status time_calls(struct trial_run *run, int calls, double *seconds)
{
    enum clat_status status;
    double start = clock_seconds();
    for (int i = 0; i < calls; i++)
        TRY(stage_run(&run->stage, &run->shape));
    TRY(device_finish(run->device));
    *seconds = (clock_seconds() - start) / calls;
out:
    return status;
}

/* The least time of a call. */
static enum clat_status time_least(struct trial_run *run, double best, double *least)
{
    enum clat_status status;
    double seconds, spent;
    TRY(time_calls(run, 1, least));
    double calls = *least > 0 ? ceil(TIMING_SECONDS / *least) : CALLS;
    spent = *least;
    for (int i = 0; i < TIMINGS && spent < CASE_SECONDS && *least < best * HOPELESS; i++) {
        TRY(time_calls(run, calls < CALLS ? (int)calls : CALLS, &seconds));
        *least = seconds < *least ? seconds : *least;
        spent += seconds * calls;
    }
out:
    return status;
}

/* Matrix units round their factors. */
static double limit_of(const struct trial_run *run)
{
    const struct device_facts *facts = device_facts(run->device);
    if (facts->unit.kind != UNIT_NONE)
        return facts->unit.bf16 ? 8e-3 : 2e-3;
    return facts->matrix_unit ? 2e-5 : 8e-6;
}

static double distance(const float *got, const float *want, size_t count)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)got[i] - (double)want[i];
        difference += d * d;
        size += (double)want[i] * (double)want[i];
    }
    double error = size > 0 ? sqrt(difference / size) : INFINITY;
    return isfinite(error) ? error : INFINITY;
}

/* Runs once, with y full of not-a-number before, and fetches y. */
static enum clat_status run_once(struct trial_run *run, float *y)
{
    enum clat_status status;
    memset(y, 0xFF, run->shape.size * sizeof *y);
    TRY(tensor_write(run->device, &run->stage.y, y));
    TRY(stage_load(&run->stage, &run->shape));
    TRY(stage_run(&run->stage, &run->shape));
    TRY(tensor_read(run->device, &run->stage.y, y));
out:
    return status;
}

/* The seconds of a candidate that is right; infinity for one that is not. */
static enum clat_status try_candidate(
    struct trial_run *run, int index, double best, double *seconds, double *error)
{
    enum clat_status status;
    *seconds = *error = INFINITY;
    force(run, &run->list[index]);
    TRY(run_once(run, index ? run->got : run->own));
    if (index)
        *error = distance(run->got, run->own, run->shape.size);
    else
        TRY(case_check(&run->shape, device_stores_half(run->device), run->own, error));
    if (*error <= limit_of(run) * (index ? 2 : 1))
        TRY(time_least(run, best, seconds));
out:
    stage_unload(&run->stage);
    force(run, NULL);
    return status;
}

/* ---- all candidates of a shape -------------------------------------------------------------- */

/* What no candidate of its own is to blame for. */
static bool ends_all(enum clat_status status, struct device *device)
{
    return status == CLAT_CANCELLED || device_take_trouble(device) == TROUBLE_LOST;
}

/* A failure of one candidate is counted; kernels that it could not build are not given up. */
static enum clat_status try_kindly(
    struct trial_run *run, int index, double best, double *seconds, double *error)
{
    unsigned refused = device_facts(run->device)->refused;
    enum clat_status status = try_candidate(run, index, best, seconds, error);
    bool ends = ends_all(status, run->device);
    if (status != CLAT_OK && !ends && index) {
        fallback_forget(run->device, refused);
        status = CLAT_OK;
    }
    run->outcome->candidates++;
    run->outcome->failed += !isfinite(*seconds);
    return status;
}

static void take_values(struct trial_run *run, int index, double seconds, double error)
{
    struct tuning_row *row = &run->outcome->row;
    memcpy(row->values, run->list[index].value, sizeof row->values);
    row->microseconds = seconds * 1e6;
    row->rule = run->own_seconds * 1e6;
    run->outcome->error = error;
}

/* The winner and the op's own choice in turns: a clock that was disturbed once decides nothing. */
static enum clat_status meet_again(struct trial_run *run, int winner, double error)
{
    enum clat_status status = CLAT_OK;
    double seconds[2] = {INFINITY, INFINITY}, one, ignored;
    for (int i = 0; i < 4; i++) {
        TRY(try_candidate(run, i % 2 ? winner : 0, INFINITY, &one, &ignored));
        seconds[i % 2] = one < seconds[i % 2] ? one : seconds[i % 2];
    }
    run->own_seconds = seconds[0];
    if (seconds[1] < seconds[0] * WIN)
        take_values(run, winner, seconds[1], error);
    else
        take_values(run, 0, seconds[0], 0);
out:
    return status;
}

static enum clat_status try_all(struct trial_run *run)
{
    enum clat_status status;
    double seconds, error, best_error = 0, best;
    int winner = 0;
    TRY(try_kindly(run, 0, INFINITY, &best, &error));
    if (!isfinite(best))
        FAIL(CLAT_ERROR_CHECK, "wrong results: %.1e from plain C", error);
    run->own_seconds = best;
    for (int i = 1; i < run->count; i++) {
        TRY(try_kindly(run, i, best, &seconds, &error));
        if (seconds < best) {
            best = seconds;
            best_error = error;
            winner = i;
        }
    }
    if (winner)
        TRY(meet_again(run, winner, best_error));
    else
        take_values(run, 0, best, 0);
out:
    return status;
}

/* The largest pool that a candidate wants. */
static enum clat_status measure(struct trial_run *run, size_t *pool)
{
    enum clat_status status;
    struct device *dry = NULL;
    struct tune_stage stage = {0};
    TRY(device_open_dry(device_facts(run->device), &dry));
    device_store_half(dry, device_stores_half(run->device));
    TRY(stage_open(&stage, &run->shape, dry, 0));
    for (int i = 0; i < run->count; i++) {
        force(run, &run->list[i]);
        TRY(stage_load(&stage, &run->shape));
        TRY(stage_run(&stage, &run->shape));
        stage_unload(&stage);
    }
    *pool = stage.pool.peak;
out:
    force(run, NULL);
    stage_close(&stage);
    device_close(dry);
    return status;
}

static enum clat_status run_shape(struct trial_run *run, const struct tuning_question *question)
{
    enum clat_status status;
    size_t pool = 0;
    TRY(case_make(&run->shape, question));
    run->count = case_candidates(&run->shape, run->device, run->list);
    TRY(memory_new(run->shape.size, sizeof *run->own, &run->own));
    TRY(memory_new(run->shape.size, sizeof *run->got, &run->got));
    TRY(measure(run, &pool));
    TRY(stage_open(&run->stage, &run->shape, run->device, pool));
    TRY(try_all(run));
out:
    stage_close(&run->stage);
    case_free(&run->shape);
    free(run->own);
    free(run->got);
    return status;
}

/* ---- all shapes ----------------------------------------------------------------------------- */

/* Names that a row can hold: up to what would end its field. */
static void copy_name(const char *from, char *to, size_t size)
{
    snprintf(to, size, "%.*s", (int)strcspn(from, "|#\n"), from);
}

static void begin_row(const struct device_facts *facts, const struct tuning_question *question,
    struct tuning_row *row)
{
    char driver[sizeof facts->platform + sizeof facts->driver + 1];
    *row = (struct tuning_row){.kind = question->kind};
    tuning_driver(facts, driver, sizeof driver);
    copy_name(facts->name, row->device, sizeof row->device);
    copy_name(driver, row->driver, sizeof row->driver);
    for (int i = 0; i < TUNING_SIDES && tuned_kinds[question->kind].sides[i]; i++)
        row->sides[i] = question->sides[i];
}

/* Tunes one shape and tells it; its row counts from now on. */
static enum clat_status tune_shape(struct device *device, const struct tuning_question *question,
    const struct tune_request *request, struct tune_outcome *outcome)
{
    enum clat_status status;
    char fault[512];
    struct tuning *tuning = device_facts(device)->tuning;
    struct trial_run run = {.device = device, .tuning = tuning, .outcome = outcome};
    begin_row(device_facts(device), question, &outcome->row);
    status = run_shape(&run, question);
    if (status == CLAT_CANCELLED || device_take_trouble(device) == TROUBLE_LOST)
        return status;
    if (status != CLAT_OK) {
        snprintf(fault, sizeof fault, "%s", status_text());
        outcome->fault = fault;
    } else {
        TRY(tuning_add(tuning, &outcome->row));
        tuning_fit(tuning, device_facts(device));
    }
    status = CLAT_OK;
    request->tell(request->user, outcome);
out:
    return status;
}

/* Kernels before what chooses among them; then most work first. */
static bool chooses(enum tuned kind)
{
    return kind == TUNED_LINEAR || kind == TUNED_CONV;
}

static int by_work(const void *a, const void *b)
{
    const struct tuning_question *x = a, *y = b;
    double work = case_work(x->kind, x->sides) * x->times;
    double other = case_work(y->kind, y->sides) * y->times;
    return (work < other) - (work > other);
}

static int by_kind(const void *a, const void *b)
{
    const struct tuning_question *x = a, *y = b;
    int order = chooses(x->kind) - chooses(y->kind);
    return order ? order : by_work(a, b);
}

/* A layer that is called with several shapes is tuned for the one with most work; one that is only
 * loaded, or whose map is not known, for none. */
static bool is_wanted(
    const struct tuning_question *question, const struct tuning_question *list, size_t count)
{
    int known = question->kind == TUNED_LINEAR ? question->sides[2] : question->sides[0];
    for (size_t i = 0; i < count && question->kind == TUNED_LINEAR; i++)
        if (list[i].kind == TUNED_LINEAR && list[i].sides[0] == question->sides[0] &&
            list[i].sides[1] == question->sides[1])
            return false;
    return known > 0;
}

/* Whether there is anything to choose from. */
static bool has_choice(struct device *device, const struct tuning_question *question)
{
    struct tune_values list[TUNE_CANDIDATES];
    struct tune_case shape;
    case_shape(&shape, question);
    return case_candidates(&shape, device, list) > 1;
}

/* The questions that are to be answered, in their order. */
static enum clat_status choose_questions(struct device *device,
    const struct tuning_question *questions, size_t count, size_t most,
    struct tuning_question **list, size_t *kept)
{
    enum clat_status status;
    struct tuning_question *all = NULL;
    *kept = 0;
    TRY(memory_new(count, sizeof **list, list));
    TRY(memory_new(count, sizeof *all, &all));
    if (count)
        memcpy(all, questions, count * sizeof *all);
    qsort(all, count, sizeof *all, by_work);
    for (size_t i = 0; i < count && (!most || *kept < most); i++) {
        if (is_wanted(&all[i], *list, *kept) && has_choice(device, &all[i]))
            (*list)[(*kept)++] = all[i];
    }
    qsort(*list, *kept, sizeof **list, by_kind);
out:
    free(all);
    return status;
}

enum clat_status tune_device(struct device *device, const struct tuning_question *questions,
    size_t count, const struct tune_request *request)
{
    enum clat_status status;
    struct tuning_question *list = NULL;
    size_t kept;
    double end = request->seconds > 0 ? clock_seconds() + request->seconds : INFINITY;
    TRY(choose_questions(device, questions, count, request->shapes, &list, &kept));
    for (size_t i = 0; i < kept && clock_seconds() < end; i++) {
        struct tune_outcome outcome = {.number = i + 1, .total = kept};
        TRY(tune_shape(device, &list[i], request, &outcome));
    }
out:
    free(list);
    return status;
}
