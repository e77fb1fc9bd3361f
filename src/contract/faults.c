/* faults.c - calls that fail, memory that is not there. SPDX-License-Identifier: MIT */
#include "contract/checks.h"
#include "contract/report.h"
#include "contract/toy.h"

void check_cancel(const struct clat_plugin *plugin)
{
    struct probe probe;
    float sample[TOY_IMAGES * TOY_ELEMENTS];
    report_check("cancel");
    if (!toy_open(&probe, plugin))
        return;
    toy_run(&probe, 0, TOY_IMAGES, sample);
    int calls = probe.calls;
    for (int i = 0; i < calls; i++) {
        report_doing("call %d of %d fails", i + 1, calls);
        probe.stop_at = i;
        toy_run(&probe, 0, TOY_IMAGES, sample);
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
    float sample[TOY_IMAGES * TOY_ELEMENTS];
    probe->starve_at = 0;
    do {
        report_doing("scratch() number %d gives NULL", probe->starve_at + 1);
        if (planning)
            probe_plan(probe, TOY_STEPS, 1);
        else
            toy_run(probe, 0, TOY_IMAGES, sample);
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
    if (!toy_open(&probe, plugin))
        return;
    int in_plan = starve(&probe, true), in_run = -1;
    if (in_plan >= 0 && checks_steps(&probe, TOY_STEPS, 1))
        in_run = starve(&probe, false);
    if (in_plan >= 0 && in_run >= 0)
        report(VERDICT_PASSED, "says so whichever of %d calls of scratch() gives none",
            in_plan + in_run);
    probe_close(&probe);
}
