/* checks.c - what the contract asks of any plugin. SPDX-License-Identifier: MIT */
#include "contract/checks.h"
#include "contract/guard.h"
#include "contract/report.h"
#include "plugins/loader.h"

#include <dirent.h>
#include <fenv.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGES 2
#define ELEMENTS 64
#define STEPS 6

/* Why a plan or run failed. */
static const char *why(const struct probe *probe)
{
    return probe->broken[0] ? probe->broken : probe->sentence;
}

/* A network that needs no model: any function of sample and timestep will do. */
static void toy_network(void *user, struct probe *probe, const float *sample, float divisor,
    double timestep, float *output)
{
    size_t elements = probe->run.elements;
    (void)user;
    for (size_t i = 0; i < probe->run.images * elements; i++)
        output[i] = 0.2f * (sample[i] / divisor) + (float)(0.0004 * timestep - 0.1) +
                    0.01f * (float)(i % elements);
}
static const struct probe_network toy = {NULL, toy_network, NULL};

/* Start noise of images first .. first + count of a batch. */
static void fill_noise(float *sample, size_t first, size_t count, float sigma)
{
    for (size_t i = 0; i < count * ELEMENTS; i++)
        sample[i] =
            sigma * (float)(((i + first * ELEMENTS) * 2654435761u >> 7) % 2001) / 1000 - sigma;
}

static bool run_toy(struct probe *probe, size_t first, size_t count, float *sample)
{
    const uint64_t seeds[IMAGES] = {first + 1, first + 2};
    fill_noise(sample, first, count, probe->plan->init_noise_sigma);
    return probe_run(probe, &toy, count, ELEMENTS, seeds, sample);
}

int checks_steps(struct probe *probe, int most, double strength)
{
    for (int steps = most; steps > 0; steps--)
        if (probe_plan(probe, steps, strength))
            return steps;
        else if (!probe->refused)
            return 0;
    return 0;
}

/* A probe with a plan of about STEPS steps; false, and a finding, if there is no such plan. */
static bool open_planned(struct probe *probe, const struct clat_plugin *plugin)
{
    if (probe_open(probe, plugin, NULL) != CLAT_OK) {
        report(VERDICT_FAILED, "%s", status_text());
        return false;
    }
    report_doing("plan of %d steps", STEPS);
    if (checks_steps(probe, STEPS, 1))
        return true;
    report(VERDICT_FAILED, "no plan of %d steps: %s", STEPS, why(probe));
    probe_close(probe);
    return false;
}

/* ---- options ------------------------------------------------------------------------------------
 */

/* One value for one option, all else at its default. The plugin may refuse it with a sentence; its
 * numbers may be of no use; but it must keep the rules. False, and a finding, if it does not. */
