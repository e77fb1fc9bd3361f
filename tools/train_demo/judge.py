#!/usr/bin/env python3
"""judge.py - finds the objects in a picture and compares them with the scene that was asked for. Nothing is learned.

Usage: judge.py CLATENT MODEL [--count N] [--seed N] [--scratch FOLDER] [-- OPTIONS OF clatent generate]

A pixel is foreground if its colour (CIE L*a*b*) is far from the background's, taken from the picture's border, and
from the background in shadow. Connected pixels are an object; within one, a second compact colour is an object of its
own (inside the first, or touching it). The shape is the template, out of seven shapes in nine rotations brought to the
same centre and area, with the largest intersection over union. On drawings themselves it finds everything.
SPDX-License-Identifier: MIT
"""
import argparse
import itertools
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

import captions
import world

SPLIT = "held-out"
SCHEDULERS = ["ddim", "pndm", "lms", "euler", "dpmsolver_multistep"]
GRID = 36  # side of a template
NAMES = list(world.PALETTE)
TO_XYZ = np.array([[.4124, .3576, .1805], [.2126, .7152, .0722], [.0193, .1192, .9505]], np.float32)
WHITE = np.array([.9505, 1, 1.089], np.float32)


@dataclass
class Found:
    colour: str
    shape: str
    x: float
    y: float
    area: int


@dataclass
class Score:
    background: bool
    count: bool
    colours: list  # of each object asked for
    shapes: list
    relation: object  # None: the scene has none
    found: list

    def all(self):
        return self.background and self.count and all(self.colours) and all(self.shapes) and self.relation is not False


# ---- colours

