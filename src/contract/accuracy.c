/* accuracy.c - does a plugin solve what it says it solves? SPDX-License-Identifier: MIT
 *
 * With the exact network for normal data (gaussian.h) a deterministic solver must converge with its
 * order, and one with noise must give samples with the mean and the spread of the data. */
#include "contract/checks.h"
#include "contract/gaussian.h"
#include "contract/report.h"

#include <math.h>
#include <string.h>

#define ORDER_SHARE 0.75    /* of the declared order must be measured */
#define DISTANCE_LIMIT 0.25 /* of the result, in standard deviations of the data */
#define SPREAD_LIMIT 0.15   /* of mean and standard deviation */
#define STEPS 80
#define PLACES 64 /* of a run from the middle */

/* Clipping is right for pictures in +-1, not for normal data. */
static bool open_unclipped(struct probe *probe, const struct clat_plugin *plugin)
{
    struct settings user = {0};
    enum clat_status status = CLAT_OK;
    for (const struct clat_option *option = plugin->options; option->name; option++)
        if (option->type == CLAT_BOOL &&
            (strcmp(option->name, "clip_sample") == 0 || strcmp(option->name, "thresholding") == 0))
            TRY(settings_set(&user, option->name, "false", ""));
    TRY(probe_open(probe, plugin, &user));
out:
    settings_free(&user);
    if (status != CLAT_OK)
        report(VERDICT_FAILED, "%s", status_text());
    return status == CLAT_OK;
}

/* ---- deterministic -------------------------------------------------------------------------- */

static void judge_order(const struct probe *probe, double order, int steps, double distance)
{
    int declared = probe->plugin->order;
    if (probe->broken[0] || isnan(distance))
        report(VERDICT_FAILED, "%s", probe_why(probe));
    else if (declared < 1)
        report(VERDICT_FAILED, "order is %d, expected 1 or more", declared);
    else if (distance > DISTANCE_LIMIT)
        report(VERDICT_FAILED,
            "%d steps end %.2g standard deviations from the exact solution, expected at most %g",
            steps, distance, DISTANCE_LIMIT);
    else if (order < ORDER_SHARE * declared)
        report(VERDICT_FAILED, "converges with order %.2f, declared is %d", order, declared);
    else if (isnan(order))
        report(VERDICT_PASSED, "%.2g off after %d steps; convergence cannot be measured", distance,
            steps);
    else
        report(VERDICT_PASSED, "converges with order %.2f (declared %d), %.2g off after %d steps",
            order, declared, distance, steps);
}

static void check_order(struct probe *probe, int steps)
{
    report_doing("runs of 20 to 160 steps");
    double order = gaussian_order(probe);
    judge_order(probe, order, steps, gaussian_error(probe, steps, 0));
}

/* ---- with noise ----------------------------------------------------------------------------- */

static double worst(struct moments moments)
{
    return fmax(fabs(moments.mean), fabs(moments.spread - 1));
}

/* A plugin made for a distilled network (LCM, TCD) is right with one. */
static void check_spread(struct probe *probe, int steps)
{
    struct moments best = gaussian_moments(probe, false);
    struct moments other = probe->broken[0] ? best : gaussian_moments(probe, true);
    bool distilled = worst(other) < worst(best);
    if (distilled)
        best = other;
    if (probe->broken[0])
        report(VERDICT_FAILED, "%s", probe->broken);
    else if (!(worst(best) <= SPREAD_LIMIT))
        report(VERDICT_FAILED,
            "%d steps give mean %.3f and standard deviation %.3f, expected 0 and 1 within %g",
            steps, best.mean, best.spread, SPREAD_LIMIT);
    else
        report(VERDICT_PASSED, "mean %.3f and standard deviation %.3f after %d steps%s", best.mean,
            best.spread, steps, distilled ? " with a distilled network" : "");
}

/* ---- the checks ----------------------------------------------------------------------------- */

/* A probe with a plan of about STEPS steps; their number, or 0 and a finding. */
static int open_steps(struct probe *probe, const struct clat_plugin *plugin, double strength)
{
    if (!open_unclipped(probe, plugin))
        return 0;
    report_doing("%d steps, strength %g", STEPS, strength);
    int steps = checks_steps(probe, STEPS, strength);
    if (!steps) {
        report(VERDICT_FAILED, "no plan: %s", probe_why(probe));
        probe_close(probe);
    }
    return steps;
}

void check_accuracy(const struct clat_plugin *plugin)
{
    struct probe probe;
    report_check(plugin->stochastic ? "spread" : "order");
    int steps = open_steps(&probe, plugin, 1);
    if (!steps)
        return;
    if (plugin->stochastic)
        check_spread(&probe, steps);
    else
        check_order(&probe, steps);
    probe_close(&probe);
}

/* How far the planned run takes the places from where they were; NaN if it fails. */
static double run_distance(struct probe *probe)
{
    float places[PLACES], exact[PLACES];
    double sum = 0;
    gaussian_places(exact, PLACES);
    gaussian_places(places, PLACES);
    if (!gaussian_run(probe, false, 1, PLACES, (uint64_t[]){1}, places))
        return (double)NAN;
    for (size_t i = 0; i < PLACES; i++)
        sum += pow((double)places[i] - (double)exact[i], 2);
    return sqrt(sum / PLACES);
}

static void check_distance(struct probe *probe)
{
    double distance = run_distance(probe);
    if (isnan(distance))
        report(VERDICT_FAILED, "%s", probe_why(probe));
    else
        report(distance > DISTANCE_LIMIT ? VERDICT_FAILED : VERDICT_PASSED,
            "started with step %d of %d: ends %.2g standard deviations from the exact solution",
            probe->plan->first + 1, probe->plan->count, distance);
}

void check_middle(const struct clat_plugin *plugin)
{
    struct probe probe;
    report_check("middle");
    int steps = open_steps(&probe, plugin, 0.5);
    if (!steps)
        return;
    if (plugin->stochastic)
        check_spread(&probe, steps);
    else
        check_distance(&probe);
    probe_close(&probe);
}
