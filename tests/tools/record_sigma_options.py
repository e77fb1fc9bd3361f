#!/usr/bin/env python3
"""Runs of diffusers' schedulers in sigma space for tests/scheduler_sigma.c: record_sigma_options.py OUT_DIR

Writes sigma_options and dpmsolver_sde, each .json and .safetensors, as tests/trajectory.h describes them:
options that the other recorded runs leave out, and those runs of theirs in which torch rounds wrongly.
For torch's square root, exponential and logarithm are exchanged for correctly rounded ones here: its
own are an ulp off for up to one value in 80, depending on the processor.
SPDX-License-Identifier: MIT"""
import importlib
import inspect
import json
import sys
import types

import diffusers
import numpy as np
import torch
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from safetensors.torch import save_file

# ---- correctly rounded functions: by way of double ----------------------------------------------------


def exact(function):
    def call(tensor, *_):
        values = tensor.detach().numpy()
        return torch.from_numpy(np.asarray(function(values.astype(np.float64)).astype(values.dtype)))
    return call


power = torch.Tensor.__pow__
torch.Tensor.__pow__ = torch.Tensor.pow = lambda x, e: exact(np.sqrt)(x) if e == 0.5 else power(x, e)
torch.sqrt = torch.Tensor.sqrt = exact(np.sqrt)
torch.exp = torch.Tensor.exp = exact(np.exp)
torch.log = torch.Tensor.log = exact(np.log)
torch.expm1 = torch.Tensor.expm1 = exact(np.expm1)

# ---- DPM-Solver SDE: every increment of its Brownian path is a fresh draw here --------------------------
sys.modules["torchsde"] = types.ModuleType("torchsde")
sde = importlib.import_module("diffusers.schedulers.scheduling_dpmsolver_sde")
diffusers.DPMSolverSDEScheduler = sde.DPMSolverSDEScheduler
generator = None  # of the run


class FreshNoise:
    def __init__(self, x, *_):
        self.shape = x.shape

    def __call__(self, sigma, sigma_next):
        return torch.randn(self.shape, generator=generator)


sde.BrownianTreeNoiseSampler = FreshNoise

# ---- the cases: label, class, config, steps, arguments of step, of set_timesteps, strength --------------
SD = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
EULER, ANCESTRAL, HEUN, LMS = "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete", "LMSDiscrete"
SDE = "DPMSolverSDE"
DPM2, DPM2A, EDM, FLOW = "KDPM2Discrete", "KDPM2AncestralDiscrete", "EDMEuler", "FlowMatchEulerDiscrete"
V = dict(prediction_type="v_prediction")
CHURN = dict(s_churn=3.0, s_tmin=0.05, s_tmax=10.0, s_noise=1.003)
KARRAS, EXPONENTIAL, BETA = ({f"use_{x}_sigmas": True} for x in ("karras", "exponential", "beta"))
TIMES = [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]
AYS = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.0]
OWN = [round(0.002 + 0.001 * i * i, 6) for i in range(20)]

