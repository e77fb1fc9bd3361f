#!/usr/bin/env python3
"""check_convert.py - folders that `clatent convert` wrote, loaded by diffusers itself.

Usage: check_convert.py CLATENT ORACLE SCRATCH

Converts every model of ORACLE/models to SCRATCH/f32 and SCRATCH/f16. What came from a CompVis checkpoint must give the
reference's values (ORACLE/goldens), what came from a folder exactly what the folder itself gives. A structure that
diffusers has no class for must be refused by it, not computed otherwise. Run by hand: needs torch and diffusers.
SPDX-License-Identifier: MIT
"""
import json
import os
import shutil
import subprocess
import sys
import warnings

import torch
from diffusers import AutoencoderKL, DDIMScheduler, LDMPipeline, LDMSuperResolutionPipeline, UNet2DConditionModel, UNet2DModel, VQModel
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertModel
from safetensors.torch import load_file

warnings.filterwarnings("ignore")
torch.set_grad_enabled(False)
CLASSES = {c.__name__: c for c in (AutoencoderKL, UNet2DConditionModel, UNet2DModel, VQModel, LDMBertModel)}
failed = 0


def say(model, what, good, words=""):
    global failed
    failed += not good
    print(f"{'ok  ' if good else 'FAIL'} {model:28} {what:24} {words}", flush=True)


def distance(got, want):
    got, want = got.double(), want.double()
    return float((got - want).norm() / want.norm())


def load(folder):
    name = json.load(open(folder + "/config.json")).get("_class_name", "LDMBertModel")
    return CLASSES[name].from_pretrained(folder, low_cpu_mem_usage=False).eval() if name in CLASSES else None


def run_unet(unet, g, key, t):
    x, c = g["unet/x"], g.get("cond/out")
    if isinstance(unet, UNet2DConditionModel):
        return unet(x, t, encoder_hidden_states=c[: len(x)]).sample
    return unet(torch.cat([x, c], 1) if unet.config.in_channels > x.shape[1] else x, t).sample


def check_checkpoint(model, folder, g):
    """Networks of a converted checkpoint against the reference."""
    try:
        unet = load(folder + "/unet")
        for key in [k for k in g if k.startswith("unet/out_t")]:
            d = distance(run_unet(unet, g, key, int(key[10:])), g[key])
            say(model, key, d < 3e-5, f"{d:.1e}")
    except (TypeError, ValueError) as e:
        widths = json.load(open(folder + "/unet/config.json"))["attention_head_dim"]
        say(model, "unet refused", isinstance(widths, list), f"diffusers has no such class: {str(e)[:60]}")
    ae = load(folder + "/vqvae")
    d = distance(ae.decode(g["ae/z"]).sample, g["ae/decoded"])
    say(model, "ae/decoded", d < 3e-5, f"{d:.1e}")
    e = ae.encode(g["ae/in"])
    d = distance(e.latents if isinstance(ae, VQModel) else e.latent_dist.parameters, g["ae/encoded"])
    say(model, "ae/encoded", d < 3e-5, f"{d:.1e}")
    if os.path.isdir(folder + "/bert"):
        d = distance(load(folder + "/bert")(g["cond/ids"].long())[0], g["cond/out"])
        say(model, "cond/out", d < 3e-5, f"{d:.1e}")


def check_folder(model, folder, source):
    """Components of a converted folder against those of the folder itself: the same numbers."""
    for part in ("unet", "vqvae", "bert"):
        if not os.path.isdir(f"{folder}/{part}"):
            continue
        mine, theirs = load(f"{folder}/{part}"), load(f"{source}/{part}")
        a, b = mine.state_dict(), theirs.state_dict()
        same = [k for k in b if k in a and torch.equal(a[k], b[k])]
        missing = [k for k in b if k not in same]
        # Paddle's old copies have no to_logits, which nothing computes with
        say(model, part, all(k.startswith("to_logits") for k in missing) and ("-pd" in model or not missing), f"{len(same)} of {len(b)} tensors equal")


def check_half(model, full, half):
    for root, _, files in os.walk(full):
        for name in files:
            if name.endswith(".safetensors"):
                path = os.path.join(root, name)
                a, b = load_file(path), load_file(path.replace(full, half, 1))
                good = a.keys() == b.keys() and all(torch.equal(a[k].half(), b[k]) for k in a)
                say(model, "f16 " + os.path.basename(root), good, f"{len(a)} tensors rounded to nearest even")


def check_pipelines(out):
    for model, cls in (("ckpt-bsr_sr", LDMSuperResolutionPipeline), ("ckpt-celeba256", LDMPipeline), ("ldm-sr-tiny", LDMSuperResolutionPipeline), ("ldm-uncond-tiny", LDMPipeline)):
        pipe = cls.from_pretrained(f"{out}/{model}", low_cpu_mem_usage=False)
        say(model, cls.__name__, isinstance(pipe.scheduler, DDIMScheduler) and pipe.vqvae.config.scaling_factor == 1.0, "loaded whole")


def main():
    clatent, oracle, scratch = sys.argv[1:4]
    shutil.rmtree(scratch, ignore_errors=True)
    for kind in ("f32", "f16"):
        os.makedirs(f"{scratch}/{kind}")
    for model in sorted(os.listdir(oracle + "/models")):
        source, out = f"{oracle}/models/{model}", f"{scratch}/f32/{model}"
        if model.startswith("sd") or model.endswith("pd2"):
            continue  # not of this family; not a whole model
        for kind in ("f32", "f16"):
            subprocess.run([clatent, "convert", source, f"{scratch}/{kind}/{model}", "--type", kind, "--quiet"], check=True)
        if model.startswith("ckpt-"):
            check_checkpoint(model, out, load_file(f"{oracle}/goldens/{model}/goldens.safetensors"))
        else:
            check_folder(model, out, source.replace("-pd4", ""))
        check_half(model, out, f"{scratch}/f16/{model}")
    check_pipelines(scratch + "/f32")
    print(f"{failed} failed")
    sys.exit(failed > 0)


main()
