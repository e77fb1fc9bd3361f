"""stage.py - one stage of training: a loop that can be killed at any step and continued to the same result.

What a step does depends on the state (weights, averages, optimiser), the seed and the step's number alone: every
step has random generators of its own. The state is written to WORK/NAME.pt every two minutes, when the process is
asked to end (SIGTERM, SIGINT), and after the last step. The result of a stage is the running average of its weights.
SPDX-License-Identifier: MIT
"""
import math
import os
import signal
import sys
import time
import zlib

import numpy as np
import torch

from muon import Muon

SAVE_EVERY = 120  # seconds
asked_to_end = False


def ask_to_end(*_):
    global asked_to_end
    asked_to_end = True


def catch_signals():
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_end)


def say(words):
    print(f"{time.strftime('%H:%M:%S')}  {words}", flush=True)


class Dice:
    """The random numbers of one step: numpy's for choices, torch's for noise."""

    def __init__(self, seed, name, step):
        key = [seed, zlib.crc32(name.encode()), step]
        self.choice = np.random.default_rng(key)
        self.torch = torch.Generator().manual_seed(int(self.choice.integers(1 << 62)))

    def normal(self, shape):
        return torch.randn(shape, generator=self.torch)

    def uniform(self, *shape):
        return torch.rand(shape, generator=self.torch)


class Stage:
    """modules: name -> (module, factor of the learning rate). Only what requires a gradient is trained."""

    def __init__(self, run, name, modules, steps, rate, hold=0., decay=.999, weight_decay=0.):
        self.run, self.name, self.steps, self.rate, self.hold, self.decay = run, name, steps, rate, hold, decay
        self.modules = {key: module for key, (module, _) in modules.items()}
        groups = []
        for key, (module, factor) in modules.items():
            tables = {id(m.weight) for m in module.modules() if isinstance(m, torch.nn.Embedding)}
            weights = [w for w in module.parameters() if w.requires_grad]
            groups.append(dict(params=[w for w in weights if id(w) not in tables], factor=factor))
            groups.append(dict(params=[w for w in weights if id(w) in tables], factor=factor, adam=True))
        self.optimiser = Muon([g for g in groups if g["params"]], weight_decay)
        self.weights = [w for g in self.optimiser.param_groups for w in g["params"]]
        self.average = [w.detach().clone() for w in self.weights]
        self.settings = run.settings_until(name)
        self.step, self.file = 0, os.path.join(run.work, name + ".pt")

    def save(self):
        state = dict(step=self.step, settings=self.settings, average=self.average,
                     optimiser=self.optimiser.state_dict(), modules={k: m.state_dict() for k, m in self.modules.items()})
        torch.save(state, self.file + ".new")
        os.replace(self.file + ".new", self.file)

    def load(self):
        if not os.path.exists(self.file):
            return
        state = torch.load(self.file)
        if state["settings"] != self.settings:
            sys.exit(f"{self.file}: made with other settings ({state['settings']}): take another --work folder")
        for key, module in self.modules.items():
            module.load_state_dict(state["modules"][key])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.average = state["step"], state["average"]

    def swap(self):
        """Exchanges weights and averages; twice is once not."""
        for weight, average in zip(self.weights, self.average):
            kept = weight.detach().clone()
            weight.data.copy_(average)
            average.copy_(kept)

    def average_again(self, weight):
        """The average of a weight that was given new values begins with them."""
        place = next(i for i, w in enumerate(self.weights) if w is weight)
        self.average[place].copy_(weight.detach())

    def set_rate(self):
        """A rise over 50 steps, the full rate for a share of `hold`, then half a cosine down to a hundredth."""
        done = self.step / self.steps
        fall = .5 + .5 * math.cos(math.pi * max(0, done - self.hold) / (1 - self.hold))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * group["factor"] * min(1, (self.step + 1) / 50) * (.99 * fall + .01)

    def advance(self, losses_of):
        dice = Dice(self.run.settings["seed"], self.name, self.step)
        losses = losses_of(dice, self.step / self.steps)
        self.set_rate()
        self.optimiser.zero_grad()
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.)
        self.optimiser.step()
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.average, [w.detach() for w in self.weights], 1 - decay)
        return {key: float(value.detach()) for key, value in losses.items()}

    def report(self, sums, count, seconds, look):
        left = (self.steps - self.step) * seconds / count
        words = "  ".join(f"{key} {value / count:.4f}" for key, value in sums.items())
        say(f"{self.name:11} {self.step:5}/{self.steps}  {seconds / count:.2f} s/step  {left / 60:.0f} min left  {words}")
        if look and 8 * self.step // self.steps > 8 * (self.step - count) // self.steps:
            self.swap()
            with torch.no_grad():
                say(f"{self.name:11} {self.step:5}  {look()}")
            self.swap()

    def train(self, losses_of, look=None):
        """Runs to the end, or continues to it; then the modules hold the averages. look() -> words about progress,
        called with the averages in place, eight times a stage."""
        self.load()
        every = max(1, self.steps // 80)
        saved = since = time.time()
        sums, count = {}, 0
        while self.step < self.steps:
            for key, value in self.advance(losses_of).items():
                sums[key] = sums.get(key, 0) + value
            count += 1
            if self.step % every == 0:
                self.report(sums, count, time.time() - since, look)
                since, sums, count = time.time(), {}, 0
            if asked_to_end or time.time() - saved > SAVE_EVERY or self.step == self.steps:
                self.save()
                saved = time.time()
            if asked_to_end:
                sys.exit(f"stopped in stage {self.name} at step {self.step}; the same command goes on from there")
        self.swap()