CASES = [
    ("euler_sigma_min_max", EULER, dict(SD, sigma_min=0.05, sigma_max=10.0, **KARRAS), 7, {}, {}, None),
    ("euler_sigma_min_exponential", EULER, dict(SD, sigma_min=0.05, **EXPONENTIAL), 7, {}, {}, None),
    ("euler_sigma_max_beta", EULER, dict(SD, sigma_max=5.0, **BETA), 7, {}, {}, None),
    ("euler_log_linear_karras", EULER, dict(SD, interpolation_type="log_linear", **KARRAS), 7, CHURN, {}, None),
    ("euler_log_linear_churn", EULER, dict(SD, interpolation_type="log_linear"), 7, CHURN, {}, None),
    ("euler_log_linear_times", EULER, dict(SD, interpolation_type="log_linear"), 10, {}, dict(timesteps=TIMES), None),
    ("euler_continuous", EULER, dict(SD, timestep_type="continuous", **V), 7, {}, {}, None),
    ("euler_continuous_karras", EULER, dict(SD, timestep_type="continuous", **V, **KARRAS), 7, {}, {}, None),
    ("euler_continuous_epsilon", EULER, dict(SD, timestep_type="continuous"), 7, {}, {}, None),
    ("euler_times", EULER, SD, 10, {}, dict(timesteps=TIMES), None),
    ("euler_sigmas", EULER, SD, 10, {}, dict(sigmas=AYS), None),
    ("euler_sigmas_middle", EULER, SD, 10, {}, dict(sigmas=AYS), 0.5),
    ("euler_leading_times", EULER, dict(SD, timestep_spacing="leading"), 10, {}, dict(timesteps=TIMES), None),
    ("euler_karras_leading", EULER, dict(SD, timestep_spacing="leading", steps_offset=1, **KARRAS), 7, {}, {}, None),
    ("euler_karras_sigma_min", EULER, dict(SD, final_sigmas_type="sigma_min", **KARRAS), 7, {}, {}, None),
    ("euler_own_betas", EULER, dict(trained_betas=OWN, num_train_timesteps=20), 7, {}, {}, None),
    ("euler_linear", EULER, dict(beta_start=0.0001, beta_end=0.02), 7, {}, {}, None),
    ("euler_short", EULER, dict(SD, num_train_timesteps=37), 10, {}, {}, None),
    ("euler_many", EULER, dict(SD, num_train_timesteps=10), 13, {}, {}, None),
    ("euler_zero_snr_leading", EULER, dict(SD, rescale_betas_zero_snr=True, timestep_spacing="leading", **V), 7, {}, {}, None),
    ("euler_zero_snr_trailing", EULER, dict(SD, rescale_betas_zero_snr=True, timestep_spacing="trailing", **V), 7, {}, {}, None),
    ("euler_churn_50", EULER, SD, 50, CHURN, {}, None),
    ("euler_churn_middle", EULER, SD, 10, CHURN, {}, 0.5),
    ("euler_one", EULER, dict(SD, timestep_spacing="trailing"), 1, {}, {}, None),
    ("ancestral_zero_snr", ANCESTRAL, dict(SD, rescale_betas_zero_snr=True, timestep_spacing="trailing", **V), 7, {}, {}, None),
    ("ancestral_one", ANCESTRAL, SD, 1, {}, {}, None),
    ("heun_clip", HEUN, dict(SD, clip_sample=True), 7, {}, {}, None),
    ("heun_clip_range", HEUN, dict(SD, clip_sample=True, clip_sample_range=0.3), 7, {}, {}, None),
    ("heun_times", HEUN, SD, 10, {}, dict(timesteps=TIMES), None),
    ("heun_exp", HEUN, dict(SD, beta_schedule="exp"), 7, {}, {}, None),
    ("heun_karras_middle", HEUN, dict(SD, **KARRAS), 10, {}, {}, 0.35),
    ("heun_one", HEUN, SD, 1, {}, {}, None),
    ("lms_order_1", LMS, SD, 7, dict(order=1), {}, None),
    ("lms_order_2", LMS, SD, 7, dict(order=2), {}, None),
    ("lms_order_3", LMS, dict(SD, timestep_spacing="leading", **KARRAS), 7, dict(order=3), {}, None),
    ("dpm2_karras_leading", DPM2, dict(SD, timestep_spacing="leading", steps_offset=1, **KARRAS), 7, {}, {}, None),
    ("dpm2_exponential", DPM2, dict(SD, **EXPONENTIAL), 7, {}, {}, None),
    ("dpm2_50", DPM2, SD, 50, {}, {}, None),
    ("dpm2_karras_middle", DPM2, dict(SD, **KARRAS), 10, {}, {}, 0.35),
    ("dpm2_one", DPM2, SD, 1, {}, {}, None),
    ("dpm2_ancestral_20", DPM2A, SD, 20, {}, {}, None),
    ("dpm2_ancestral_50", DPM2A, SD, 50, {}, {}, None),
    ("dpm2_ancestral_karras_middle", DPM2A, dict(SD, **KARRAS), 10, {}, {}, 0.35),
    ("dpm2_ancestral_one", DPM2A, SD, 1, {}, {}, None),
    ("sde", SDE, SD, 7, {}, {}, None),
    ("sde_50", SDE, SD, 50, {}, {}, None),
    ("sde_v_trailing", SDE, dict(SD, timestep_spacing="trailing", **V), 7, {}, {}, None),
    ("sde_leading", SDE, dict(SD, timestep_spacing="leading", steps_offset=1), 7, {}, {}, None),
    ("sde_karras", SDE, dict(SD, **KARRAS), 10, {}, {}, None),
    ("sde_exponential", SDE, dict(SD, **EXPONENTIAL), 7, {}, {}, None),
    ("sde_beta", SDE, dict(SD, **BETA), 7, {}, {}, None),
    ("sde_noise", SDE, SD, 7, dict(s_noise=1.1), {}, None),
    ("sde_middle", SDE, SD, 10, {}, {}, 0.35),
    ("sde_one", SDE, SD, 1, {}, {}, None),
    ("edm_churn", EDM, {}, 7, dict(s_churn=3.0, s_tmin=0.05, s_tmax=50.0, s_noise=1.003), {}, None),
    ("edm_sigma_min", EDM, dict(sigma_min=0.01, sigma_max=50.0, rho=5.0, final_sigmas_type="sigma_min"), 7, {}, {}, None),
    ("edm_data", EDM, dict(sigma_data=1.0, **V), 7, {}, {}, None),
    ("edm_one", EDM, {}, 1, {}, {}, None),
    ("flow_karras", FLOW, dict(shift=3.0, **KARRAS), 7, {}, {}, None),
    ("flow_exponential", FLOW, dict(**EXPONENTIAL), 7, {}, {}, None),
    ("flow_beta", FLOW, dict(shift=3.0, **BETA), 7, {}, {}, None),
    ("flow_dynamic", FLOW, dict(use_dynamic_shifting=True, shift=3.0), 7, {}, dict(mu=0.9), None),
    ("flow_dynamic_linear", FLOW, dict(use_dynamic_shifting=True, time_shift_type="linear"), 7, {}, dict(mu=0.9), None),
    ("flow_tokens", FLOW, dict(use_dynamic_shifting=True), 7, {}, dict(image_seq_len=1024), None),
    ("flow_terminal", FLOW, dict(shift_terminal=0.1), 7, {}, {}, None),
    ("flow_inverted", FLOW, dict(invert_sigmas=True, shift=3.0), 7, {}, {}, None),
    ("flow_stochastic", FLOW, dict(stochastic_sampling=True), 7, {}, {}, None),
    ("flow_sigmas", FLOW, dict(shift=3.0), 4, {}, dict(sigmas=[1.0, 0.6, 0.5, 0.2]), None),
    ("flow_times", FLOW, dict(shift=3.0), 3, {}, dict(timesteps=[1000.0, 700.5, 20.0]), None),
    ("flow_both", FLOW, {}, 2, {}, dict(sigmas=[0.9, 0.4], timesteps=[800.0, 300.0]), None),
    ("flow_middle", FLOW, dict(shift=3.0), 10, {}, {}, 0.35),
    ("flow_one", FLOW, dict(shift=3.0), 1, {}, {}, None),
]

