/* scheduler_sigma.c - trajectories of schedulers in sigma space against recorded ones.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "trajectory.h"

/* Torch, as it recorded these runs, rounds one square root in 160 and one exponential in 80 to a
 * neighbour of the right number. Where that hits a level or a coefficient, the last bit differs
 * from there on; with those functions rounded correctly, diffusers gives our numbers in every case
 * (sigma_options has those runs again, recorded so). */
#define ROOT "torch's square root is one ulp off in a coefficient"
#define EXPONENTIAL "torch's exponential is one ulp off in a midpoint"
#define RECIPROCAL "diffusers multiplies the network's input by the reciprocal of our divisor"
#define QUANTILE "quantiles of the beta distribution differ in the last bits of a double"

static const struct expected table[] = {
    {.file = "sigma_options"},
    {.file = "sigma_options", .label = "edm_churn", .limit = 3e-7, .reason = RECIPROCAL},
    {.file = "sigma_options", .label = "edm_sigma_min", .limit = 3e-7, .reason = RECIPROCAL},
    {.file = "sigma_options", .label = "edm_data", .limit = 3e-7, .reason = RECIPROCAL},
    {.file = "euler"},
    {.file = "euler",
        .label =
            "n7_rescale_betas_zero_snr=True_timestep_spacing=trailing_prediction_type=v_prediction",
        .limit = 2e-7,
        .reason = ROOT},
    {.file = "euler_churn"},
    {.file = "euler_churn", .label = "n50", .limit = 2e-7, .reason = ROOT},
    {.file = "euler_ancestral"},
    {.file = "heun"},
    {.file = "lms"},
    {.file = "lms", .label = "img2img_n10_s0.6", .compat = true},
    {.file = "lms", .label = "img2img_n10_s0.35", .compat = true},
    {.file = "edm_euler", .limit = 3e-7, .reason = RECIPROCAL},
    {.file = "flow_euler"},
    {.file = "dpmsolver_sde",
        .limit = 1e-7,
        .reason = "timesteps of midpoints come from sigmas that are rounded to float32"},
    {.file = "kdpm2"},
    {.file = "kdpm2", .label = "n50", .limit = 2e-7, .reason = EXPONENTIAL},
    {.file = "kdpm2",
        .label = "n7_use_exponential_sigmas=True",
        .limit = 2e-7,
        .reason = EXPONENTIAL},
    {.file = "kdpm2", .label = "n7_use_beta_sigmas=True", .limit = 1e-12, .reason = QUANTILE},
    {.file = "kdpm2_ancestral"},
    {.file = "kdpm2_ancestral", .label = "n20", .limit = 2e-7, .reason = EXPONENTIAL},
    {.file = "kdpm2_ancestral", .label = "n50", .limit = 2e-7, .reason = EXPONENTIAL},
    {.file = "kdpm2_ancestral",
        .label = "n7_use_beta_sigmas=True",
        .limit = 1e-12,
        .reason = QUANTILE},
};

int main(void)
{
    trajectories_replay(table, sizeof table / sizeof *table);
    return check_result();
}
