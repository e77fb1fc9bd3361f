#!/usr/bin/env python3
"""Noise schedules and timesteps of diffusers for tests/noise_schedule.c: make_noise_schedules.py OUT.safetensors

alphas/CURVE/START/END/T/ZERO    alphas_cumprod [T] float32; ZERO 1: rescale_betas_zero_snr
timesteps/SPACING/T/OFFSET/N     [N] float32
SPDX-License-Identifier: MIT"""
import sys

import numpy as np
from diffusers import DDIMScheduler
from safetensors.numpy import save_file

out = {}
CURVES = [("scaled_linear", 0.00085, 0.012, 1000), ("linear", 0.00085, 0.012, 1000), ("linear", 0.0001, 0.02, 1000),
          ("scaled_linear", 0.0015, 0.0155, 1000), ("scaled_linear", 0.0015, 0.0195, 1000),
          ("squaredcos_cap_v2", 0.0001, 0.02, 1000), ("linear", 0.001, 0.1, 37), ("scaled_linear", 0.01, 0.2, 2)]
for curve, start, end, train in CURVES:
    for zero in (0, 1):
        scheduler = DDIMScheduler(num_train_timesteps=train, beta_start=start, beta_end=end, beta_schedule=curve,
                                  rescale_betas_zero_snr=bool(zero))
        out[f"alphas/{curve}/{start}/{end}/{train}/{zero}"] = scheduler.alphas_cumprod.numpy()

# Halves that rint takes to even; counts that do not divide T; counts for which numpy's arange gives one
# trailing timestep too many (61, 103, 994), which is cut off here as clatent does.
COUNTS = [1, 2, 3, 6, 7, 10, 12, 13, 16, 18, 19, 20, 25, 30, 32, 50, 61, 64, 80, 103, 128, 250, 333, 994, 1000]
for spacing in ("leading", "trailing", "linspace"):
    for train, offset in ((1000, 0), (1000, 1), (37, 0)):
        for n in (n for n in COUNTS if n <= train and (offset == 0 or n <= 30)):
            scheduler = DDIMScheduler(num_train_timesteps=train, timestep_spacing=spacing, steps_offset=offset)
            scheduler.set_timesteps(n)
            out[f"timesteps/{spacing}/{train}/{offset}/{n}"] = scheduler.timesteps.numpy()[:n].astype(np.float32)
save_file(out, sys.argv[1])
print(len(out), "tensors")
