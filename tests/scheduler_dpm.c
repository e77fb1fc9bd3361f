/* scheduler_dpm.c - trajectories of DPM-Solver, UniPC and DEIS against recorded ones, and what they
 * refuse. SPDX-License-Identifier: MIT
 *
 * The torch that recorded them rounds sqrt, exp and log of single numbers correctly but for one in
 * 100, 80 and 4000. Where a case hangs on one of those, more_dpm has it once more with functions
 * that round correctly, equal to the last bit. */
#include "check.h"
#include "trajectory.h"

#define RECIPROCAL "the network's input is divided by what torch multiplies the reciprocal of"
#define SOLVE "the library behind torch solves three equations and more in an order of its own"
#define TABLE "one entry of torch's table of sigmas, at timestep 260, is an ulp off"
#define N50(stem)                                                                                  \
    {                                                                                              \
        .file = stem, .label = "n50", .limit = 3e-7, .reason = TABLE                               \
    }

static const struct expected table[] = {
    {.file = "dpmpp_1"},
    N50("dpmpp_1"),
    {.file = "dpmpp_2m"},
    N50("dpmpp_2m"),
    {.file = "dpmpp_3m"},
    N50("dpmpp_3m"),
    {.file = "dpmsolver_2m"},
    N50("dpmsolver_2m"),
    {.file = "dpmsolver_2m",
        .label = "n7_sr",
        .limit = 3e-7,
        .reason = "torch's exp(h) of step 2 is an ulp off"},
    {.file = "sde_dpmpp_2m"},
    N50("sde_dpmpp_2m"),
    {.file = "sde_dpmsolver_2m"},
    N50("sde_dpmsolver_2m"),
    {.file = "sde_dpmsolver_2m",
        .label = "n20",
        .limit = 3e-7,
        .reason = "torch's square root of step 2's variance is an ulp off"},
    {.file = "sde_dpmsolver_2m",
        .label = "n7_sr",
        .limit = 3e-7,
        .reason = "torch's exp(h) of step 2 is an ulp off"},
    {.file = "singlestep_2"},
    N50("singlestep_2"),
    {.file = "singlestep_3"},
    N50("singlestep_3"),
    {.file = "deis_1"},
    N50("deis_1"),
    {.file = "deis_1",
        .label = "n7_sr",
        .limit = 3e-7,
        .reason = "torch's exp(h) of step 2 is an ulp off"},
    {.file = "deis_2"},
    {.file = "deis_2", .label = "n50", .limit = 1e-6, .reason = TABLE},
    {.file = "deis_3"},
    {.file = "deis_3",
        .label = "n50",
        .limit = 6e-6,
        .reason = TABLE ": its weights are small differences of large numbers"},
    {.file = "edm_dpmpp", .limit = 3e-7, .reason = RECIPROCAL},
    {.file = "more_dpm"},
    {.file = "more_dpm", .label = "unipc_4", .limit = 3e-7, .reason = SOLVE},
    {.file = "more_dpm", .label = "unipc_5", .limit = 3e-7, .reason = SOLVE},
    {.file = "more_dpm", .label = "edm_exponential", .limit = 3e-7, .reason = RECIPROCAL},
    {.file = "more_dpm", .label = "edm_sde", .limit = 3e-7, .reason = RECIPROCAL},
    {.file = "more_dpm", .label = "edm_heun", .limit = 3e-7, .reason = RECIPROCAL},
    {.file = "more_dpm", .label = "edm_euler_at_final", .limit = 3e-7, .reason = RECIPROCAL},
    {.file = "more_dpm", .label = "edm_threshold", .limit = 3e-7, .reason = RECIPROCAL},
    {.file = "unipc_1"},
    N50("unipc_1"),
    {.file = "unipc_2"},
    N50("unipc_2"),
    {.file = "unipc_3", .limit = 3e-7, .reason = SOLVE},
};

int main(void)
{
    trajectories_replay(table, sizeof table / sizeof *table);
    return check_result();
}
