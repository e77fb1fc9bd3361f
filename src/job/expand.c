/* expand.c - jobs into runs. SPDX-License-Identifier: MIT
 *
 * Prompts and axes become units, units share bundles (expand_unit.h), and bundles become runs,
 * those with the same networks one behind the other. */
#include "job/expand_unit.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool job_expands(const struct job_values *values)
{
    return first_of(values, "sweep") || first_of(values, "prompt_file");
}

/* ---- runs ----------------------------------------------------------------------------------- */

static bool all_same(const struct bundle *bundle)
{
    for (size_t i = 1; i < bundle->count; i++) {
        const struct unit *a = &bundle->units[i], *b = &bundle->units[0];
        if ((a->prompt && strcmp(a->prompt, b->prompt) != 0) ||
            (a->class && strcmp(a->class, b->class) != 0))
            return false;
    }
    return true;
}

/* Lists of prompts, classes and seeds, where there is more than one unit; the same prompt for all
 * stays one, with a batch. */
static enum clat_status fill_lists(const struct bundle *bundle, struct job_values *values)
{
    enum clat_status status = CLAT_OK;
    static const char where[] = "units of a job";
    char count[32];
    bool same = all_same(bundle);
    if (bundle->count == 1)
        return CLAT_OK;
    value_clear(values, "seed");
    snprintf(count, sizeof count, "%zu", bundle->count);
    if (same)
        TRY(job_values_set(values, "batch_size", count, where, false));
    else
        value_clear(values, "prompt"), value_clear(values, "class");
    for (size_t i = 0; i < bundle->count; i++) {
        const struct unit *unit = &bundle->units[i];
        TRY(job_value_add(values, job_key_find("seed"), unit->seed, where));
        if (!same && unit->prompt)
            TRY(job_value_add(values, job_key_find("prompt"), unit->prompt, where));
        if (!same && unit->class)
            TRY(job_value_add(values, job_key_find("class"), unit->class, where));
    }
out:
    return status;
}

static enum clat_status add_run(struct expansion *expansion, struct bundle *bundle)
{
    enum clat_status status;
    struct job_plan *plan = expansion->plan;
    TRY(memory_grow(&plan->runs, &plan->run_capacity, plan->run_count, sizeof *plan->runs));
    struct job_run *run = &plan->runs[plan->run_count++];
    *run = (struct job_run){.values = bundle->values,
        .name = bundle->name,
        .job = plan->part_count - 1,
        .whole = bundle->whole};
    bundle->values = (struct job_values){.scheduler_options = {0}};
    bundle->name = NULL;
    TRY(memory_new(bundle->count, sizeof *run->units, &run->units));
    for (; run->count < bundle->count; run->count++)
        run->units[run->count] = bundle->units[run->count].number;
    TRY(fill_lists(bundle, &run->values));
out:
    return status;
}

/* Equal where networks are loaded for both alike. */
static bool same_networks(const struct job_values *a, const struct job_values *b)
{
    static const char *const keys[] = {"model", "variant", "device", "precision", "gemm",
        "float32_matmul_precision", "height", "width"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *x = first_of(a, keys[i]), *y = first_of(b, keys[i]);
        if (!x != !y || (x && strcmp(x, y) != 0))
            return false;
    }
    return true;
}

/* Bundles in their order, but each with those that come later and have the same networks. */
static enum clat_status add_runs(struct expansion *expansion)
{
    enum clat_status status = CLAT_OK;
    bool *taken = NULL;
    TRY(memory_new(expansion->count, sizeof *taken, &taken));
    for (size_t i = 0; i < expansion->count; i++) {
        size_t first = expansion->plan->run_count;
        for (size_t j = i; j < expansion->count && !taken[i]; j++) {
            const struct job_values *values = j == i ? NULL : &expansion->plan->runs[first].values;
            if (taken[j] || (values && !same_networks(values, &expansion->bundles[j].values)))
                continue;
            TRY(add_run(expansion, &expansion->bundles[j]));
            taken[j] = j != i;
        }
    }
out:
    free(taken);
    return status;
}

/* ---- the job --------------------------------------------------------------------------------- */

enum clat_status job_expand(struct job_plan *plan, const struct job_values *given, const char *name)
{
    enum clat_status status;
    struct job_values values = {.scheduler_options = {0}};
    struct expansion expansion = {.plan = plan, .name = name};
    bool done = false;
    TRY(memory_grow(&plan->parts, &plan->part_capacity, plan->part_count, sizeof *plan->parts));
    expansion.part = &plan->parts[plan->part_count++];
    *expansion.part = (struct job_part){.units = 0};
    TRY(job_values_copy(given, &values));
    if (first_of(&values, "prompt_file"))
        TRY(expand_prompts(&expansion, &values, &done));
    if (!done && first_of(&values, "sweep"))
        TRY(expand_sweep(&expansion, &values));
    else if (!done) {
        TRY(unit_add(&expansion, &values, NULL));
        expansion.bundles[0].whole = true;
    }
    TRY(add_runs(&expansion));
out:
    for (size_t i = 0; i < expansion.count; i++)
        bundle_free(&expansion.bundles[i]);
    for (size_t i = 0; i < expansion.line_count; i++)
        job_values_free(&expansion.lines[i]);
    free(expansion.bundles);
    free(expansion.lines);
    free(expansion.line_numbers);
    job_values_free(&values);
    return status;
}

void job_plan_free(struct job_plan *plan)
{
    for (size_t i = 0; i < plan->run_count; i++) {
        job_values_free(&plan->runs[i].values);
        free(plan->runs[i].name);
        free(plan->runs[i].units);
    }
    for (size_t i = 0; i < plan->part_count; i++)
        for (size_t j = 0; j < plan->parts[i].axis_count; j++)
            sweep_axis_free(&plan->parts[i].axes[j]);
    free(plan->runs);
    free(plan->parts);
    *plan = (struct job_plan){.runs = NULL};
}
