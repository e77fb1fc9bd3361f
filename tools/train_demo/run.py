"""run.py - what all stages of a training share: the work folder, the settings, how far to go.

SPDX-License-Identifier: MIT
"""
import os

# Threads that wait must sleep: with spinning, one other program on the machine makes training many times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import diffusers
import torch

from stage import catch_signals


def prepare():
    """Libraries keep quiet; SIGTERM and Ctrl-C end a training at a step."""
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    catch_signals()


class Run:
    """sizes: name -> number, among them the steps of each trained stage; trained: the names of those, in order, of
    `stages`. settings is what the weights depend on."""

    def __init__(self, options, sizes, trained, stages):
        self.work, self.processes, self.sizes = options.work, options.threads, sizes
        self.settings = dict(seed=options.seed, threads=options.threads, **sizes)
        self.trained, self.stages, self.until = trained, stages, options.until
        os.makedirs(self.work, exist_ok=True)
        torch.set_num_threads(options.threads)
        torch.use_deterministic_algorithms(True)
        torch.manual_seed(options.seed)  # of the networks' starting weights

    def settings_until(self, stage):
        """What the weights of a stage depend on; checkpoints made with others are refused."""
        later = self.trained[self.trained.index(stage) + 1:]
        return {key: value for key, value in self.settings.items() if key not in [*later, "held", "sampled"]}

    def wants(self, stage):
        return self.stages.index(stage) <= self.stages.index(self.until)


def add_options(parser, sizes, stages, work):
    parser.add_argument("--work", default=work, help="folder of drawn pictures and checkpoints")
    parser.add_argument("--out", help="folder of the model; default: WORK/model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="the weights depend on it in their last bits")
    parser.add_argument("--size", choices=sizes, default="full", help="smoke: all stages, a few steps each")
    parser.add_argument("--until", choices=stages, default="judge", help="last stage")
