/* scheduler_dpm.c - trajectories of DPM-Solver, UniPC, DEIS and SA-Solver against recorded ones,
 * and what they refuse. SPDX-License-Identifier: MIT
 *
 * The torch that recorded them rounds sqrt, exp and log of single numbers correctly but for one in
 * 100, 80 and 4000. Where a case hangs on one of those, more_dpm has it once more with functions
 * that round correctly, equal to the last bit. */
#include "check.h"
#include "sampling/sampler.h"
#include "trajectory.h"

#include <string.h>

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

/* ---- what is refused ------------------------------------------------------------------------ */

struct refused {
    const char *name, *options;
    int steps;
    const char *words; /* in the sentence; NULL: it is not refused */
};

static const struct refused refused[] = {
    {"dpmsolver_multistep", "solver_order=4", 10, "solver_order is '4', expected"},
    {"dpmsolver_multistep", "algorithm_type=dpmsolver", 10, "final_sigmas_type sigma_min"},
    {"dpmsolver_multistep", "algorithm_type=sde-dpmsolver", 10, "final_sigmas_type sigma_min"},
    {"dpmsolver_multistep",
        "algorithm_type=dpmsolver,final_sigmas_type=sigma_min,prediction_type=flow_prediction", 10,
        "flow_prediction needs algorithm_type"},
    {"dpmsolver_multistep",
        "algorithm_type=sde-dpmsolver,final_sigmas_type=sigma_min,solver_order=3", 10,
        "sde-dpmsolver has no solver_order 3"},
    {"dpmsolver_multistep", "variance_type=learned_range", 10, "predict the variance too"},
    {"dpmsolver_multistep", "variance_type=null", 10, NULL},
    {"dpmsolver_multistep", "use_karras_sigmas=true,use_beta_sigmas=true", 10, "only one of"},
    {"dpmsolver_multistep", "use_karras_sigmas=true,use_flow_sigmas=true", 10, "only one of"},
    {"dpmsolver_multistep", "use_karras_sigmas=true,timesteps=[5]", 10, "leaves no room"},
    {"dpmsolver_multistep", "timesteps=[5,7]", 10, "must fall"},
    {"dpmsolver_multistep", "timesteps=[7.5,7.25]", 10, "fall by whole numbers"},
    {"dpmsolver_multistep", "timesteps=[1000]", 10, "between 0 and num_train_timesteps"},
    {"dpmsolver_multistep", "timesteps=[999,0]", 10, NULL},
    {"dpmsolver_multistep", "sigmas=[10,1,0]", 10, NULL},
    {"dpmsolver_multistep", "sigmas=[10]", 10, "two or more"},
    {"dpmsolver_multistep", "sigmas=[1,10,0]", 10, "two or more, fall"},
    {"dpmsolver_multistep", "sigmas=[10,0],timesteps=[9]", 10, "only one of timesteps and sigmas"},
    {"dpmsolver_multistep", "sigmas=[10,0],algorithm_type=dpmsolver,final_sigmas_type=sigma_min",
        10, "do not reach noise 0"},
    {"dpmsolver_multistep", "lambda_min_clipped=-inf", 10, NULL},
    {"dpmsolver_multistep", "lambda_min_clipped=inf", 10, "lambda_min_clipped"},
    {"dpmsolver_multistep", "lambda_min_clipped=0,trained_betas=[0.9,0.9]", 1, NULL},
    {"dpmsolver_multistep", "lambda_min_clipped=-0.1,trained_betas=[0.9,0.9]", 1, "no timestep"},
    {"dpmsolver_multistep", "timestep_spacing=leading,steps_offset=11", 99, "steps_offset puts"},
    {"dpmsolver_multistep", "timestep_spacing=linspace", 999, NULL},
    {"dpmsolver_multistep", "timestep_spacing=linspace", 1000, "more timesteps than"},
    {"dpmsolver_multistep", "timestep_spacing=leading", 1000, "more timesteps than"},
    {"dpmsolver_multistep", "timestep_spacing=trailing", 1000, NULL},
    {"dpmsolver_multistep", "timestep_spacing=trailing", 1001, "more timesteps than"},
    {"dpmsolver_multistep", "use_karras_sigmas=true", 2000, NULL},
    {"dpmsolver_multistep", "trained_betas=[0.1,1]", 1, "which have no sigma"},
    {"dpmsolver_multistep", "mu=1", 10, "mu needs use_dynamic_shifting"},
    {"dpmsolver_multistep", "mu=1,use_dynamic_shifting=true", 10, "mu needs use_dynamic_shifting"},
    {"dpmsolver_multistep",
        "mu=-1,use_dynamic_shifting=true,use_flow_sigmas=true,time_shift_type=linear", 10,
        "mu must be above 0"},
    {"dpmsolver_multistep",
        "mu=2,use_dynamic_shifting=true,use_flow_sigmas=true,time_shift_type=linear", 10, NULL},
    {"dpmsolver_singlestep", "algorithm_type=dpmsolver", 10, "final_sigmas_type sigma_min"},
    {"dpmsolver_singlestep", "algorithm_type=sde-dpmsolver", 10, "algorithm_type is"},
    {"dpmsolver_singlestep", "variance_type=learned", 10, "predict the variance too"},
    {"edm_dpmsolver_multistep", "algorithm_type=sde-dpmsolver++,solver_order=3", 10,
        "sde-dpmsolver++ has no solver_order 3"},
    {"edm_dpmsolver_multistep", "algorithm_type=dpmsolver", 10, "algorithm_type is"},
    {"edm_dpmsolver_multistep", "sigma_min=2,sigma_max=1", 10, "sigma_min must be below"},
    {"deis", "algorithm_type=dpmsolver", 10, "algorithm_type is"},
    {"deis", "final_sigmas_type=zero", 10, "no option 'final_sigmas_type'"},
    {"sa_solver", "variance_type=learned", 10, "predict the variance too"},
    {"sa_solver", "predictor_order=5", 10, "predictor_order is '5', expected"},
    {"sa_solver", "algorithm_type=noise_prediction,prediction_type=flow_prediction", 10,
        "flow_prediction needs algorithm_type data_prediction"},
    {"unipc", "solver_type=bh1", 10, "bh1 needs final_sigmas_type sigma_min"},
    {"unipc", "predict_x0=false", 10, "final_sigmas_type sigma_min"},
    {"unipc", "lower_order_final=false", 10, "final_sigmas_type sigma_min"},
    {"unipc", "lower_order_final=false,solver_order=1", 10, NULL},
    {"unipc", "predict_x0=false,final_sigmas_type=sigma_min,thresholding=true", 10, "predict_x0"},
    {"unipc", "predict_x0=false,final_sigmas_type=sigma_min,prediction_type=flow_prediction", 10,
        "flow_prediction needs predict_x0"},
    {"unipc", "use_dynamic_shifting=true", 10, "needs mu"},
    {"unipc", "shift_terminal=0.1", 10, "need use_flow_sigmas"},
    {"unipc", "sigmas=[0.5]", 10, "need use_flow_sigmas"},
    {"unipc", "use_flow_sigmas=true,sigmas=[0.5,0.6]", 10, "sigmas must fall"},
    {"unipc", "use_flow_sigmas=true,sigmas=[0.5,0]", 10, "sigmas must fall, and be above 0"},
    {"unipc", "use_flow_sigmas=true,use_beta_sigmas=true", 10, "no other curve"},
    {"unipc", "use_flow_sigmas=true,use_karras_sigmas=true,sigmas=[0.5]", 10, "no room"},
    {"unipc", "use_flow_sigmas=true,shift_terminal=0.1", 1, "two steps or more"},
    {"unipc", "use_flow_sigmas=true,sigmas=[1],shift_terminal=0.1", 9, "two steps or more"},
    {"unipc", "use_flow_sigmas=true,shift_terminal=0.1", 2, NULL},
    {"unipc", "use_karras_sigmas=true,sigma_min=20,sigma_max=10", 10, "below sigma_max"},
};

