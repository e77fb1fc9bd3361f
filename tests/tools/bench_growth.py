#!/usr/bin/env python3
"""bench_growth.py BENCH_STAGE MODEL [--rounds N] [--parts size,batch,cores,steps]
How the cost of a text2im model grows: with the size of the picture, images per UNet call, processor cores, steps.
SPDX-License-Identifier: MIT

BENCH_STAGE is tests/tools/bench_stage, bench_picture beside it. Prints tables of medians (best) in seconds; two cores
where nothing else is said. A UNet call has two rows per image, as guidance wants."""
import argparse
import os
import statistics

from bench_peers import Contestant, environment_of


def measure(command, cores, rounds, word=1, warm=2):
    """Median and best seconds, peak GiB."""
    threads = len(cores.split(","))
    contestant = Contestant(command, cores, environment_of(threads, False))
    try:
        for _ in range(warm):
            contestant.run(2)
        times = [contestant.run(word) for _ in range(rounds)]
        return statistics.median(times), min(times), contestant.memory()
    finally:
        contestant.close()


class Growth:
    def __init__(self, bench, model, rounds):
        self.bench, self.model, self.rounds = bench, model, rounds

    def stage(self, kind, batch, size=256, cores="0,1"):
        rounds = self.rounds if size < 512 and batch < 8 else 3
        return measure([self.bench, self.model, kind, str(batch), str(size), str(size)], cores, rounds,
                       warm=2 if size < 512 else 1)

    def by_size(self):
        print("| pixels | UNet, batch 2, s | per megapixel, s | GiB | decode, s | per megapixel, s | GiB |\n|---|---|---|---|---|---|---|")
        for size in (256, 512, 768):
            unet, decode = self.stage("unet", 2, size), self.stage("decode", 1, size)
            area = size * size / 1e6
            print(f"| {size} x {size} | {unet[0]:.2f} ({unet[1]:.2f}) | {unet[0] / area:.1f} | {unet[2]:.1f} | "
                  f"{decode[0]:.2f} ({decode[1]:.2f}) | {decode[0] / area:.1f} | {decode[2]:.1f} |", flush=True)

    def by_batch(self):
        print("| images | UNet, s | per image, s | GiB |\n|---|---|---|---|")
        for images in (1, 2, 4, 8):
            unet = self.stage("unet", 2 * images)
            print(f"| {images} | {unet[0]:.2f} ({unet[1]:.2f}) | {unet[0] / images:.2f} | {unet[2]:.1f} |", flush=True)

    def by_cores(self):
        print("| cores | text encoder, s | UNet, batch 2, s | decode, s |\n|---|---|---|---|")
        for cores in ("0", "0,1", "0,1,2,3"):
            count = len(cores.split(","))
            if count > os.cpu_count():
                continue
            row = [self.stage(kind, batch, cores=cores) for kind, batch in (("text", 1), ("unet", 2), ("decode", 1))]
            print(f"| {count} | " + " | ".join(f"{median:.2f} ({best:.2f})" for median, best, _ in row) + " |",
                  flush=True)

    def by_steps(self):
        print("| steps | picture without loading, s |\n|---|---|")
        here = os.path.dirname(self.bench)
        command = [os.path.join(here, "bench_picture"), self.model, os.path.join(here, "../../schedulers/.libs")]
        for steps in (10, 25, 50):
            median, best, _ = measure(command, "0,1", 3 if steps < 50 else 1, steps, warm=1)
            print(f"| {steps} | {median:.1f} ({best:.1f}) |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", default="size,batch,cores,steps")
    arguments = parser.parse_args()
    growth = Growth(arguments.bench, arguments.model, arguments.rounds)
    for part in arguments.parts.split(","):
        getattr(growth, "by_" + part)()
        print()


if __name__ == "__main__":
    main()
