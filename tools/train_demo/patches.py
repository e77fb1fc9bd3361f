"""patches.py - what super-resolution learns from: scenes drawn four times as large, and squares of 128 by 128 out of them.

The condition is the square's mean over 4 by 4 pixels, as small as the scene is drawn for the other model. Most squares
are laid round the rim of an object: inside one, and on the background, nothing is to be learned.
SPDX-License-Identifier: MIT
"""
import os
import random
from multiprocessing import Pool

import numpy as np
import torch

import world
from data import forget_signals
from stage import say

FACTOR = 4
SIDE = 128  # of a patch
WHOLE = world.SIDE * FACTOR
PER_FILE = 500


def make_frame(rng, scene, side):
    if side == WHOLE:
        return world.Frame(FACTOR, WHOLE)
    thing = rng.choice(scene.objects)
    angle = rng.uniform(0, 2 * np.pi)
    x, y = thing.x + thing.radius * np.cos(angle), thing.y + thing.radius * np.sin(angle)
    left, top = (min(max(round(FACTOR * v - side / 2 + rng.uniform(-32, 32)), 0), WHOLE - side) for v in (x, y))
    return world.Frame(FACTOR, side, left // FACTOR * FACTOR, top // FACTOR * FACTOR)


def draw_patches(task):
    path, seed, split, side, first, count = task
    if os.path.exists(path):
        return path
    images = np.empty((count, side, side, 3), np.uint8)
    for i in range(count):
        rng = random.Random(f"{seed}/patches/{split}/{first + i}")
        scene = world.make_scene(rng)
        images[i] = world.draw(scene, rng, make_frame(rng, scene, side))
    with open(path + ".new", "wb") as file:
        np.save(file, images)
    os.replace(path + ".new", path)
    return path


def shrink(pictures):
    """The mean of 4 by 4 pixels, as eight bits hold it; pictures float [n][3][h][w] in -1..1."""
    mean = torch.nn.functional.avg_pool2d(pictures, FACTOR)
    return torch.round((mean + 1) * 127.5) / 127.5 - 1


def to_pictures(images):
    """float32 [n][3][h][w] in -1..1 of uint8 [n][h][w][3]"""
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    return batch.contiguous(memory_format=torch.channels_last)


class Patches:
    """images uint8 [n][side][side][3]; latents [n][3][side / 4][side / 4] once encoded."""

    def __init__(self, run, split, count, side=SIDE):
        self.folder, self.split, self.count = os.path.join(run.work, "data"), split, count
        os.makedirs(self.folder, exist_ok=True)
        tasks = [(f"{self.folder}/patches-{split}-{count}-{i:06}.npy", run.settings["seed"], split, side, i, min(PER_FILE, count - i))
                 for i in range(0, count, PER_FILE)]
        with Pool(run.processes, forget_signals) as pool:
            files = list(pool.imap(draw_patches, tasks))
            pool.close()
            pool.join()
        self.images = np.concatenate([np.load(path) for path in files])
        say(f"drawn       {split} {count} patches")

    def pictures(self, rows):
        return to_pictures(self.images[rows])

    @torch.no_grad()
    def encode(self, autoencoder):
        """Latents of all patches, before they are quantised; kept in a file."""
        path = f"{self.folder}/patches-{self.split}-latents.npy"
        if not os.path.exists(path):
            parts = [autoencoder.encode(self.pictures(slice(i, min(i + 50, self.count)))).latents.numpy()
                     for i in range(0, self.count, 50)]
            with open(path + ".new", "wb") as file:
                np.save(file, np.concatenate(parts))
            os.replace(path + ".new", path)
        self.latents = torch.from_numpy(np.load(path))
