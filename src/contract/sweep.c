/* sweep.c - every option at its ends, many together, and compat. SPDX-License-Identifier: MIT */
#include "contract/checks.h"
#include "contract/report.h"
#include "contract/toy.h"

#include <stdio.h>
#include <string.h>

#define COMBINATIONS 300

static const char *const lists[] = {"[]", "[0.5]", "[0]", "[900, 400, 3]", "[14, 2.5, 0]",
    "[3, 400, 900]", "[1000000]", "[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]"};
#define LISTS (sizeof lists / sizeof *lists)

/* ---- one run with some options -------------------------------------------------------------- */

struct trial {
    struct settings user;
    char words[512]; /* "key=value key=value", for messages */
    int steps;
    double strength;
};

static bool add_value(struct trial *trial, const char *option, const char *value)
{
    size_t size = strlen(trial->words);
    snprintf(
        trial->words + size, sizeof trial->words - size, "%s%s=%s", size ? " " : "", option, value);
    return settings_set(&trial->user, option, value, "") == CLAT_OK;
}

/* The plugin may refuse options with a sentence; its numbers may be of no use; but it must keep the
 * rules. False, and a finding, if it does not. The trial is used up. */
static bool try_out(const struct clat_plugin *plugin, struct trial *trial)
{
    struct probe probe;
    float sample[TOY_IMAGES * TOY_ELEMENTS];
    bool kept = true;
    report_doing("%s, %d steps, strength %g", trial->words, trial->steps, trial->strength);
    if (probe_open(&probe, plugin, &trial->user) == CLAT_OK) {
        if (probe_plan(&probe, trial->steps, trial->strength))
            toy_run(&probe, 0, TOY_IMAGES, sample);
        kept = !probe.broken[0] || probe.unfit;
        if (!kept)
            report(VERDICT_FAILED, "with %s, %d steps, strength %g: %s", trial->words, trial->steps,
                trial->strength, probe.broken);
        probe_close(&probe);
    }
    settings_free(&trial->user);
    return kept;
}

/* ---- each option alone ---------------------------------------------------------------------- */

static bool try_value(const struct clat_plugin *plugin, const char *option, const char *value)
{
    struct trial trial = {.steps = TOY_STEPS, .strength = 1};
    return add_value(&trial, option, value) && try_out(plugin, &trial);
}

static double lowest(const struct clat_option *option)
{
    return option->lowest < option->highest ? option->lowest : -1000;
}

static double highest(const struct clat_option *option)
{
    return option->lowest < option->highest ? option->highest : 1000;
}

static bool try_numbers(const struct clat_plugin *plugin, const struct clat_option *option)
{
    char low[64], high[64];
    snprintf(low, sizeof low, "%.17g", lowest(option));
    snprintf(high, sizeof high, "%.17g", highest(option));
    return try_value(plugin, option->name, low) && try_value(plugin, option->name, high);
}

static bool try_option(const struct clat_plugin *plugin, const struct clat_option *option)
{
    bool kept = true;
    switch (option->type) {
    case CLAT_BOOL:
        return try_value(plugin, option->name, "true") && try_value(plugin, option->name, "false");
    case CLAT_INT:
    case CLAT_REAL:
        return try_numbers(plugin, option);
    case CLAT_CHOICE:
        for (size_t i = 0; kept && option->choices[i]; i++)
            kept = try_value(plugin, option->name, option->choices[i]);
        return kept;
    case CLAT_REALS:
        for (size_t i = 0; kept && i < LISTS; i++)
            kept = try_value(plugin, option->name, lists[i]);
        return kept;
    }
    return kept;
}

/* ---- many together: always the same, by Marsaglia's xorshift -------------------------------- */

static size_t draw(uint64_t *state, size_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (size_t)(*state >> 11) % below;
}

/* An end of the range or something between. */
static double draw_number(uint64_t *state, const struct clat_option *option)
{
    double low = lowest(option), high = highest(option);
    size_t kind = draw(state, 4);
    if (kind < 2)
        return kind ? high : low;
    double value = low + (kind == 2 ? (high - low) * (double)draw(state, 1000) / 1000
                                    : (double)draw(state, 20));
    return value < high ? value : high;
}