static bool try_value(const struct clat_plugin *plugin, const char *option, const char *value)
{
    struct settings user = {0};
    struct probe probe;
    float sample[IMAGES * ELEMENTS];
    bool kept = true;
    report_doing("%s=%s", option, value);
    if (settings_set(&user, option, value, "") != CLAT_OK)
        return false;
    if (probe_open(&probe, plugin, &user) == CLAT_OK) {
        if (probe_plan(&probe, STEPS, 1))
            run_toy(&probe, 0, IMAGES, sample);
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
    report(VERDICT_PASSED, "%d options, each at the ends of its range or with each of its words",
        count);
}

/* ---- plan ---------------------------------------------------------------------------------------
 */

static bool same_plan(const struct clat_plan *a, const struct clat_plan *b)
{
    size_t count = (size_t)a->count;
    return a->count == b->count && a->evaluations == b->evaluations && a->first == b->first &&
           memcmp(a->timesteps, b->timesteps, count * sizeof *a->timesteps) == 0 &&
           memcmp(a->signal, b->signal, count * sizeof *a->signal) == 0 &&
           memcmp(a->noise, b->noise, count * sizeof *a->noise) == 0;
}

/* Two plans of so many steps: made, or refused with a sentence; and equal. */
static bool try_plan(struct probe *a, struct probe *b, int steps, double strength, int *made)
{
    report_doing("plan of %d steps, strength %g", steps, strength);
    bool first = probe_plan(a, steps, strength), second = probe_plan(b, steps, strength);
    if (!first && !a->refused)
        report(VERDICT_FAILED, "%d steps, strength %g: %s", steps, strength, a->broken);
    else if (first != second || (first && !same_plan(a->plan, b->plan)))
        report(VERDICT_FAILED, "%d steps: planned twice, with different results", steps);
    else {
        *made += first;
        return true;
    }
    return false;
}

void check_plan(const struct clat_plugin *plugin)
{
    static const int steps[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 50, 100, 999, 1000, 1001, 5000};
    struct probe a, b;
    int made = 0;
    bool kept = true;
    report_check("plan");
    if (probe_open(&a, plugin, NULL) != CLAT_OK || probe_open(&b, plugin, NULL) != CLAT_OK) {
        report(VERDICT_FAILED, "%s", status_text());
        return;
    }
    for (size_t i = 0; kept && i < sizeof steps / sizeof *steps; i++)
        kept = try_plan(&a, &b, steps[i], 1, &made) && try_plan(&a, &b, steps[i], 0.5, &made);
    if (kept && !made)
        report(VERDICT_FAILED, "no number of steps is accepted: %s", a.sentence);
    else if (kept)
        report(VERDICT_PASSED, "%d plans of 1 to 5000 steps", made);
    probe_close(&a);
    probe_close(&b);
}

/* ---- run ----------------------------------------------------------------------------------------
 */

void check_run(const struct clat_plugin *plugin)
{
    struct probe probe;
    float sample[IMAGES * ELEMENTS];
    report_check("run");
    if (!open_planned(&probe, plugin))
        return;
    report_doing("run of %d steps", STEPS);
    if (!run_toy(&probe, 0, IMAGES, sample))
        report(VERDICT_FAILED, "%s", why(&probe));
    else if ((probe.draws > 0) != (plugin->stochastic != 0))
        report(VERDICT_FAILED, "stochastic is %d, but it drew noise %d times", plugin->stochastic,
            probe.draws);
    else
        report(VERDICT_PASSED, "%d steps, %d evaluations, %d draws of noise", probe.plan->count,
            probe.evaluations, probe.draws);
    probe_close(&probe);
}

/* ---- the same result again ----------------------------------------------------------------------
 */

/* A network that runs the whole plugin a second time, with other noise, in the middle of a run. */
struct intruder {
    struct probe probe;
    bool done;
};

static void intrude(void *user, struct probe *probe, const float *sample, float divisor,
    double timestep, float *output)
{
    struct intruder *intruder = user;
    float other[IMAGES * ELEMENTS];
    if (!intruder->done && probe->evaluations == 2) {
        intruder->done = true;
        run_toy(&intruder->probe, 7, IMAGES, other);
    }
    toy_network(NULL, probe, sample, divisor, timestep, output);
}

static bool run_beside_another(struct probe *probe, const struct clat_plugin *plugin, float *sample)
{
    static struct intruder intruder;
    const struct probe_network network = {&intruder, intrude, NULL};
    intruder.done = false;
    if (!open_planned(&intruder.probe, plugin))
        return false;
    fill_noise(sample, 0, IMAGES, probe->plan->init_noise_sigma);
    bool done = probe_run(probe, &network, IMAGES, ELEMENTS, (uint64_t[]){1, 2}, sample);
    probe_close(&intruder.probe);
    return done;
}

/* A second run; a run with another one inside; each image alone. */
static const char *compare_runs(struct probe *probe, const struct clat_plugin *plugin)
{
    float first[IMAGES * ELEMENTS], again[IMAGES * ELEMENTS];
    report_doing("a second run");
    if (!run_toy(probe, 0, IMAGES, first) || !run_toy(probe, 0, IMAGES, again))
        return why(probe);
    if (memcmp(first, again, sizeof first) != 0)
        return "two runs with the same sample and noise gave different results";
    report_doing("a run inside of another");
    if (!run_beside_another(probe, plugin, again))
        return why(probe);
    if (memcmp(first, again, sizeof first) != 0)
        return "a run gave another result because a second one was under way: state lies outside "
               "of the run";
    report_doing("each image alone");
    for (size_t i = 0; i < IMAGES; i++)
        if (!run_toy(probe, i, 1, again + i * ELEMENTS))
            return why(probe);
    if (memcmp(first, again, sizeof first) != 0)
        return "an image comes out differently alone and in a batch";
    return NULL;
}

void check_repeat(const struct clat_plugin *plugin)
{
    struct probe probe;
    report_check("repeat");
    if (!open_planned(&probe, plugin))
        return;
    const char *fault = compare_runs(&probe, plugin);
    if (fault)
        report(VERDICT_FAILED, "%s", fault);
    else
        report(
            VERDICT_PASSED, "equal to the last bit: again, inside of another run, image by image");
    probe_close(&probe);
}

/* ---- calls that fail ----------------------------------------------------------------------------
 */

void check_cancel(const struct clat_plugin *plugin)
{
    struct probe probe;
    float sample[IMAGES * ELEMENTS];
    report_check("cancel");
    if (!open_planned(&probe, plugin))
        return;
    run_toy(&probe, 0, IMAGES, sample);
    int calls = probe.calls;
    for (int i = 0; i < calls; i++) {
        report_doing("call %d of %d fails", i + 1, calls);
        probe.stop_at = i;
        run_toy(&probe, 0, IMAGES, sample);
        if (probe.broken[0]) {
            report(VERDICT_FAILED, "call %d of %d failed: %s", i + 1, calls, probe.broken);
            goto out;
        }
    }
    report(VERDICT_PASSED, "stops at once whichever of %d calls fails", calls);
out:
    probe_close(&probe);
}

/* One scratch() after the other gives no memory; their number, or -1 and a finding. */
static int starve(struct probe *probe, bool planning)
{
    float sample[IMAGES * ELEMENTS];
    probe->starve_at = 0;
    do {
        report_doing("scratch() number %d gives NULL", probe->starve_at + 1);
        if (planning)
            probe_plan(probe, STEPS, 1);
        else
            run_toy(probe, 0, IMAGES, sample);
        if (probe->broken[0] && !probe->unfit) {
            report(VERDICT_FAILED, "scratch() number %d gave no memory: %s", probe->starve_at + 1,
                probe->broken);
            return -1;
        }
    } while (probe->scratches > probe->starve_at++);
    int count = probe->starve_at - 1;
    probe->starve_at = -1;
    return count;
}

void check_memory(const struct clat_plugin *plugin)
{
    struct probe probe;
    report_check("memory");
    if (!open_planned(&probe, plugin))
        return;
    int in_plan = starve(&probe, true), in_run = -1;
    if (in_plan >= 0 && checks_steps(&probe, STEPS, 1))
        in_run = starve(&probe, false);
    if (in_plan >= 0 && in_run >= 0)
        report(VERDICT_PASSED, "says so whichever of %d calls of scratch() gives none",
            in_plan + in_run);
    probe_close(&probe);
}

/* ---- manners ------------------------------------------------------------------------------------
 */

/* What the process was like before the plugin was loaded. */
struct manners {
    int rounding, threads;
    char locale[256];
    char folder[PATH_MAX];
    mode_t mask;
    off_t printed;
};

static int count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    while (tasks && readdir(tasks))
        count++;
    if (tasks)
        closedir(tasks);
    return count;
}

