/* first_use.c - kernels are tried before a job relies on them. SPDX-License-Identifier: MIT
 *
 * One call launches kernels of several files. A file is sound if any call that launches it comes
 * out right; so of a wrong call those files are to blame that are not sound, or if all are, each.
 */
#include "selftest/first_use.h"
#include "base/memory.h"
#include "device/fallback.h"
#include "device/verdict.h"
#include "ops/gemm.h"
#include "selftest/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORK 2e6 /* multiply-adds of a reference: a few milliseconds */

typedef enum clat_status check_function(struct trial *trial, const void *call);

static const struct {
    const char *op;
    check_function *check;
} checks[] = {
    {"linear", selftest_linear_call},
    {"conv 3x3", selftest_conv_call},
    {"attention", selftest_attention_call},
    {"group norm", selftest_group_norm_call},
    {"group norm, apply", selftest_apply_call},
    {"layer norm", selftest_layer_norm_call},
};

static check_function *find_check(const char *op)
{
    for (size_t i = 0; op && i < sizeof checks / sizeof *checks; i++)
        if (strcmp(checks[i].op, op) == 0)
            return checks[i].check;
    return NULL;
}

/* One call, tried. */
struct attempt {
    struct op_call call;
    struct kernel_use *uses; /* all kernels that it launches */
    size_t count;
    bool passed, skipped;
    double error, limit;         /* of the check that is farthest off */
    char shape[128], fault[512]; /* why it could not run; "": it ran */
};

struct attempts {
    struct device *device;
    struct attempt *items;
    size_t count, room;
};

/* ---- one call ------------------------------------------------------------------------------- */

static void judge(void *user, const struct selftest_check *check)
{
    struct attempt *attempt = user;
    attempt->passed = attempt->passed && check->passed;
    if (check->fault)
        snprintf(attempt->fault, sizeof attempt->fault, "%s", check->fault);
    if (check->error / check->limit < attempt->error / attempt->limit)
        return;
    attempt->error = check->error;
    attempt->limit = check->limit;
    snprintf(attempt->shape, sizeof attempt->shape, "%s", check->shape);
}

static void use_units(struct device *device, enum matrix_unit matrix_unit, struct group_unit unit)
{
    device_force_matrix_unit(device, matrix_unit);
    device_force_unit(device, unit);
}

/* Runs it on a device, with memory of `size`; *peak is what it took. */
static enum clat_status run_call(
    struct device *device, struct attempt *attempt, size_t size, size_t *peak)
{
    enum clat_status status;
    struct trial trial = {
        .device = device, .form = "first use", .work = WORK, .tell = judge, .user = attempt};
    const struct device_facts *facts = device_facts(device);
    bool half = device_stores_half(device);
    enum matrix_unit matrix_unit = facts->matrix_unit;
    struct group_unit unit = facts->unit;
    attempt->passed = true;
    attempt->error = 0;
    attempt->limit = 1;
    device_store_half(device, attempt->call.half);
    if (!attempt->call.units)
        use_units(device, MATRIX_UNIT_NONE, (struct group_unit){0});
    TRY(pool_open(device, size, &trial.pool));
    TRY(trial_case(&trial, find_check(attempt->call.op), &attempt->call));
    *peak = trial.pool.peak;
out:
    pool_close(&trial.pool);
    device_store_half(device, half);
    use_units(device, matrix_unit, unit);
    return status;
}

/* On a dry device: the memory that it takes, and its kernels. */
static enum clat_status measure(
    const struct device_facts *facts, struct attempt *attempt, size_t *peak)
{
    enum clat_status status;
    struct device *dry = NULL;
    TRY(device_open_dry(facts, &dry));
    TRY(run_call(dry, attempt, 0, peak));
    TRY(device_uses(dry, &attempt->uses, &attempt->count));
out:
    device_close(dry);
    return status;
}

/* What a call ended with that could not run: nothing if other kernels will take its place, or if
 * memory was short, as the job itself will see. */
static enum clat_status explain(
    struct device *device, unsigned refused, enum clat_status status, struct attempt *attempt)
{
    if (device_trouble(device) == TROUBLE_LOST)
        return status_set(CLAT_ERROR_DEVICE, "%s", attempt->fault);
    if (status == CLAT_OK && attempt->fault[0] && device_facts(device)->refused == refused)
        return status_set(CLAT_ERROR_DEVICE, "%s", attempt->fault);
    device_take_trouble(device);
    attempt->skipped = status == CLAT_ERROR_MEMORY;
    return attempt->skipped ? CLAT_OK : status;
}

