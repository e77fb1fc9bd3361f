#!/usr/bin/env python3
"""Curves of sigmas, their timesteps and the functions under them, for tests/sigmas.c: make_sigmas.py OUT.safetensors

karras|exponential|beta|lu/LOW/HIGH/N  [N] double, of DPMSolverMultistepScheduler
flow/SHIFT/N                           [N] double, as its use_flow_sigmas has it, T 1000
table/sigmas, table/timesteps          [N] double in, [N] double out of _sigma_to_t, on table/table [T] float32
log/x, log/y                           [N] float32 of numpy.log
linspace_float|linspace_double/START/END/N   of torch and numpy
SPDX-License-Identifier: MIT"""
import sys

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler
from safetensors.numpy import save_file

out = {}
scheduler = DPMSolverMultistepScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
for low, high in ((0.029167533, 14.614645), (0.002, 80.0), (0.5, 0.75)):
    ends = np.array([high, low], np.float32)
    for n in (1, 2, 7, 30):
        name = f"{low}/{high}/{n}"
        out["karras/" + name] = scheduler._convert_to_karras(ends.astype(np.float64), n)
        out["exponential/" + name] = scheduler._convert_to_exponential(ends.astype(np.float64), n)
        out["beta/" + name] = scheduler._convert_to_beta(ends.astype(np.float64), n)
        out["lu/" + name] = np.exp(scheduler._convert_to_lu(np.log(ends), n))
for shift in (1.0, 3.0, 0.5):
    for n in (1, 2, 7, 30):
        s = 1.0 - np.linspace(1, 1 / 1000, n + 1)
        out[f"flow/{shift}/{n}"] = np.flip(shift * s / (1 + (shift - 1) * s))[:-1].copy()

acp = scheduler.alphas_cumprod.numpy()
table = np.sqrt((1 - acp) / acp)
logs = np.log(table)
sigmas = np.concatenate([np.geomspace(0.01, 20, 200), table[::100].astype(np.float64), [0.0, 1e-12, 1e6]])
out["table/table"], out["table/sigmas"] = table, sigmas
out["table/timesteps"] = np.array([scheduler._sigma_to_t(s, logs) for s in sigmas]).reshape(-1)

x = np.concatenate([np.geomspace(1e-30, 1e30, 500), np.linspace(0.4, 2.9, 500)]).astype(np.float32)
out["log/x"], out["log/y"] = x, np.log(x)
for start, end, n in ((0.0, 999.0, 50), (2.68, -3.53, 8), (1.0, 0.0, 2), (5.0, 7.0, 1)):
    out[f"linspace_float/{start}/{end}/{n}"] = torch.linspace(start, end, n, dtype=torch.float32).numpy()
    out[f"linspace_double/{start}/{end}/{n}"] = np.linspace(start, end, n)
save_file(out, sys.argv[1])
print(len(out), "tensors")
