/* sweep.c - every option at its ends, and compat. SPDX-License-Identifier: MIT */
#include "contract/checks.h"
#include "contract/report.h"
#include "contract/toy.h"

#include <stdio.h>
#include <string.h>

/* One value for one option, all else at its default. The plugin may refuse it with a sentence; its
 * numbers may be of no use; but it must keep the rules. False, and a finding, if it does not. */
static bool try_value(const struct clat_plugin *plugin, const char *option, const char *value)
{
    struct settings user = {0};
    struct probe probe;
    float sample[TOY_IMAGES * TOY_ELEMENTS];
    bool kept = true;
    report_doing("%s=%s", option, value);
    if (settings_set(&user, option, value, "") != CLAT_OK)
        return false;
    if (probe_open(&probe, plugin, &user) == CLAT_OK) {
        if (probe_plan(&probe, TOY_STEPS, 1))
            toy_run(&probe, 0, TOY_IMAGES, sample);
        kept = !probe.broken[0] || probe.unfit;
        if (!kept)
            report(VERDICT_FAILED, "with %s=%s: %s", option, value, probe.broken);
        probe_close(&probe);
    }
    settings_free(&user);
    return kept;
}

static bool try_numbers(const struct clat_plugin *plugin, const struct clat_option *option)
{
    bool ranged = option->lowest < option->highest;
    char low[64], high[64];
    snprintf(low, sizeof low, "%.17g", ranged ? option->lowest : -1000);
    snprintf(high, sizeof high, "%.17g", ranged ? option->highest : 1000);
    return try_value(plugin, option->name, low) && try_value(plugin, option->name, high);
}

static bool try_list(const struct clat_plugin *plugin, const struct clat_option *option)
{
    static const char *const lists[] = {"[]", "[0.5]", "[0]", "[900, 400, 3]", "[14, 2.5, 0]",
        "[3, 400, 900]", "[1000000]", "[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]"};
    bool kept = true;
    for (size_t i = 0; kept && i < sizeof lists / sizeof *lists; i++)
        kept = try_value(plugin, option->name, lists[i]);
    return kept;
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
        return try_list(plugin, option);
    }
    return kept;
}

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
    int count = 0;
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
    if (!try_compat(plugin))
        return;
    report(VERDICT_PASSED, "%d options, each at the ends of its range or with each of its words",
        count);
}