static enum clat_status try_call(struct device *device, struct attempt *attempt)
{
    enum clat_status status;
    enum gemm_engine engine = gemm_engine_of(device);
    unsigned refused = device_facts(device)->refused;
    double work = device_work(device);
    size_t peak;
    TRY(measure(device_facts(device), attempt, &peak));
    attempt->fault[0] = '\0';
    if (engine == GEMM_CLBLAST)
        gemm_set_engine(device, GEMM_OWN);
    status = run_call(device, attempt, peak, &peak);
    gemm_set_engine(device, engine);
    device_count_work(device, work - device_work(device));
    TRY(explain(device, refused, status, attempt));
out:
    return status;
}

/* ---- all that is unknown -------------------------------------------------------------------- */

static struct attempt *find_attempt(const struct attempts *all, const struct op_call *call)
{
    for (size_t i = 0; i < all->count; i++)
        if (op_call_equals(&all->items[i].call, call))
            return &all->items[i];
    return NULL;
}

static enum clat_status add_attempts(
    struct attempts *all, const struct kernel_use *uses, size_t count)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < count; i++) {
        const struct op_call *call = &uses[i].call;
        if (!find_check(call->op) || verdict_is_right(all->device, &uses[i]) ||
            find_attempt(all, call))
            continue;
        TRY(memory_grow(&all->items, &all->room, all->count, sizeof *all->items));
        all->items[all->count++] = (struct attempt){.call = *call};
    }
out:
    return status;
}

static void note_right(const struct attempts *all)
{
    for (size_t i = 0; i < all->count; i++)
        for (size_t j = 0;
             all->items[i].passed && !all->items[i].skipped && j < all->items[i].count; j++)
            verdict_note_right(all->device, &all->items[i].uses[j]);
    verdicts_keep(all->device);
}

/* ---- who is to blame ------------------------------------------------------------------------ */

static bool launches(const struct attempt *attempt, const char *file)
{
    for (size_t i = 0; i < attempt->count; i++)
        if (strcmp(attempt->uses[i].file, file) == 0)
            return true;
    return false;
}

static bool is_sound(const struct attempts *all, const char *file)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].passed && !all->items[i].skipped && launches(&all->items[i], file))
            return true;
    return false;
}

static void describe(const struct attempts *all, const struct attempt *attempt, const char *file)
{
    status_set(CLAT_ERROR_CHECK,
        "kernels of cl/%s.cl compute wrong on '%s': %s, %s, is off by %.1e where %.0e is allowed",
        file, device_facts(all->device)->name, attempt->call.op, attempt->shape, attempt->error,
        attempt->limit);
}

/* Fallbacks for the files of a wrong call that are unsound, or for all; how many it took. */
static int take_fallbacks(const struct attempts *all, const struct attempt *wrong, bool unsound)
{
    const struct device_facts *facts = device_facts(all->device);
    int taken = 0;
    for (size_t i = 0; i < wrong->count; i++) {
        const char *file = wrong->uses[i].file;
        if (!fallback_exists(file) || fallback_is_taken(facts, file) ||
            (unsound && is_sound(all, file)))
            continue;
        describe(all, wrong, file);
        fallback_take(all->device, file);
        taken++;
    }
    return taken;
}

/* True if a file of the call was given up since the call was made. */
static bool is_settled(const struct attempts *all, const struct attempt *wrong)
{
    for (size_t i = 0; i < wrong->count; i++)
        if (fallback_is_taken(device_facts(all->device), wrong->uses[i].file))
            return true;
    return false;
}

static enum clat_status replace_wrong(const struct attempts *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct attempt *wrong = &all->items[i];
        if (wrong->passed || wrong->skipped || is_settled(all, wrong) ||
            take_fallbacks(all, wrong, true) || take_fallbacks(all, wrong, false))
            continue;
        describe(all, wrong, wrong->count ? wrong->uses[0].file : "?");
        return status_prefix(CLAT_ERROR_CHECK, "there are no other kernels in place of wrong ones");
    }
    return CLAT_OK;
}

enum clat_status first_use_check(struct device *device, const struct kernel_use *uses, size_t count)
{
    enum clat_status status;
    struct attempts all = {.device = device};
    TRY(add_attempts(&all, uses, count));
    for (size_t i = 0; i < all.count; i++)
        TRY(try_call(device, &all.items[i]));
    note_right(&all);
    TRY(replace_wrong(&all));
out:
    for (size_t i = 0; i < all.count; i++)
        free(all.items[i].uses);
    free(all.items);
    return status;
}