# ---- recording ----------------------------------------------------------------------------------------


def toy(x, t):
    return x * torch.tensor(0.2) + torch.tensor(np.float32(0.0004 * float(t) - 0.1))


def run(cls, config, n, step, plan, strength):
    """Start, timesteps of the evaluations, samples after each."""
    global generator
    scheduler = cls(**config)
    generator = torch.Generator().manual_seed(11)
    x = torch.randn((1, 4, 2, 4), generator=generator)
    if "image_seq_len" in plan:  # as diffusers' pipelines do it
        plan = dict(mu=calculate_shift(plan["image_seq_len"]))
    lists = "timesteps" in plan or "sigmas" in plan
    scheduler.set_timesteps(**(plan if lists else dict(plan, num_inference_steps=n)))
    timesteps = scheduler.timesteps
    if strength is None:
        x = x * getattr(scheduler, "init_noise_sigma", 1.0)
    else:
        first = (n - int(n * strength)) * scheduler.order
        timesteps = timesteps[first:]
        scheduler.set_begin_index(first)
    if "generator" in inspect.signature(scheduler.step).parameters:
        step = dict(step, generator=generator)
    start, samples = x, []
    for t in timesteps:
        seen = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(toy(seen, t), t, x, **step).prev_sample
        samples.append(x)
    return dict(x0=start, timesteps=timesteps.double(), x=torch.cat(samples))


def record(stem, cases):
    tensors, facts = {}, {}
    for label, name, config, n, step, plan, strength in cases:
        for part, values in run(getattr(diffusers, name + "Scheduler"), config, n, step, plan, strength).items():
            tensors[f"{label}/{part}"] = values.contiguous()
        facts[label] = dict(cls=name + "Scheduler", config=dict(config, **plan), n=n, step=step, strength=strength)
    save_file(tensors, f"{sys.argv[1]}/{stem}.safetensors")
    with open(f"{sys.argv[1]}/{stem}.json", "w") as file:
        rows = ",\n".join(f"{json.dumps(label)}: {json.dumps(row)}" for label, row in facts.items())
        file.write('{"cases": {\n' + rows + "\n}}\n")
    print(stem, len(facts), "cases")


torch.set_num_threads(1)
record("sigma_options", [case for case in CASES if case[1] != SDE])
record("dpmsolver_sde", [case for case in CASES if case[1] == SDE])