static struct manners look(void)
{
    struct manners manners = {.rounding = fegetround(), .threads = count_threads()};
    struct stat facts;
    snprintf(manners.locale, sizeof manners.locale, "%s", setlocale(LC_ALL, NULL));
    if (!getcwd(manners.folder, sizeof manners.folder))
        manners.folder[0] = '\0';
    manners.mask = umask(0);
    umask(manners.mask);
    fflush(NULL);
    if (fstat(STDOUT_FILENO, &facts) == 0 && S_ISREG(facts.st_mode))
        manners.printed = facts.st_size;
    return manners;
}

static bool flushes_to_zero(void)
{
    volatile double tiny = 2.2250738585072014e-308;
    tiny /= 4;
    return !(tiny > 0);
}

static void check_manners(const struct manners *before)
{
    struct manners after = look();
    report_check("manners");
    if (after.rounding != before->rounding || flushes_to_zero())
        report(VERDICT_FAILED, "it changed the floating-point environment");
    else if (strcmp(after.locale, before->locale) != 0)
        report(VERDICT_FAILED, "it changed the locale");
    else if (after.threads != before->threads)
        report(VERDICT_FAILED, "it started threads");
    else if (strcmp(after.folder, before->folder) != 0 || after.mask != before->mask)
        report(VERDICT_FAILED, "it changed the working directory or the file mode mask");
    else if (after.printed != before->printed)
        report(VERDICT_FAILED, "it printed");
    else
        report(VERDICT_PASSED, "no printing, threads, change of locale or floating point");
}

/* ---- all ----------------------------------------------------------------------------------------
 */

void checks_run(const char *path)
{
    const struct clat_plugin *plugin;
    struct manners before = look();
    report_check("load");
    report_doing("loading");
    if (plugin_open(path, &plugin) != CLAT_OK) {
        report(VERDICT_REFUSED, "%s", status_text());
        return;
    }
    report(VERDICT_PASSED, "%s: %s", plugin->name, plugin->title);
    check_options(plugin);
    check_plan(plugin);
    check_run(plugin);
    check_repeat(plugin);
    check_cancel(plugin);
    check_memory(plugin);
    check_accuracy(plugin);
    check_middle(plugin);
    check_manners(&before);
}
