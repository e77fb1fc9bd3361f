#!/usr/bin/env python3
"""Keeps of the recorded random streams what tests/rng.c checks: thin_rng.py IN.safetensors OUT.safetensors

float32 normals of torch's CPU generator, every length below 4096 and, for seed 0, the long ones; normals of numpy's
RandomState in double, but the longest of seed 0 alone.
SPDX-License-Identifier: MIT"""
import sys
from safetensors import safe_open
from safetensors.numpy import save_file

kept = {}
source = safe_open(sys.argv[1], "np")
for name in source.keys():
    part = source.get_slice(name)
    torch = name.startswith("torch/") and part.get_dtype() == "F32" and "/rand32" not in name
    if torch or "/standard_normal" in name:
        values = source.get_tensor(name)
        if values.size < 1000 or name.startswith(("torch/seed0/", "numpy/seed0/")):
            kept[name] = values
save_file(kept, sys.argv[2])
