/* scheduler_table.c - does the table of docs/schedulers.md tell the truth?
 * SPDX-License-Identifier: MIT
 *
 * | `name` | also called | order | calls a step | noise | paper | when to use it |
 *
 * Names must find the plugin, diffusers' class must be among them, order and noise must be what the
 * plugin declares, calls what it plans, papers those of its source. Every plugin has a row. */
#include "check.h"
#include "contract/probe.h"
#include "plugins/loader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 7
enum { NAME, ALSO, ORDER, CALLS, NOISE, PAPER, WHEN };
#define STEPS 40

/* "| a | b |" into its columns, without blanks around them. */
static bool split_row(char *line, char *columns[COLUMNS])
{
    char *at = line + 1;
    for (int i = 0; i < COLUMNS; i++) {
        char *end = strchr(at, '|');
        if (!end)
            return false;
        *end = '\0';
        columns[i] = at + strspn(at, " ");
        for (char *last = end - 1; last >= columns[i] && *last == ' '; last--)
            *last = '\0';
        at = end + 1;
    }
    return true;
}

/* The next `word` in backticks, or NULL; *at moves past it. */
static char *next_word(char **at)
{
    char *start = strchr(*at, '`'), *end = start ? strchr(start + 1, '`') : NULL;
    if (!end)
        return NULL;
    *end = '\0';
    *at = end + 1;
    return start + 1;
}

static void check_names(const struct clat_plugin *plugin, char *names)
{
    bool has_class = plugin->class_name == NULL;
    for (char *name; (name = next_word(&names));) {
        const struct clat_plugin *found = NULL;
        CHECK_OK(plugins_find(name, &found));
        CHECK(found == plugin, "'%s' is %s, not %s", name, found ? found->name : "unknown",
            plugin->name);
        has_class = has_class || strcmp(name, plugin->class_name) == 0;
    }
    CHECK(has_class, "%s: %s is not in its row", plugin->name, plugin->class_name);
}

/* Calls in a run of STEPS, divided by steps and rounded: what a longer run costs. */
static void check_calls(const struct clat_plugin *plugin, const char *calls)
{
    struct probe probe;
    if (!CHECK_OK(probe_open(&probe, plugin, NULL)))
        return;
    if (CHECK(
            probe_plan(&probe, STEPS, 1), "%s: %s%s", plugin->name, probe.broken, probe.sentence)) {
        int planned = (int)rint((double)probe.plan->evaluations / STEPS);
        CHECK(atoi(calls) == planned, "%s: %s calls a step, it plans %d for %d steps", plugin->name,
            calls, probe.plan->evaluations, STEPS);
    }
    probe_close(&probe);
}

/* Each "arXiv NNNN.NNNNN" of the plugin's source, written there as "arXiv" or after "and". */
static void check_papers(const struct clat_plugin *plugin, const char *papers)
{
    for (const char *at = plugin->source; (at = strpbrk(at, "0123456789"));) {
        char number[16] = "";
        size_t size = strspn(at, "0123456789.");
        if (size == 10 && at[4] == '.')
            snprintf(number, sizeof number, "%.10s", at);
        CHECK(strstr(papers, number), "%s: arXiv %s is not in its row", plugin->name, number);
        at += size;
    }
}

static const struct clat_plugin *check_row(char *columns[COLUMNS])
{
    const struct clat_plugin *plugin = NULL;
    char *name = next_word(&columns[NAME]);
    if (!CHECK(name, "a row without a name") || !CHECK_OK(plugins_find(name, &plugin)))
        return NULL;
    CHECK(strcmp(plugin->name, name) == 0, "'%s' is called %s", name, plugin->name);
    CHECK(atoi(columns[ORDER]) == plugin->order, "%s: order %s, it declares %d", name,
        columns[ORDER], plugin->order);
    CHECK(strncmp(columns[NOISE], plugin->stochastic ? "yes" : "no", 2) == 0,
        "%s: noise %s, it declares %d", name, columns[NOISE], plugin->stochastic);
    CHECK(strlen(columns[WHEN]) > 20, "%s: when to use it?", name);
    check_names(plugin, columns[ALSO]);
    check_calls(plugin, columns[CALLS]);
    check_papers(plugin, columns[PAPER]);
    return plugin;
}

/* Rows of the first table, which are those with a name in backticks. */
static size_t check_table(FILE *file, const struct clat_plugin **seen, size_t capacity)
{
    char line[4096], *columns[COLUMNS];
    size_t count = 0;
    while (fgets(line, sizeof line, file) && strncmp(line, "## ", 3) != 0)
        if (strncmp(line, "| `", 3) == 0 && count < capacity &&
            CHECK(split_row(line, columns), "a row of fewer than %d columns", COLUMNS))
            seen[count++] = check_row(columns);
    return count;
}

static void check_all_have_rows(
    const char *folder, const struct clat_plugin *const *seen, size_t rows)
{
    const struct plugin *plugins;
    size_t count;
    CHECK_OK(plugins_list(&plugins, &count));
    for (size_t i = 0; i < count; i++) {
        bool found = strncmp(plugins[i].path, folder, strlen(folder)) != 0;
        for (size_t row = 0; row < rows; row++)
            found = found || (seen[row] && seen[row] == plugins[i].scheduler);
        CHECK(found, "%s has no row in docs/schedulers.md", plugins[i].path);
    }
}

int main(void)
{
    char folder[4096] = "", path[4096];
    const struct clat_plugin *seen[64];
    const char *build = getenv("top_builddir"), *source = getenv("top_srcdir");
    snprintf(path, sizeof path, "%s/schedulers/.libs", build ? build : ".");
    CHECK(realpath(path, folder), "%s", path);
    CHECK_OK(plugins_add_directory(folder));
    snprintf(path, sizeof path, "%s/docs/schedulers.md", source ? source : ".");
    FILE *file = fopen(path, "r");
    if (CHECK(file, "%s", path)) {
        size_t rows = check_table(file, seen, 64);
        check_all_have_rows(folder, seen, rows);
        CHECK(rows >= 17, "%zu rows", rows);
        fclose(file);
    }
    return check_result();
}
