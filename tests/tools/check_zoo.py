#!/usr/bin/env python3
"""check_zoo.py - the authors' checkpoints, small, through the whole program, against the reference's runs.

Usage: check_zoo.py CLATENT ORACLE SCRATCH

Every model of ORACLE/models whose input a file can give is run twice, from the checkpoint and from the folder that
`clatent convert` makes of it: same start, five DDIM steps; latents after every step and the decoded picture are compared
(relative L2 1e-4), 8-bit pictures by the level. Run by hand. SPDX-License-Identifier: MIT
"""
import json
import os
import shutil
import subprocess
import sys

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

clatent, oracle, scratch = sys.argv[1:4]
shutil.rmtree(scratch, ignore_errors=True)
os.makedirs(scratch)
failed = 0


def distance(got, want):
    got, want = got.astype(np.float64), want.astype(np.float64)
    return float(np.linalg.norm(got - want) / np.linalg.norm(want)) if got.shape == want.shape else float("inf")


def inputs(name, g):
    """Options of generate that give a model its input, or None."""
    if name == "cin256":
        return ["--class", "7", "--guidance-scale", "1"]
    if name == "cin256-v2":
        return ["--class", "7", "--guidance-scale", "3"]
    if name == "semantic_synthesis256":
        Image.fromarray(g["cond/labels"].astype(np.uint8), "L").save(f"{scratch}/labels.png")
        return ["--label-map", f"{scratch}/labels.png"]
    if name == "inpainting_big":
        return ["--image", f"{oracle}/goldens/ckpt-{name}/image.png", "--mask", f"{oracle}/goldens/ckpt-{name}/mask.png"]
    if name == "bsr_sr":
        np.save(f"{scratch}/small.npy", g["cond/out"])
        return ["--image", f"{scratch}/small.npy"]
    return [] if name in ("celeba256", "lsun_churches256") else None


def run(name, model, options, g):
    global failed
    np.save(f"{scratch}/x.npy", g["unet/x"])
    factor = g["ddim/decoded"].shape[2] // g["unet/x"].shape[2]
    size = ["--height", str(factor * g["unet/x"].shape[2]), "--width", str(factor * g["unet/x"].shape[3])]
    if "--image" in options or "--label-map" in options:
        size = []
    command = [clatent, "generate", "--model", model, "--latents", f"{scratch}/x.npy", "--steps", "5", "--trace", f"{scratch}/t.safetensors",
               "--output", f"{scratch}/out.npy", "--overwrite", "--quiet"] + size + options
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        failed += 1
        return print(f"FAIL {name:24} {done.stderr.strip()[:200]}", flush=True)
    t = load_file(f"{scratch}/t.safetensors")
    worst = max(distance(t[f"latents.{i}"], g["ddim/x"][i:i + 1]) for i in range(5))
    decoded = distance(t["decoded"], g["ddim/decoded"])
    levels = np.trunc(np.clip(np.load(f"{scratch}/out.npy"), 0, 1) * 255) - g["ddim/image_u8"].astype(np.float64)
    off = float(np.mean(levels != 0))
    good = worst < 1e-4 and decoded < 1e-4 and np.abs(levels).max() <= 1 and off <= 1e-3
    failed += not good
    print(f"{'ok  ' if good else 'FAIL'} {name:24} {os.path.basename(model):24} latents {worst:.1e}, decoded {decoded:.1e}, {100 * off:.2f} % of levels differ", flush=True)


for folder in sorted(os.listdir(oracle + "/models")):
    name = folder[5:]
    if not folder.startswith("ckpt-"):
        continue
    goldens = load_file(f"{oracle}/goldens/{folder}/goldens.safetensors")
    options = inputs(name, goldens)
    if options is None:
        continue
    source, made = f"{oracle}/models/{folder}", f"{scratch}/{name}-folder"
    subprocess.run([clatent, "convert", source, made, "--quiet"], check=True)
    for model in (source, made):
        run(name, model, options, goldens)
print(f"{failed} failed")
sys.exit(failed > 0)
