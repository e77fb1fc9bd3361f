/* scheduler_vp.c - trajectories of variance-preserving schedulers against recorded ones.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "trajectory.h"

/* The square root of the program that recorded these is not correctly rounded: one value in 160 is
 * an ulp off. Where a coefficient is such a value, the last bit differs. */
#define ROOT "a square root is an ulp off in the recording"

static const struct expected table[] = {
    {.file = "ddim"},
    {.file = "ddim_eta0.3"},
    {.file = "ddim_eta0.3", .label = "n50", .limit = 1e-7, .reason = ROOT " (from step 22)"},
    {.file = "ddim_eta1"},
    {.file = "ddpm"},
    {.file = "ddpm",
        .label = "n7_variance_type=fixed_small_log",
        .limit = 1e-7,
        .reason = "an exponential is an ulp off in the recording (step 6)"},
    {.file = "ipndm",
        .compat = true,
        .limit = 5e-7,
        .reason = "sines and arc tangents are an ulp off in the recording"},
    {.file = "lcm"},
    {.file = "more_vp"},
    {.file = "pndm"},
    {.file = "pndm", .label = "n7_trailing_epsilon", .limit = 1e-7, .reason = ROOT " (last step)"},
    {.file = "pndm",
        .label = "n7_trailing_v_prediction",
        .limit = 3e-7,
        .reason = ROOT " (last step)"},
    {.file = "pndm_prk"},
    {.file = "pndm_prk",
        .label = "n7_trailing_epsilon",
        .limit = 1e-7,
        .reason = ROOT " (last step)"},
    {.file = "pndm_prk",
        .label = "n7_trailing_v_prediction",
        .limit = 3e-7,
        .reason = ROOT " (last step)"},
    {.file = "tcd"},
};

int main(void)
{
    trajectories_replay(table, sizeof table / sizeof *table);
    return check_result();
}