static void check_refused(const struct refused *row)
{
    struct settings user = {0};
    struct scheduler *scheduler = NULL;
    struct plan_request request = {.steps = row->steps, .strength = 1};
    struct plan_outline outline;
    CHECK_OK(settings_read(&user, row->options, "test"));
    enum clat_status status = scheduler_open(row->name, NULL, &user, &scheduler);
    if (status == CLAT_OK)
        status = scheduler_plan(scheduler, &request, &outline);
    if (row->words)
        CHECK_FAILS(status, CLAT_ERROR_USAGE, row->words);
    else
        CHECK_OK(status);
    scheduler_close(scheduler);
    settings_free(&user);
}

/* ---- a last step of no length -----------------------------------------------------------------
 */

/* Curves that end at sigma_min are there a step early. Where diffusers divides by the step's length
 * and gets what is no number, the sample stays as it is; but UniPC corrects the step before. */
enum { ELEMENTS = 16 };
struct samples {
    float before[ELEMENTS], last[ELEMENTS];
};

static enum clat_status network(
    void *user, const float *sample, float divisor, double timestep, float *output)
{
    (void)user;
    for (int i = 0; i < ELEMENTS; i++)
        output[i] = sample[i] / divisor * 0.2f + (float)(0.0004 * timestep - 0.1);
    return CLAT_OK;
}

