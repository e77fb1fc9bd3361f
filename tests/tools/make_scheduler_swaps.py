#!/usr/bin/env python3
"""Makes tests/data/scheduler_swaps.json: what diffusers' from_config() makes of the configuration of one
scheduler class in another. SPDX-License-Identifier: MIT

usage: make_scheduler_swaps.py OUTPUT          (needs diffusers 0.42.1)

{"defaults": {CLASS: {key: value}},
 "swaps": [{"from": what, "config": TEXT of a scheduler_config.json,
            "to": {CLASS: {key: value}}}]}

"to" lists only the keys whose value is not the default of the class; null stands for a class that refuses the
configuration. Values are JSON; infinities are the strings "inf" and "-inf".
"""
import inspect
import json
import logging
import math
import sys
import warnings

import diffusers

warnings.simplefilter("ignore")
diffusers.utils.logging.set_verbosity(logging.CRITICAL)

CLASSES = """DDIMScheduler DDPMScheduler PNDMScheduler LMSDiscreteScheduler EulerDiscreteScheduler
    EulerAncestralDiscreteScheduler HeunDiscreteScheduler KDPM2DiscreteScheduler KDPM2AncestralDiscreteScheduler
    DPMSolverMultistepScheduler DPMSolverSinglestepScheduler DPMSolverSDEScheduler UniPCMultistepScheduler
    DEISMultistepScheduler LCMScheduler TCDScheduler IPNDMScheduler
    EDMEulerScheduler EDMDPMSolverMultistepScheduler SASolverScheduler FlowMatchEulerDiscreteScheduler""".split()

# A value for each field that is the default of no class.
UNUSUAL = dict(
    num_train_timesteps=900, beta_start=0.0015, beta_end=0.0195, beta_schedule="squaredcos_cap_v2",
    trained_betas=[0.01 + 0.001 * i for i in range(9)], variance_type="fixed_large", clip_sample_range=2.5,
    set_alpha_to_one=None, steps_offset=3, prediction_type="v_prediction", thresholding=True,
    dynamic_thresholding_ratio=0.9, sample_max_value=1.5, timestep_spacing="trailing", rescale_betas_zero_snr=True,
    skip_prk_steps=True, use_karras_sigmas=True, interpolation_type="log_linear", sigma_min=0.05, sigma_max=20.0,
    timestep_type="continuous", final_sigmas_type="sigma_min", solver_order=3, solver_type="heun",
    euler_at_final=True, flow_shift=1.25, lambda_min_clipped=-5.1, noise_sampler_seed=7,
    original_inference_steps=40, timestep_scaling=5.0, algorithm_type="sde-dpmsolver++", disable_corrector=[0, 2],
    predictor_order=3, corrector_order=1, predict_x0=False, sigma_data=0.7, sigma_schedule="exponential", rho=5.0, shift=3.0, base_shift=0.4, max_shift=1.1,
    base_image_seq_len=250, max_image_seq_len=4000, invert_sigmas=True, stochastic_sampling=True)
UNUSUAL_OF = {  # where a class has other values, or its default is the one above
    "DPMSolverMultistepScheduler": dict(variance_type="learned_range"),
    "DPMSolverSinglestepScheduler": dict(variance_type="learned_range"),
    "UniPCMultistepScheduler": dict(solver_type="bh1"),
    "DEISMultistepScheduler": dict(solver_type="logrho", algorithm_type="deis"),
    "SASolverScheduler": dict(variance_type="learned_range", algorithm_type="noise_prediction"),
    "IPNDMScheduler": {},
}
AS_SAVED = ("DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "PNDMScheduler")  # with all their defaults
INVERTED = ("clip_sample", "set_alpha_to_one", "lower_order_final")  # the other truth value
OLD = {  # files as older versions saved them, most keys absent
    "stable diffusion 1.5": dict(
        _class_name="PNDMScheduler", _diffusers_version="0.6.0", beta_end=0.012, beta_schedule="scaled_linear",
        beta_start=0.00085, num_train_timesteps=1000, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1,
        trained_betas=None, clip_sample=False),
    "stable diffusion 2.1": dict(
        _class_name="DDIMScheduler", _diffusers_version="0.8.0", beta_end=0.012, beta_schedule="scaled_linear",
        beta_start=0.00085, num_train_timesteps=1000, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1,
        trained_betas=None, clip_sample=False, prediction_type="v_prediction"),
    "sdxl": dict(
        _class_name="EulerDiscreteScheduler", _diffusers_version="0.19.0.dev0", beta_end=0.012,
        beta_schedule="scaled_linear", beta_start=0.00085, clip_sample=False, interpolation_type="linear",
        num_train_timesteps=1000, prediction_type="epsilon", sample_max_value=1.0, set_alpha_to_one=False,
        skip_prk_steps=True, steps_offset=1, timestep_spacing="leading", trained_betas=None, use_karras_sigmas=False),
    "ldm": dict(
        _class_name="DDIMScheduler", _diffusers_version="0.0.4", beta_end=0.0195, beta_schedule="scaled_linear",
        beta_start=0.0015, clip_sample=False, num_train_timesteps=1000, trained_betas=None,
        timestep_values=None),
}


def fields(cls):
    return {k: p.default for k, p in inspect.signature(cls.__init__).parameters.items() if k != "self"}


def plain(value):
    return ("inf" if value > 0 else "-inf") if isinstance(value, float) and math.isinf(value) else value


def unusual(name, cls):
    values = {**UNUSUAL, **UNUSUAL_OF.get(name, {})}
    chosen = {k: values[k] for k in fields(cls) if values.get(k) is not None}
    if name != "IPNDMScheduler":
        chosen.pop("trained_betas", None)
    chosen.update({k: not v for k, v in fields(cls).items() if k in INVERTED})
    return chosen


def swap(cls, config):
    """The fields of `cls` made from the configuration, without its defaults; None if it is refused."""
    try:
        made = cls.from_config(config).config
    except (ValueError, NotImplementedError, TypeError):
        return None
    return {k: plain(made[k]) for k, default in fields(cls).items() if plain(made[k]) != plain(default)}


def main():
    classes = {name: getattr(diffusers, name) for name in CLASSES}
    sources = [(name, json.loads(cls(**unusual(name, cls)).to_json_string())) for name, cls in classes.items()]
    sources += [(f"default {name}", json.loads(classes[name]().to_json_string())) for name in AS_SAVED]
    sources += list(OLD.items())
    # a pipeline swapped twice in memory: defaults of the class in between do not travel
    between = classes["DPMSolverMultistepScheduler"].from_config(OLD["ldm"]).config
    sources.append(("ldm through DPM-Solver", json.loads(json.dumps(dict(between)))))
    swaps = [dict(zip(("from", "config", "to"), (what, json.dumps(config), {
        name: swap(cls, dict(config)) for name, cls in classes.items()}))) for what, config in sources]
    defaults = {name: {k: plain(v) for k, v in fields(cls).items()} for name, cls in classes.items()}
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write('{"defaults": ' + json.dumps(defaults) + ',\n"swaps": [\n')
        file.write(",\n".join(json.dumps(s) for s in swaps) + "\n]}\n")


main()
