#!/usr/bin/env python3
"""Keeps of diffusers' recorded runs what the tests compare: thin_schedulers.py SOURCE_DIR OUT_DIR

Every file of cases NAME.json is copied as it is; of NAME.safetensors stay for each case x0 (the
start), timesteps (of each evaluation) and x (after each evaluation). Of section_g, whose cases are
larger, x is the last one alone. Left out are sigmas, which are inside of the trajectories, and
noise, which is the random stream that tests/rng.c checks.
SPDX-License-Identifier: MIT"""
import glob
import os
import shutil
import sys
from safetensors.numpy import load_file, save_file

source, out = sys.argv[1:]
for path in sorted(glob.glob(source + "/*.json")):
    stem = os.path.basename(path)[:-5]
    shutil.copyfile(path, f"{out}/{stem}.json")
    if stem == "rejected":
        continue
    kept = {}
    for name, values in load_file(f"{source}/{stem}.safetensors").items():
        case, part = name.split("/")
        if part in ("x0", "timesteps", "x"):
            kept[name] = values[-1:].copy() if (stem, part) == ("section_g", "x") else values
    save_file(kept, f"{out}/{stem}.safetensors")
