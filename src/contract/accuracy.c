/* accuracy.c - does a plugin solve what it says it solves? SPDX-License-Identifier: MIT
 *
 * With the exact network for normal data (gaussian.h) a deterministic solver must converge with its
 * order, and one with noise must give samples with the mean and the spread of the data. */
#include "contract/checks.h"
#include "contract/gaussian.h"
#include "contract/report.h"

#include <math.h>
#include <string.h>

#define ORDER_SHARE 0.8     /* of the declared order must be measured */
#define DISTANCE_LIMIT 0.25 /* of the result, in standard deviations of the data */
#define SPREAD_LIMIT 0.15   /* of mean and standard deviation */
#define STEPS 80

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

static void check_order(struct probe *probe)
{
    report_check("order");
    report_doing("runs of 20 to 160 steps");
    double order = gaussian_order(probe), distance = gaussian_error(probe, STEPS, 0);
    if (probe->broken[0])
        report(VERDICT_FAILED, "%s", probe->broken);
    else if (distance > DISTANCE_LIMIT)
        report(VERDICT_FAILED,
            "%d steps end %.2g standard deviations from the exact solution, expected at most %g",
            STEPS, distance, DISTANCE_LIMIT);
    else if (order < ORDER_SHARE * probe->plugin->order)
        report(VERDICT_FAILED, "converges with order %.2f, declared is %d", order,
            probe->plugin->order);
    else if (isnan(order))
        report(VERDICT_PASSED, "too few plans, or errors too small, to measure convergence");
    else
        report(VERDICT_PASSED, "converges with order %.2f (declared %d), %.2g off after %d steps",
            order, probe->plugin->order, distance, STEPS);
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

void check_accuracy(const struct clat_plugin *plugin)
{
    struct probe probe;
    report_check(plugin->stochastic ? "spread" : "order");
    if (!open_unclipped(&probe, plugin))
        return;
    if (!plugin->stochastic) {
        check_order(&probe);
    } else {
        int steps = checks_steps(&probe, STEPS, 1);
        report_doing("run of %d steps", steps);
        if (steps)
            check_spread(&probe, steps);
        else
            report(VERDICT_FAILED, "no plan: %s", probe_why(&probe));
    }
    probe_close(&probe);
}

/* ---- from the middle ------------------------------------------------------------------------ */

void check_middle(const struct clat_plugin *plugin)
{
    struct probe probe;
    float places[64], exact[64];
    double sum = 0;
    report_check("middle");
    if (!open_unclipped(&probe, plugin))
        return;
    int steps = checks_steps(&probe, STEPS, 0.5);
    if (!steps) {
        report(VERDICT_FAILED, "no plan: %s", probe_why(&probe));
        goto out;
    }
    report_doing("run of %d steps, strength 0.5", steps);
    gaussian_places(places, 64);
    gaussian_places(exact, 64);
    if (plugin->stochastic)
        check_spread(&probe, steps);
    else if (!gaussian_run(&probe, false, 1, 64, (uint64_t[]){1}, places))
        report(VERDICT_FAILED, "%s", probe_why(&probe));
    else {
        for (size_t i = 0; i < 64; i++)
            sum += pow((double)places[i] - (double)exact[i], 2);
        double distance = sqrt(sum / 64);
        report(distance > DISTANCE_LIMIT ? VERDICT_FAILED : VERDICT_PASSED,
            "started with step %d of %d: ends %.2g standard deviations from the exact solution",
            probe.plan->first + 1, probe.plan->count, distance);
    }
out:
    probe_close(&probe);
}
