#!/usr/bin/env python3
"""train_super_resolution.py - makes the demo model that enlarges pictures four times, as train.py makes the other one.

Usage: train_super_resolution.py [--work FOLDER] [--out FOLDER] [--seed N] [--threads N] [--size full|smoke]
                [--until STAGE] [--clatent PROGRAM] [--judge N]

Stages: draw, autoencoder, denoiser, export, judge. SPDX-License-Identifier: MIT
"""
import argparse
import os
import warnings

warnings.filterwarnings("ignore")

from run import Run, add_options, prepare

import enlarge
import enlarge_judge
from enlarge_export import add_figures, export
from patches import WHOLE, Patches
from stage import say

SIZES = {
    "full": dict(scenes=6000, held=100, pictures=8, patches=16, autoencoder=2400, denoiser=3000),
    "smoke": dict(scenes=64, held=8, pictures=2, patches=4, autoencoder=8, denoiser=8)}
TRAINED = ["autoencoder", "denoiser"]
STAGES = ["draw", *TRAINED, "export", "judge"]


def train(run):
    """The two trained networks, or nothing if the run ends earlier."""
    autoencoder, unet = enlarge.make_autoencoder(), enlarge.make_unet()
    data, held = Patches(run, "training", run.sizes["scenes"]), Patches(run, "held-out", run.sizes["held"])
    if not run.wants("autoencoder"):
        return None
    enlarge.train_autoencoder(run, autoencoder, data, held)
    autoencoder.requires_grad_(False)
    enlarge.normalise(autoencoder, autoencoder.encode(data.pictures(slice(0, 200))).latents)
    if not run.wants("denoiser"):
        return None
    wholes = Patches(run, "whole", run.sizes["scenes"] // 8, WHOLE)
    for part in (data, wholes, held):
        part.encode(autoencoder)
    enlarge.train_denoiser(run, unet, data, wholes, held)
    return autoencoder, unet


def main():
    parser = argparse.ArgumentParser(description="Makes the demo model for super-resolution from nothing.")
    add_options(parser, SIZES, STAGES, "demo-sr-work")
    parser.add_argument("--clatent", help="program that makes the pictures to be judged; without it none are")
    parser.add_argument("--judge", type=int, default=100, help="number of held-out pictures")
    options = parser.parse_args()
    prepare()
    run = Run(options, SIZES[options.size], TRAINED, STAGES)
    networks = train(run)
    out = options.out or os.path.join(run.work, "model")
    if networks and run.wants("export"):
        say(export(run, out, *networks))
    if networks and run.wants("judge") and options.clatent:
        figures = enlarge_judge.judge(options.clatent, out, os.path.join(run.work, "judged"), options.seed, options.judge)
        add_figures(out, options.judge, figures)
        say(f"{options.judge} held-out pictures: {enlarge_judge.summary(figures)}")


if __name__ == "__main__":
    main()