static enum clat_status keep(void *user, int step, int steps, const float *sample)
{
    struct samples *samples = user;
    (void)step, (void)steps;
    memcpy(samples->before, samples->last, sizeof samples->last);
    memcpy(samples->last, sample, sizeof samples->last);
    return CLAT_OK;
}

static void check_short_step(const char *name, const char *options, double limit)
{
    struct settings user = {0};
    struct samples samples = {{0}, {0}};
    struct scheduler *scheduler = NULL;
    struct plan_request request = {.steps = 16, .strength = 1};
    struct plan_outline outline;
    struct sampler_host host = {.user = &samples, .evaluate = network, .step_done = keep};
    float sample[ELEMENTS];
    check_random(sample, ELEMENTS, 3);
    CHECK_OK(settings_read(&user, options, "test"));
    if (CHECK_OK(scheduler_open(name, NULL, &user, &scheduler)) &&
        CHECK_OK(scheduler_plan(scheduler, &request, &outline)) &&
        CHECK_OK(scheduler_run(scheduler, &host, 1, ELEMENTS, sample)))
        check_near(options, samples.last, samples.before, ELEMENTS, limit);
    scheduler_close(scheduler);
    settings_free(&user);
}

static void short_steps(void)
{
    check_short_step("dpmsolver_multistep",
        "use_karras_sigmas=true,final_sigmas_type=sigma_min,solver_order=3", 0);
    check_short_step("dpmsolver_multistep",
        "use_beta_sigmas=true,final_sigmas_type=sigma_min,solver_type=heun", 0);
    check_short_step(
        "edm_dpmsolver_multistep", "final_sigmas_type=sigma_min,solver_type=heun", 1e-6);
    check_short_step("edm_dpmsolver_multistep",
        "sigma_schedule=exponential,final_sigmas_type=sigma_min,solver_order=3", 1e-6);
    check_short_step("unipc",
        "use_karras_sigmas=true,final_sigmas_type=sigma_min,solver_order=3,"
        "lower_order_final=false",
        1e-3);
    check_short_step("unipc",
        "use_exponential_sigmas=true,final_sigmas_type=sigma_min,"
        "lower_order_final=false,solver_type=bh1",
        1e-3);
}

int main(void)
{
    trajectories_replay(table, sizeof table / sizeof *table);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        check_refused(&refused[i]);
    short_steps();
    return check_result();
}