def to_lab(rgb):
    value = np.asarray(rgb, np.float32) / 255
    value = np.where(value > .04045, ((value + .055) / 1.055) ** 2.4, value / 12.92) @ TO_XYZ.T / WHITE
    f = np.where(value > .008856, np.cbrt(value), 7.787 * value + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def to_rgb(lab):
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    value = np.where(f > .2069, f ** 3, (f - 16 / 116) / 7.787) * WHITE
    value = np.clip(value @ np.linalg.inv(TO_XYZ).T, 0, 1)
    return np.where(value > .0031308, 1.055 * value ** (1 / 2.4) - .055, 12.92 * value) * 255


PALETTE = to_lab(np.array(list(world.PALETTE.values())))


def nearest(lab):
    """Indices into NAMES"""
    return ((lab[..., None, :] - PALETTE) ** 2).sum(-1).argmin(-1)


# ---- shapes

def normalised(mask):
    """The mask on a grid with its centre in the middle and a fixed area."""
    area = mask.sum()
    y, x = (mask * (world.WHOLE.rows - .5)).sum() / area, (mask * (world.WHOLE.columns - .5)).sum() / area
    grid = (np.arange(GRID) - (GRID - 1) / 2) * np.sqrt(area) / (GRID / 2)
    rows, columns = np.meshgrid(y + grid, x + grid, indexing="ij")
    return ndimage.map_coordinates(mask, [rows, columns], order=1, mode="constant")


def make_templates():
    things = [world.Object(shape, "", "", 32, 32, 20, rotation) for shape in world.SHAPES for rotation in range(-20, 21, 5)]
    return [thing.shape for thing in things], np.array([normalised(world.coverage(thing)) for thing in things])


TEMPLATE_NAMES, TEMPLATES = make_templates()


def shape_of(mask):
    mask = normalised(ndimage.gaussian_filter(mask.astype(np.float32), .4))
    overlap = np.minimum(TEMPLATES, mask).sum((1, 2)) / np.maximum(TEMPLATES, mask).sum((1, 2))
    return TEMPLATE_NAMES[int(overlap.argmax())]


# ---- objects

def background_of(lab):
    """The background's colour, and its course from top to bottom [64][3] as a line through the borders of each row."""
    frame = [lab[:2].reshape(-1, 3), lab[-2:].reshape(-1, 3), lab[:, :2].reshape(-1, 3), lab[:, -2:].reshape(-1, 3)]
    colour = np.median(np.concatenate(frame), 0)
    sides = np.median(np.concatenate([lab[:, :2], lab[:, -2:]], 1), 1)
    rows = np.arange(len(lab))
    lines = [np.polyval(np.polyfit(rows, side, 1), rows) if side.std() < 12 else np.full(len(rows), mean)
             for side, mean in zip(sides.T, colour)]
    return colour, np.stack(lines, -1)[:, None]


def foreground(lab, course):
    far = np.sqrt(((lab - course) ** 2 * np.array([.5, 1, 1])).sum(-1))
    shadows = [to_lab(to_rgb(course) * dark) for dark in (.95, .9, .85, .8, .75, .7)]
    from_shadow = np.min([np.sqrt(((lab - shadow) ** 2).sum(-1)) for shadow in shadows], 0)
    mask = (far > 16) & (from_shadow > 11)
    return ndimage.binary_opening(mask) | (mask & (far > 30))


def describe(mask, colour):
    y, x = (axis.mean() + .5 for axis in np.nonzero(mask))
    return Found(NAMES[colour], shape_of(mask), x, y, int(mask.sum()))


def second_blob(mask, colours, order, counts):
    """The largest compact part of another colour, of 22 pixels or more, and that colour."""
    for colour in order[1:3]:
        labels, count = ndimage.label(ndimage.binary_opening(mask & (colours == colour)))
        if counts[colour] < 14 or not count:
            continue
        areas = ndimage.sum(labels > 0, labels, range(1, count + 1))
        if areas.max() >= 22:
            return labels == int(areas.argmax()) + 1, colour
    return None, None


def split_component(lab, mask):
    """One or two objects"""
    core = ndimage.binary_erosion(mask, iterations=2)
    core = core if core.sum() >= 12 else mask
    colours = nearest(lab)
    counts = np.bincount(colours[core], minlength=len(NAMES))
    order = counts.argsort(kind="stable")[::-1]
    blob, colour = second_blob(mask, colours, order, counts)
    if blob is None:
        return [describe(mask, order[0])]
    wide = ndimage.binary_dilation(blob) & mask
    rest = mask & ~wide
    filled = ndimage.binary_fill_holes(rest)
    if (filled & wide).sum() > .8 * wide.sum():
        return [describe(filled, order[0]), describe(blob, colour)]
    return [describe(part, c) for part, c in ((rest, order[0]), (wide, colour)) if part.any()]


def find_objects(picture):
    """The background's colour and what lies on it"""
    lab = to_lab(picture)
    colour, course = background_of(lab)
    labels, count = ndimage.label(foreground(lab, course))
    masks = [labels == i for i in range(1, count + 1)]
    return NAMES[int(nearest(colour))], [thing for mask in masks if mask.sum() >= 25 for thing in split_component(lab, mask)]


# ---- comparison

def best_match(wanted, found):
    """For each wanted object the one found that fits best in colour, shape and (to settle ties) place, or None."""
    if len(found) > 6:
        return [None] * len(wanted)
    padded = found + [None] * (len(wanted) - len(found))

    def worth(pairs):
        return sum(2 * (w.colour == f.colour) + 2 * (w.shape == f.shape) - .02 * np.hypot(w.x - f.x, w.y - f.y)
                   for w, f in zip(wanted, pairs) if f)
    return list(max(itertools.permutations(padded, len(wanted)), key=worth))


def check_pair(relation, first, second):
    x, y = first.x - second.x, first.y - second.y
    if relation == "inside":
        return bool(np.hypot(x, y) < 9 and first.area < second.area)
    to_x, to_y = world.RELATIONS[relation]
    along, across = x * to_x + y * to_y, abs(x * to_y) + abs(y * to_x)
    return bool(along > 8 and across < along)


def check_relation(scene, match):
    if scene.relation is None:
        return None
    if None in match:
        return False
    if scene.kind == "pair":
        return check_pair(scene.relation, *match)
    return tuple(0 if abs(v - 32) < 7 else int(np.sign(v - 32)) for v in (match[0].x, match[0].y)) == world.PLACES[scene.relation]


def score(scene, picture):
    background, found = find_objects(picture)
    match = best_match(scene.objects, found)
    pairs = list(zip(scene.objects, match))
    return Score(background == scene.background, len(found) == len(scene.objects),
                 [bool(f and w.colour == f.colour) for w, f in pairs], [bool(f and w.shape == f.shape) for w, f in pairs],
                 check_relation(scene, match), found)


def percentages(scores):
    def percent(values):
        values = list(values)
        return 100 * sum(values) / len(values) if values else float("nan")
    return dict(
        background=percent(s.background for s in scores), colour=percent(c for s in scores for c in s.colours),
        shape=percent(c for s in scores for c in s.shapes), count=percent(s.count for s in scores),
        relation=percent(s.relation for s in scores if s.relation is not None), all=percent(s.all() for s in scores))


def summary(scores):
    return ", ".join(f"{key} {value:.1f}" for key, value in percentages(scores).items()) + " %"


# ---- pictures to judge

def held_out(seed, index):
    """A scene that was not trained on, its drawing and a caption that names every colour."""
    from data import scene_of
    scene, drawing, rng = scene_of(seed, SPLIT, index)
    return scene, drawing, captions.caption(scene, rng, complete=True)


def to_bytes(pictures):
    """torch [n][3][h][w] in -1..1 to uint8 [n][h][w][3]"""
    return ((pictures.clamp(-1, 1).permute(0, 2, 3, 1).numpy() + 1) * 127.5 + .5).astype(np.uint8)


def judge_networks(autoencoder, text, unet, seed, count, steps):
    """Scores of pictures that networks in training make: DDIM, guidance 3, by hand."""
    import torch
    from models import CELLS, LATENTS, make_scheduler
    tokenizer, scheduler = captions.Tokenizer(), make_scheduler()
    asked = [held_out(seed, i) for i in range(count)]
    tokens = torch.tensor([tokenizer("")] * count + [tokenizer(words) for _, _, words in asked])
    scheduler.set_timesteps(steps)
    with torch.no_grad():
        outputs = text(tokens)[0]
        latents = torch.randn((count, LATENTS, CELLS, CELLS), generator=torch.Generator().manual_seed(seed))
        for timestep in scheduler.timesteps:
            blind, told = unet(torch.cat([latents] * 2), timestep, encoder_hidden_states=outputs).sample.chunk(2)
            latents = scheduler.step(blind + 3 * (told - blind), timestep, latents).prev_sample
        pictures = to_bytes(autoencoder.decode(latents / autoencoder.config.scaling_factor).sample)
    return [score(scene, picture) for (scene, _, _), picture in zip(asked, pictures)]


def judge_clatent(program, model, scratch, seed, count, options=()):
    """Scores of pictures that clatent makes of held-out captions; start noise from seeds 1000, 1001, ..."""
    from PIL import Image
    os.makedirs(scratch, exist_ok=True)
    asked = [held_out(seed, i) for i in range(count)]
    job = os.path.join(scratch, "job.yaml")
    with open(job, "w") as file:
        file.write("prompt:\n" + "".join(f"  - {json.dumps(words)}\n" for _, _, words in asked))
        file.write("num_inference_steps: 30\nguidance_scale: 3\nseed: 1000\n")
    names = [os.path.join(scratch, f"{i:05}.png") for i in range(count)]
    subprocess.run([program, "generate", os.path.abspath(job), "--model", os.path.abspath(model), "--overwrite", "--quiet",
                    "--output", os.path.join(os.path.abspath(scratch), "{index:05}.png"), *options], check=True)
    return [score(scene, np.asarray(Image.open(name).convert("RGB"))) for (scene, _, _), name in zip(asked, names)]


def main():
    parser = argparse.ArgumentParser(description="Judges clatent's pictures of held-out captions.")
    parser.add_argument("clatent")
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1, help="of the training, which has the held-out scenes")
    parser.add_argument("--scratch", default="judged")
    parser.add_argument("options", nargs="*", help="of clatent generate, after --")
    given = parser.parse_args()
    scores = judge_clatent(given.clatent, given.model, given.scratch, given.seed, given.count, given.options)
    print(f"{given.count} captions: {summary(scores)}")
    kinds = {}
    for index, one in enumerate(scores):
        for thing, right in zip(held_out(given.seed, index)[0].objects, one.shapes):
            kinds.setdefault(thing.shape, []).append(right)
    print("shape: " + ", ".join(f"{shape} {100 * np.mean(right):.1f}" for shape, right in sorted(kinds.items())) + " %")


if __name__ == "__main__":
    sys.exit(main())
