#!/usr/bin/env python3
"""Runs of DPM-Solver, UniPC, DEIS that other recorded files lack: make_dpm_runs.py OUT_STEM

Writes OUT_STEM.json and OUT_STEM.safetensors as tests/trajectory.h describes them, with diffusers'
own classes on the toy network: flows, thresholding, clipped lambdas, the user's own timesteps, all
orders of singlestep, rarer options, odd numbers of steps; and the cases of other files that hang on
a square root, exponential or logarithm that torch does not round correctly. Here these are.
Made with torch 2.15 (CPU), diffusers 0.42.1. SPDX-License-Identifier: MIT"""
import json
import sys
import warnings

import numpy as np
import torch
import diffusers
from safetensors.torch import save_file

warnings.filterwarnings("ignore")
diffusers.utils.logging.set_verbosity_error()
torch.set_num_threads(1)
SEED, SHAPE = 11, (1, 4, 2, 4)
BASE = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
f32 = np.float32


def exact(function):
    return lambda x, *_: torch.from_numpy(np.asarray(function(x.double().numpy()).astype(f32)))


power = torch.Tensor.__pow__
roots = {0.5: exact(np.sqrt), 7.0: exact(lambda x: x**7.0)}
torch.Tensor.__pow__ = lambda x, e: roots.get(e, lambda x: power(x, e))(x) if x.dtype == torch.float32 else power(x, e)
torch.sqrt, torch.log, torch.exp, torch.expm1 = map(exact, (np.sqrt, np.log, np.exp, np.expm1))
torch.Tensor.sqrt, torch.Tensor.exp = torch.sqrt, torch.exp

tensors, cases = {}, {}


def toy(x, t):
    return x * torch.tensor(0.2) + torch.tensor(f32(0.0004 * float(t) - 0.1))


def record(name, cls, config, n, lists={}, strength=None, sigmas=False, tau=None):
    """lists: further arguments of set_timesteps, which are options of ours; sigmas: so are those of
    the class, instead of its config's curve; tau: (tau, tau_low, tau_high) of SA-Solver."""
    function = {}
    if tau:
        function["tau_func"] = lambda t: tau[0] if tau[1] <= t <= tau[2] else 0
    scheduler = getattr(diffusers, cls)(**config, **function)
    generator = torch.Generator().manual_seed(SEED)
    x = x0 = torch.randn(SHAPE, generator=generator) * (1 if strength else scheduler.init_noise_sigma)
    arguments = {k: np.array(v) if k == "sigmas" else v for k, v in lists.items()}
    if "timesteps" not in lists:
        arguments["num_inference_steps"] = n
    scheduler.set_timesteps(**arguments)
    first = n - int(n * strength) if strength else 0
    scheduler.set_begin_index(first)
    extra = {"generator": generator} if "DPM" in cls or cls == SA else {}
    outputs = []
    for t in scheduler.timesteps[first:]:
        x = scheduler.step(toy(scheduler.scale_model_input(x, t), t), t, x, **extra).prev_sample
        outputs.append(x)
    x = torch.cat(outputs)
    assert torch.isfinite(x).all(), name
    tensors[name + "/x0"] = x0.contiguous()
    tensors[name + "/timesteps"] = scheduler.timesteps[first:].double().clone()
    tensors[name + "/x"] = x
    if sigmas:
        config = dict(BASE, sigmas=[float(s) for s in scheduler.sigmas])
    if tau:
        config = dict(config, tau=tau[0], tau_low=tau[1], tau_high=tau[2])
    cases[name] = dict(cls=cls, config=dict(config, **lists), n=n, step={}, strength=strength, calls=len(x))


MULTI, SINGLE = "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"
UNIPC, DEIS, EDM = "UniPCMultistepScheduler", "DEISMultistepScheduler", "EDMDPMSolverMultistepScheduler"
CLASSES = dict(multi=MULTI, single=SINGLE, unipc=UNIPC, deis=DEIS)
SA = "SASolverScheduler"
EPS = dict(BASE, algorithm_type="dpmsolver", final_sigmas_type="sigma_min")
SDE = dict(BASE, algorithm_type="sde-dpmsolver++")
SDE_EPS = dict(EPS, algorithm_type="sde-dpmsolver")
SR = dict(beta_start=0.0015, beta_end=0.0155)

