#!/usr/bin/env python3
"""compare.py - what each scheduler makes of the demo model: accuracy, and distance to the image that it converges to,
against the number of evaluations of the UNet.

Usage: compare.py CLATENT MODEL OUT [--count N] [--seed N] [--scratch FOLDER]

Writes OUT.md (two tables) and OUT.svg (two panels). Accuracy: the share of held-out captions whose picture is right in
everything (judge.py). Distance: root mean square over pixels of 0..1, mean over pictures, to the picture of the same
start noise with 250 steps of dpmsolver_multistep; deterministic schedulers all go there. Timesteps are spaced
trailing: leading ones, the model's own, start at another noise level for each number of steps, and so make another
picture. An evaluation is one of the UNet on both halves of guidance. SPDX-License-Identifier: MIT
"""
import argparse
import json
import math
import os
import subprocess

import numpy as np
from PIL import Image

import judge

SCHEDULERS = ["ddim", "pndm", "lms", "euler", "dpmsolver_multistep", "unipc", "deis", "heun", "euler_ancestral"]
COLOURS = ["#1b6", "#d33", "#26c", "#e80", "#828", "#0aa", "#960", "#555", "#e5a"]
EVALUATIONS = [4, 6, 8, 10, 14, 20, 30, 50]
REFERENCE = ["--scheduler", "dpmsolver_multistep,timestep_spacing=trailing", "--steps", "250"]
WIDTH, HEIGHT, MARGIN, LABELS = 380, 300, 50, 150


def pictures(folder, count):
    images = [np.asarray(Image.open(os.path.join(folder, f"{i:05}.png")).convert("RGB")) for i in range(count)]
    return np.stack(images).astype(np.float32) / 255


def list_schedulers(clatent):
    """name -> what clatent says of a scheduler"""
    listed = subprocess.run([clatent, "schedulers", "--json"], check=True, capture_output=True).stdout
    return {one["name"]: one for one in json.loads(listed)["schedulers"]}


def measure(given, name, evaluations, facts, limit):
    """(percent right, distance or None)"""
    folder = os.path.join(given.scratch, f"{name}-{evaluations}")
    steps = max(1, evaluations // facts[name]["evaluations_per_step"])
    options = ["--scheduler", name + ",timestep_spacing=trailing", "--steps", str(steps)]
    scores = judge.judge_clatent(given.clatent, given.model, folder, given.seed, given.count, options)
    if facts[name]["stochastic"]:
        return judge.percentages(scores)["all"], None
    difference = pictures(folder, given.count) - limit
    return judge.percentages(scores)["all"], float(np.sqrt((difference ** 2).mean((1, 2, 3))).mean())


def table(rows, digits):
    lines = ["| scheduler | " + " | ".join(map(str, EVALUATIONS)) + " |", "|---|" + "---|" * len(EVALUATIONS)]
    for name, values in rows.items():
        if None not in values:
            lines.append(f"| {name} | " + " | ".join(f"{value:.{digits}f}" for value in values) + " |")
    return "\n".join(lines)


def panel(left, title, rows, height_of, ticks):
    """A panel of curves; height_of: value -> 0..1 from the bottom; ticks: values with a line."""
    span = math.log(EVALUATIONS[-1] / EVALUATIONS[0])
    xs = [left + WIDTH * math.log(n / EVALUATIONS[0]) / span for n in EVALUATIONS]
    def y_of(value):
        return MARGIN + HEIGHT * (1 - min(1, max(0, height_of(value))))
    parts = [f'<text x="{left}" y="{MARGIN - 20}" font-weight="bold">{title}</text>']
    for tick in ticks:
        parts.append(f'<path d="M{left} {y_of(tick):.1f}h{WIDTH}" stroke="#ddd"/>'
                     f'<text x="{left - 6}" y="{y_of(tick) + 4:.1f}" text-anchor="end" fill="#555">{tick:g}</text>')
    for x, evaluations in zip(xs, EVALUATIONS):
        parts.append(f'<text x="{x:.1f}" y="{MARGIN + HEIGHT + 18}" text-anchor="middle" fill="#555">{evaluations}</text>')
    lowest = 0
    shown = [(name, values, colour) for (name, values), colour in zip(rows.items(), COLOURS) if None not in values]
    for name, values, colour in sorted(shown, key=lambda one: y_of(one[1][-1])):
        points = " ".join(f"{x:.1f},{y_of(v):.1f}" for x, v in zip(xs, values))
        label = lowest = max(lowest + 14, y_of(values[-1]) + 4)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
                     f'<text x="{left + WIDTH + 6}" y="{label:.1f}" fill="{colour}">{name}</text>')
    return "\n".join(parts)


def plot(accuracy, distance):
    width, height = 2 * (WIDTH + LABELS + MARGIN), HEIGHT + 2 * MARGIN
    right = MARGIN + WIDTH + LABELS + MARGIN
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">\n'
            f'<rect width="{width}" height="{height}" fill="#fff"/>\n'
            + panel(MARGIN, "pictures right in everything, % (evaluations of the UNet)", accuracy, lambda v: v / 100, range(0, 101, 20))
            + panel(right, "distance to the converged picture", distance, lambda v: math.log10(max(v, 1e-4) / 1e-4) / 4, [1e-4, 1e-3, 1e-2, 1e-1, 1])
            + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description="Accuracy and distance for each scheduler.")
    for name in ("clatent", "model", "out"):
        parser.add_argument(name)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the training, which has the held-out scenes")
    parser.add_argument("--scratch", default="compared")
    given = parser.parse_args()
    facts = list_schedulers(given.clatent)
    folder = os.path.join(given.scratch, "limit")
    limit_scores = judge.judge_clatent(given.clatent, given.model, folder, given.seed, given.count, REFERENCE)
    limit = pictures(folder, given.count)
    accuracy, distance = {}, {}
    for name in SCHEDULERS:
        cells = [measure(given, name, n, facts, limit) for n in EVALUATIONS]
        accuracy[name], distance[name] = [c[0] for c in cells], [c[1] for c in cells]
        print(name, " ".join(f"{value:.1f}" for value in accuracy[name]), flush=True)
    with open(given.out + ".md", "w") as file:
        file.write(f"{given.count} captions; the converged pictures: {judge.percentages(limit_scores)['all']:.1f} % right.\n\n"
                   f"Pictures right in everything, %:\n\n{table(accuracy, 1)}\n\n"
                   f"Distance to the converged picture:\n\n{table(distance, 4)}\n")
    with open(given.out + ".svg", "w") as file:
        file.write(plot(accuracy, distance))


if __name__ == "__main__":
    main()
