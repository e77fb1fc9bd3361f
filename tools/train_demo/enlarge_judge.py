#!/usr/bin/env python3
"""enlarge_judge.py - pictures of 64 by 64 enlarged by clatent and by bicubic interpolation, beside the drawing itself.

Usage: enlarge_judge.py CLATENT MODEL [--count N] [--seed N] [--scratch FOLDER] [-- OPTIONS OF clatent generate]

The small picture is the mean over 4 by 4 pixels of the drawing of 256 by 256. PSNR is the mean over pictures, of eight
bits. SPDX-License-Identifier: MIT
"""
import argparse
import os
import random
import subprocess

import numpy as np
from PIL import Image

import world

FACTOR = 4
FRAME = world.Frame(FACTOR, world.SIDE * FACTOR)


def drawing(seed, index):
    """uint8 [256][256][3], of a split of its own"""
    rng = random.Random(f"{seed}/enlarged/{index}")
    return world.draw(world.make_scene(rng), rng, FRAME)


def shrink(picture):
    small = picture.reshape(world.SIDE, FACTOR, world.SIDE, FACTOR, 3).mean((1, 3))
    return Image.fromarray(np.round(small).astype(np.uint8))


def psnr(one, other):
    return 10 * np.log10(255 ** 2 / np.square(np.asarray(one, np.float64) - np.asarray(other, np.float64)).mean())


def judge(clatent, model, scratch, seed, count, options=()):
    """Decibels: name -> one of each picture."""
    os.makedirs(scratch, exist_ok=True)
    figures = dict(clatent=[], bicubic=[])
    for index in range(count):
        whole, small = drawing(seed, index), f"{scratch}/small-{index:04}.png"
        shrink(whole).save(small)
        large = f"{scratch}/large-{index:04}.png"
        subprocess.run([clatent, "generate", "--model", model, "--image", small, "--seed", str(index), "--output", large,
                        "--overwrite", "--quiet", *options], check=True)
        figures["clatent"].append(psnr(Image.open(large).convert("RGB"), whole))
        figures["bicubic"].append(psnr(Image.open(small).resize((256, 256), Image.BICUBIC), whole))
    return figures


def summary(figures):
    return ", ".join(f"{name} {np.mean(values):.2f} dB" for name, values in figures.items())


def main():
    parser = argparse.ArgumentParser(description="Judges a model that enlarges pictures.")
    parser.add_argument("clatent")
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", default="judged")
    parser.add_argument("options", nargs="*", help="of clatent generate, after --")
    given = parser.parse_args()
    print(summary(judge(given.clatent, given.model, given.scratch, given.seed, given.count, given.options)))


if __name__ == "__main__":
    main()