# ---- cases of the other files where the rounding of torch decides
for order in (1, 2, 3):
    record(f"multi_{order}_n50", MULTI, dict(BASE, solver_order=order), 50)
    record(f"deis_{order}_n50", DEIS, dict(BASE, solver_order=order), 50)
for order in (1, 2):
    record(f"unipc_{order}_n50", UNIPC, dict(BASE, solver_order=order), 50)
for order in (2, 3):
    record(f"single_{order}_n50", SINGLE, dict(BASE, solver_order=order), 50)
record("multi_epsilon_n50", MULTI, EPS, 50)
record("multi_epsilon_sr", MULTI, dict(EPS, **SR), 7)
record("multi_sde_n50", MULTI, SDE, 50)
record("multi_sde_epsilon_n50", MULTI, SDE_EPS, 50)
record("multi_sde_epsilon_n20", MULTI, SDE_EPS, 20)
record("multi_sde_epsilon_sr", MULTI, dict(SDE_EPS, **SR), 7)
record("deis_1_sr", DEIS, dict(BASE, solver_order=1, **SR), 7)

# ---- every class
for name, cls in CLASSES.items():
    record(name + "_threshold", cls, dict(BASE, thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=3.0), 7)
    record(name + "_trained", cls, dict(trained_betas=[0.001 * (i + 1) for i in range(40)], num_train_timesteps=40), 7)
    record(name + "_squaredcos_karras", cls, dict(beta_schedule="squaredcos_cap_v2", use_karras_sigmas=True), 7)
    record(name + "_flow", cls, dict(use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction"), 7)
    record(name + "_flow_mu", cls, dict(use_flow_sigmas=True, use_dynamic_shifting=True, prediction_type="flow_prediction"), 7, dict(mu=0.7))
    for curve in ("exponential", "beta"):
        record(f"{name}_{curve}", cls, {**BASE, f"use_{curve}_sigmas": True}, 8)
    for n in (1, 2, 3, 16, 31):
        for spacing in ("linspace",) if cls == SINGLE else ("linspace", "trailing", "leading"):
            record(f"{name}_{spacing}_n{n}", cls, dict(BASE, **({} if cls == SINGLE else dict(timestep_spacing=spacing, steps_offset=1))), n)
for name, cls in (("multi", MULTI), ("unipc", UNIPC)):
    record(name + "_zero_snr", cls, dict(BASE, rescale_betas_zero_snr=True, timestep_spacing="trailing", prediction_type="v_prediction"), 7)
for name, cls in (("multi", MULTI), ("single", SINGLE)):
    record(name + "_own", cls, BASE, 6, dict(timesteps=[980, 700, 333, 332, 100, 7]))
    record(name + "_own_sigmas", cls, dict(BASE, use_karras_sigmas=True), 7, sigmas=True)
    record(name + "_clipped", cls, dict(beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1), 7)
    record(name + "_karras_sigma_min", cls, dict(BASE, use_karras_sigmas=True, final_sigmas_type="sigma_min"), 16)

# ---- DPM-Solver, multistep
for spacing in ("leading", "trailing"):
    record("multi_clipped_" + spacing, MULTI, dict(beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-2.0, timestep_spacing=spacing), 7)
record("multi_squaredcos_lu", MULTI, dict(beta_schedule="squaredcos_cap_v2", use_lu_lambdas=True), 7)
record("multi_epsilon_threshold", MULTI, dict(EPS, thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=3.0), 7)
record("multi_euler_at_final", MULTI, dict(BASE, euler_at_final=True, final_sigmas_type="sigma_min", lower_order_final=False), 7)
record("multi_3_high", MULTI, dict(BASE, solver_order=3, lower_order_final=False, final_sigmas_type="sigma_min"), 7)
record("multi_sde_epsilon_1", MULTI, dict(SDE_EPS, solver_order=1), 7)
record("multi_sde_sigma_min", MULTI, dict(SDE, final_sigmas_type="sigma_min", lower_order_final=False), 7)

# ---- singlestep: all formulas, blocks that come out even or not
for label, config in (("", BASE), ("epsilon_", EPS), ("sde_", SDE)):
    for order in (1, 2, 3):
        for kind in ("midpoint", "heun"):
            record(f"single_{label}{order}_{kind}", SINGLE, dict(config, solver_order=order, solver_type=kind), 9)
for order in (2, 3):
    for n in (10, 11, 12):
        record(f"single_{order}_lower_n{n}", SINGLE, dict(EPS, solver_order=order, lower_order_final=True), n)
        record(f"single_{order}_higher_n{n}", SINGLE, dict(EPS, solver_order=order), n)
for n in (10, 11, 12):
    record(f"single_3_n{n}", SINGLE, dict(BASE, solver_order=3), n)
    for strength in (0.85, 0.7, 0.5):
        record(f"single_3_n{n}_s{strength}", SINGLE, dict(BASE, solver_order=3), n, strength=strength)

# ---- UniPC
FLOW = dict(use_flow_sigmas=True, prediction_type="flow_prediction")
record("unipc_flow_terminal", UNIPC, dict(FLOW, flow_shift=2.0, shift_terminal=0.1), 7)
record("unipc_flow_sigmas", UNIPC, dict(FLOW), 4, dict(sigmas=[0.9, 0.6, 0.4, 0.1]))
record("unipc_flow_sigma_min", UNIPC, dict(FLOW, flow_shift=5.0, final_sigmas_type="sigma_min"), 7)
record("unipc_flow_karras", UNIPC, dict(BASE, **FLOW, use_karras_sigmas=True), 7)
record("unipc_range", UNIPC, dict(BASE, use_karras_sigmas=True, sigma_min=0.1, sigma_max=10.0), 7)
record("unipc_range_sigma_min", UNIPC, dict(BASE, use_exponential_sigmas=True, sigma_min=0.1, sigma_max=10.0, final_sigmas_type="sigma_min"), 7)
for kind in ("bh1", "bh2"):
    for x0 in (True, False):
        record(f"unipc_{kind}_{'x0' if x0 else 'epsilon'}", UNIPC, dict(BASE, solver_type=kind, predict_x0=x0, final_sigmas_type="sigma_min", lower_order_final=False), 7)
record("unipc_epsilon_v", UNIPC, dict(BASE, predict_x0=False, final_sigmas_type="sigma_min", prediction_type="v_prediction"), 7)
record("unipc_epsilon_sample", UNIPC, dict(BASE, predict_x0=False, final_sigmas_type="sigma_min", prediction_type="sample"), 7)
record("unipc_4", UNIPC, dict(BASE, solver_order=4), 10)
record("unipc_5", UNIPC, dict(BASE, solver_order=5), 12)
record("unipc_no_corrector", UNIPC, dict(BASE, disable_corrector=[0, 1, 2, 3, 4, 5]), 7)

# ---- EDM
record("edm_exponential", EDM, dict(sigma_schedule="exponential"), 7)
record("edm_sde", EDM, dict(algorithm_type="sde-dpmsolver++"), 7)
record("edm_heun", EDM, dict(solver_type="heun", final_sigmas_type="sigma_min", sigma_data=1.0), 7)
record("edm_euler_at_final", EDM, dict(euler_at_final=True, final_sigmas_type="sigma_min", lower_order_final=False, sigma_min=0.01, sigma_max=20.0), 7)
record("edm_threshold", EDM, dict(thresholding=True, sample_max_value=3.0, dynamic_thresholding_ratio=0.9), 7)

# ---- SA-Solver
for n in (1, 2, 3, 7, 10, 20):
    record(f"sa_n{n}", SA, BASE, n)
for spacing in ("leading", "trailing"):
    record("sa_" + spacing, SA, dict(BASE, timestep_spacing=spacing, steps_offset=1), 7)
for prediction in ("sample", "v_prediction"):
    record("sa_" + prediction, SA, dict(BASE, prediction_type=prediction), 7)
    record("sa_noise_" + prediction, SA, dict(BASE, prediction_type=prediction, algorithm_type="noise_prediction"), 7)
for curve in ("karras", "exponential", "beta"):
    record("sa_" + curve, SA, {**BASE, f"use_{curve}_sigmas": True}, 8)
for predictor in (1, 2, 3, 4):
    for corrector in (1, 2, 3, 4):
        orders = dict(predictor_order=predictor, corrector_order=corrector)
        record(f"sa_{predictor}{corrector}", SA, dict(BASE, **orders), 8)
    record(f"sa_noise_{predictor}{predictor}", SA, dict(BASE, algorithm_type="noise_prediction", **orders), 8)
record("sa_higher", SA, dict(BASE, lower_order_final=False, predictor_order=3, corrector_order=4), 8)
record("sa_threshold", SA, dict(BASE, thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=3.0), 7)
record("sa_flow", SA, dict(use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction"), 7)
record("sa_clipped", SA, dict(beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1), 7)
record("sa_middle_0.6", SA, BASE, 10, strength=0.6)
record("sa_middle_0.35", SA, dict(BASE, predictor_order=3, corrector_order=4), 10, strength=0.35)
record("sa_tau0", SA, BASE, 8, tau=(0.0, 0, 1000))
record("sa_tau_half", SA, BASE, 8, tau=(0.5, 0, 1000))
record("sa_noise_tau", SA, dict(BASE, algorithm_type="noise_prediction"), 8, tau=(0.75, 300, 1000))


# ---- DPM++ 2S a, which diffusers does not have: k-diffusion's loop, in numpy
def record_2s_ancestral(name, n, config, eta=1.0, s_noise=1.0, strength=None):
    log, exp, expm1, sqrt = (lambda x, f=f: f32(f(np.float64(x))) for f in (np.log, np.exp, np.expm1, np.sqrt))
    euler = diffusers.EulerDiscreteScheduler(**config)
    table = ((1 - euler.alphas_cumprod) / euler.alphas_cumprod) ** 0.5
    euler.set_timesteps(n)
    sigmas, first = euler.sigmas.numpy(), n - int(n * strength) if strength else 0
    generator = torch.Generator().manual_seed(SEED)
    x0 = torch.randn(SHAPE, generator=generator)
    x0 = x = x0 if strength else x0 * euler.init_noise_sigma
    timesteps, outputs = [], []

    def denoised(x, sigma, t):
        timesteps.append(float(t))
        return x - float(sigma) * toy(x / float(sqrt(sigma * sigma + f32(1))), t)

    for i in range(first, n):
        s, nxt = sigmas[i], sigmas[i + 1]
        up = min(nxt, f32(eta) * sqrt(nxt * nxt * (s * s - nxt * nxt) / (s * s)))
        down = sqrt(nxt * nxt - up * up)
        d = denoised(x, s, euler.timesteps[i])
        if down == 0:
            outputs.append(x + (x - d) / float(s) * float(down - s))
            x = outputs[-1]
            continue
        u = -log(s)
        h = -log(down) - u
        middle, start, end = exp(-(u + h * f32(0.5))), exp(-u), exp(-(u + h))
        y = float(middle / start) * x - float(expm1(-h * f32(0.5))) * d
        outputs.append(y)
        d = denoised(y, middle, euler._sigma_to_t(np.float64(middle), np.log(table.numpy())))
        x = float(end / start) * x - float(expm1(-h)) * d
        if up > 0:
            x = x + torch.randn(SHAPE, generator=generator) * s_noise * float(up)
        outputs.append(x)
    tensors[name + "/x0"] = x0.contiguous()
    tensors[name + "/timesteps"] = torch.tensor(timesteps, dtype=torch.float64)
    tensors[name + "/x"] = torch.cat(outputs)
    cases[name] = dict(cls="dpmsolver_2s_ancestral", config=dict(config, eta=eta, s_noise=s_noise), n=n, step={}, strength=strength, calls=len(outputs))


for n in (1, 2, 7, 10, 20):
    record_2s_ancestral(f"2s_ancestral_n{n}", n, BASE)
record_2s_ancestral("2s_ancestral_eta0.5", 7, BASE, eta=0.5, s_noise=1.003)
record_2s_ancestral("2s_ancestral_eta0", 7, BASE, eta=0.0)
record_2s_ancestral("2s_ancestral_karras", 8, dict(BASE, use_karras_sigmas=True))
record_2s_ancestral("2s_ancestral_middle", 10, BASE, strength=0.6)

save_file(tensors, sys.argv[1] + ".safetensors")
with open(sys.argv[1] + ".json", "w") as file:
    rows = ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in cases.items())
    file.write('{\n"cases": {\n' + rows + "\n}\n}\n")
