"""data.py - the drawn pictures and their captions, kept in files of 2000 scenes, and their latents.

Scene i of a split has a random generator of its own, seeded by the run's seed, the split and i: a file can be drawn
again alone, and held-out scenes are those of another split. SPDX-License-Identifier: MIT
"""
import os
import random
import signal
from multiprocessing import Pool

import numpy as np
import torch

import captions
import world
from stage import say

PER_FILE = 2000
CAPTIONS = 4  # per scene
tokenizer = captions.Tokenizer()


def scene_of(seed, split, index):
    """A scene, its picture, and the generator to go on with."""
    rng = random.Random(f"{seed}/{split}/{index}")
    scene = world.make_scene(rng)
    return scene, world.draw(scene, rng), rng


def draw_file(task):
    path, seed, split, first, count = task
    if os.path.exists(path):
        return path
    images = np.empty((count, world.SIDE, world.SIDE, 3), np.uint8)
    ids = np.empty((count, CAPTIONS, captions.LENGTH), np.uint8)
    layouts = np.empty((count, 64, 3 + len(world.SHAPES)), np.float16)
    for i in range(count):
        scene, images[i], rng = scene_of(seed, split, first + i)
        layouts[i] = world.layout(scene, images[i])
        ids[i] = [tokenizer(captions.caption(scene, rng)) for _ in range(CAPTIONS)]
    with open(path + ".new", "wb") as file:
        np.savez(file, images=images, ids=ids, layouts=layouts)
    os.replace(path + ".new", path)
    return path


def forget_signals():
    """A drawing process ends when it is told to; stage.catch_signals is for the one that trains."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Data:
    """images uint8 [n][64][64][3], ids [n][4][77], layouts [n][64][10]; latents [n][8][8][8] once encoded."""

    def __init__(self, run, split, count):
        folder = os.path.join(run.work, "data")
        os.makedirs(folder, exist_ok=True)
        starts = range(0, count, PER_FILE)
        tasks = [(f"{folder}/{split}-{count}-{i:06}.npz", run.settings["seed"], split, i, min(PER_FILE, count - i)) for i in starts]
        with Pool(run.processes, forget_signals) as pool:
            for done, _ in enumerate(pool.imap(draw_file, tasks), 1):
                if done == len(tasks) or done % 5 == 0:
                    say(f"drawn       {split} {done}/{len(tasks)} files")
            pool.close()
            pool.join()
        files = [np.load(task[0]) for task in tasks]
        for key in ("images", "ids", "layouts"):
            setattr(self, key, np.concatenate([file[key] for file in files]))
        self.count, self.latents, self.folder, self.split = count, None, folder, split

    def pictures(self, rows):
        """float32 [n][3][64][64] in -1..1"""
        batch = torch.from_numpy(self.images[rows]).permute(0, 3, 1, 2).float() / 127.5 - 1
        return batch.contiguous(memory_format=torch.channels_last)

    def tokens(self, rows, which):
        return torch.from_numpy(self.ids[rows, which].astype(np.int64))

    def layout(self, rows):
        return torch.from_numpy(self.layouts[rows].astype(np.float32))

    @torch.no_grad()
    def encode(self, autoencoder):
        """Latents (means, not yet scaled) of all pictures; kept in a file, since they take minutes."""
        path = f"{self.folder}/{self.split}-latents.npy"
        if not os.path.exists(path):
            parts = []
            for first in range(0, self.count, 100):
                batch = self.pictures(slice(first, min(first + 100, self.count)))
                parts.append(autoencoder.encode(batch).latent_dist.mean.numpy())
                if first % 5000 == 0:
                    say(f"encoding    {self.split} {first}/{self.count}")
            with open(path + ".new", "wb") as file:
                np.save(file, np.concatenate(parts))
            os.replace(path + ".new", path)
        self.latents = torch.from_numpy(np.load(path))
