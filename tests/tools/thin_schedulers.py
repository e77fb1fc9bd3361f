#!/usr/bin/env python3
"""Keeps of diffusers' recorded runs what the tests compare: thin_schedulers.py SOURCE_DIR OUT_DIR

Every file of cases NAME.json is copied as it is; of NAME.safetensors stay for each case x0 (the
start), timesteps (of each evaluation) and x (after each evaluation). Of section_g, whose cases are
larger, x is the last one alone. Left out are sigmas, which are inside of the trajectories, and
noise, which is the random stream that tests/rng.c checks. rejected.json, the list of what the classes
refuse, is written out as cases with all their options.
SPDX-License-Identifier: MIT"""
import glob
import json
import os
import shutil
import sys
from safetensors.numpy import load_file, save_file

source, out = sys.argv[1:]


def rejected(line):
    """One line "FILE/nN_VARIANT: reason" with the options of the file's case nN, and the variant's."""
    label, reason = line.split(": ", 1)
    file, case = label.split("/")
    n, variant = case.split("_", 1)
    with open(f"{source}/{file}.json") as opened:
        facts = json.load(opened)["cases"][n]
    if "=" in variant:
        facts["config"].update([variant.split("=")])
    else:
        *spacing, prediction = variant.split("_")
        facts["config"]["prediction_type"] = prediction
        if spacing:
            facts["config"]["timestep_spacing"] = spacing[0]
    return label, dict(cls=facts["cls"], config=facts["config"], n=facts["n"], reason=reason)


for path in sorted(glob.glob(source + "/*.json")):
    stem = os.path.basename(path)[:-5]
    if stem == "rejected":
        with open(path) as opened:
            rows = [f"{json.dumps(a)}: {json.dumps(b)}" for a, b in map(rejected, json.load(opened))]
        with open(f"{out}/{stem}.json", "w") as written:
            written.write('{\n"cases": {\n' + ",\n".join(rows) + "\n}\n}\n")
        continue
    shutil.copyfile(path, f"{out}/{stem}.json")
    kept = {}
    for name, values in load_file(f"{source}/{stem}.safetensors").items():
        case, part = name.split("/")
        if part in ("x0", "timesteps", "x"):
            kept[name] = values[-1:].copy() if (stem, part) == ("section_g", "x") else values
    save_file(kept, f"{out}/{stem}.safetensors")
