#!/usr/bin/env python3
"""train.py - makes the demo model from nothing: one command, the same weights for the same seed.

Usage: train.py [--work FOLDER] [--out FOLDER] [--seed N] [--threads N] [--size full|smoke] [--until STAGE]
                [--clatent PROGRAM] [--judge N]

Stages: draw, autoencoder, text, decoder, denoiser, export, judge. It can be killed at any time and started again with
the same words: everything lies in the work folder. Needs torch, diffusers, transformers, scipy and Pillow
(requirements.txt); see README.md. SPDX-License-Identifier: MIT
"""
import argparse
import os
import warnings

warnings.filterwarnings("ignore")

from run import Run, add_options, prepare

import transformers

import judge
import models
import stages
from data import Data
from export import add_figures, export
from stage import say

SIZES = {
    "full": dict(scenes=40000, held=1000, pictures=16, captions=64, autoencoder=2600, text=400, decoder=1200,
                 denoiser=6000, sampled=40),
    "smoke": dict(scenes=256, held=32, pictures=4, captions=8, autoencoder=8, text=8, decoder=8, denoiser=8, sampled=2)}
TRAINED = ["autoencoder", "text", "decoder", "denoiser"]
STAGES = ["draw", "autoencoder", "text", "decoder", "denoiser", "export", "judge"]


def say_ceiling(autoencoder, run, held):
    """How well pictures are recognised that only went through the autoencoder: no sampling can be better."""
    count = min(held.count, 400)
    pictures = judge.to_bytes(stages.reconstruct(autoencoder, held.pictures(slice(0, count))))
    scores = [judge.score(judge.held_out(run.settings["seed"], i)[0], picture) for i, picture in enumerate(pictures)]
    say(f"reconstructions of {count} held-out pictures: {judge.summary(scores)}")


def train(run):
    """The three trained networks, or nothing if the run ends earlier."""
    networks = models.make_autoencoder(), models.make_text_encoder(), models.make_unet()
    autoencoder, text, unet = networks
    head = stages.LayoutHead()
    data, held = Data(run, "training", run.sizes["scenes"]), Data(run, judge.SPLIT, run.sizes["held"])
    if not run.wants("autoencoder"):
        return None
    stages.train_autoencoder(run, autoencoder, data, held)
    say_ceiling(autoencoder, run, held)
    if run.wants("text"):
        stages.train_text(run, text, head, data)
    if run.wants("decoder"):
        for part in (data, held):
            part.encode(autoencoder)
        stages.train_decoder(run, autoencoder, data, held)
        say_ceiling(autoencoder, run, held)
        spread = float(data.latents[:10000].std())
        autoencoder.register_to_config(scaling_factor=round(1 / spread, 5))
    if not run.wants("denoiser"):
        return None

    def sample():
        return judge.summary(judge.judge_networks(*networks, run.settings["seed"], run.sizes["sampled"], steps=15))

    scale = autoencoder.config.scaling_factor
    stages.train_denoiser(run, unet, text, head, data, held, scale, sample)
    return networks


def parse():
    parser = argparse.ArgumentParser(description="Makes the demo model from nothing.")
    add_options(parser, SIZES, STAGES, "demo-work")
    parser.add_argument("--clatent", help="program that draws the pictures to be judged; default: the networks here do, before rounding to f16")
    parser.add_argument("--judge", type=int, default=400, help="number of held-out captions")
    return parser.parse_args()


def judge_model(run, options, folder, networks):
    """Figures of the exported model into its card; through clatent with each of five schedulers, if it is given."""
    count = options.judge if options.size == "full" else run.sizes["sampled"]
    if options.clatent:
        scores = {name: judge.judge_clatent(options.clatent, folder, os.path.join(run.work, "judged"), options.seed, count,
                                            ["--scheduler", name]) for name in judge.SCHEDULERS}
    else:
        scores = {"ddim": judge.judge_networks(*networks, options.seed, count, steps=30)}
    add_figures(folder, count, {name: judge.percentages(one) for name, one in scores.items()})
    for name, one in scores.items():
        say(f"{count} held-out captions, {name}: {judge.summary(one)}")


def main():
    options = parse()
    prepare()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    run = Run(options, SIZES[options.size], TRAINED, STAGES)
    networks = train(run)
    out = options.out or os.path.join(run.work, "model")
    if networks and run.wants("export"):
        say(export(run, out, *networks))
    if networks and run.wants("judge"):
        judge_model(run, options, out, networks)


if __name__ == "__main__":
    main()