static void draw_value(uint64_t *state, const struct clat_option *option, char *value, size_t size)
{
    size_t words = 0;
    while (option->type == CLAT_CHOICE && option->choices[words])
        words++;
    if (option->type == CLAT_CHOICE)
        snprintf(value, size, "%s", option->choices[draw(state, words)]);
    else if (option->type == CLAT_BOOL)
        snprintf(value, size, "%s", draw(state, 2) ? "true" : "false");
    else if (option->type == CLAT_REALS)
        snprintf(value, size, "%s", lists[draw(state, LISTS)]);
    else
        snprintf(
            value, size, option->type == CLAT_INT ? "%.0f" : "%.9g", draw_number(state, option));
}

/* Two to six options, 1 to 20 steps, from anywhere. */
static bool try_combination(const struct clat_plugin *plugin, size_t options, uint64_t *state)
{
    struct trial trial = {.steps = 1 + (int)draw(state, 20),
        .strength = draw(state, 2) ? 1 : 0.05 + 0.01 * (double)draw(state, 95)};
    for (size_t count = 2 + draw(state, 5); count > 0; count--) {
        const struct clat_option *option = &plugin->options[draw(state, options)];
        char value[256];
        draw_value(state, option, value, sizeof value);
        if (!add_value(&trial, option->name, value))
            return false;
    }
    return try_out(plugin, &trial);
}

static bool try_combinations(const struct clat_plugin *plugin, size_t options)
{
    uint64_t state = 88172645463325252u;
    bool kept = true;
    for (int i = 0; kept && options && i < COMBINATIONS; i++)
        kept = try_combination(plugin, options, &state);
    return kept;
}

/* ---- the check ------------------------------------------------------------------------------ */

/* The same with compat, also from the middle. */
static bool try_compat(const struct clat_plugin *plugin)
{
    struct probe probe;
    float sample[TOY_IMAGES * TOY_ELEMENTS];
    bool kept = true;
    if (probe_open(&probe, plugin, NULL) != CLAT_OK)
        return true; /* said before */
    probe.run.compat = 1;
    for (int i = 0; kept && i < 2; i++) {
        report_doing("compat, strength %g", i ? 0.5 : 1.0);
        if (probe_plan(&probe, TOY_STEPS, i ? 0.5 : 1.0))
            toy_run(&probe, 0, TOY_IMAGES, sample);
        kept = !probe.broken[0];
    }
    if (!kept)
        report(VERDICT_FAILED, "with compat: %s", probe.broken);
    probe_close(&probe);
    return kept;
}

/* What the loader lets pass, since it does no harm: a range that is none, a word that stands twice.
 */
static bool check_row(const struct clat_option *option)
{
    if (!(option->lowest <= option->highest)) {
        report(VERDICT_FAILED, "option '%s' has the range %g to %g", option->name, option->lowest,
            option->highest);
        return false;
    }
    for (size_t i = 0; option->type == CLAT_CHOICE && option->choices[i]; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(option->choices[i], option->choices[j]) == 0) {
                report(VERDICT_FAILED, "option '%s' has the choice '%s' twice", option->name,
                    option->choices[i]);
                return false;
            }
    return true;
}

void check_options(const struct clat_plugin *plugin)
{
    struct probe probe;
    size_t count = 0;
    report_check("options");
    report_doing("the defaults");
    if (probe_open(&probe, plugin, NULL) != CLAT_OK) {
        report(VERDICT_FAILED, "%s", status_text());
        return;
    }
    probe_close(&probe);
    for (const struct clat_option *option = plugin->options; option->name; option++, count++)
        if (!check_row(option) || !try_option(plugin, option))
            return;
    if (!try_combinations(plugin, count) || !try_compat(plugin))
        return;
    report(VERDICT_PASSED,
        "%zu options, each at the ends of its range or with each of its words; %d combinations",
        count, COMBINATIONS);
}
