/* scheduler_vp.c - trajectories of variance-preserving schedulers against recorded ones.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "trajectory.h"

static const struct expected table[] = {
    {.file = "ddim"},
    {.file = "ddim_eta0.3"},
    {.file = "ddim_eta0.3",
        .label = "n50",
        .limit = 1e-7,
        .reason = "torch's square root is one ulp off in a coefficient, from step 22 on"},
    {.file = "ddim_eta1"},
};

int main(void)
{
    trajectories_replay(table, sizeof table / sizeof *table);
    return check_result();
}
