#!/usr/bin/env python3
"""make_tasks.py - tests/data/tasks/NAME, tests/data/compvis/NAME: small models of each task with what the reference gives along
one run.

Usage: make_tasks.py ORACLE tests/data

ORACLE holds models/ and goldens/. Models are copied as they are (one file per component); of the goldens only whole runs are kept.
SPDX-License-Identifier: MIT
"""
import os
import shutil
import sys

import numpy as np
from PIL import Image
from safetensors.torch import load_file, save_file

KEPT = ["ldm-sr-tiny", "ldm-uncond-tiny", "ckpt-cin256", "ckpt-cin256-v2", "ckpt-inpainting_big", "ckpt-semantic_synthesis256"]
PARTS = ("sr", "pipe/", "cond/", "unet/x", "ddim/")
LEFT_OUT = ("noise", "eta1", "sr1/ddim/x", "lowres")

oracle, out = sys.argv[1:3]
for name in KEPT:
    source, to = f"{oracle}/models/{name}", f"{out}/{'compvis/' + name[5:] if name.startswith('ckpt-') else 'tasks/' + name}"
    shutil.copytree(source, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.bin"))
    goldens = {k: v.contiguous() for k, v in load_file(f"{oracle}/goldens/{name}/goldens.safetensors").items() if k.startswith(PARTS) and not any(w in k for w in LEFT_OUT)}
    if "semantic" in name:
        Image.fromarray(goldens["cond/labels"].numpy().astype(np.uint8)).save(f"{to}/labels.png")
    save_file(goldens, f"{to}/goldens.safetensors")
    for extra in os.listdir(f"{oracle}/goldens/{name}"):
        if extra.endswith(".png"):
            shutil.copy(f"{oracle}/goldens/{name}/{extra}", to)
