#!/usr/bin/env python3
"""bench_conv.py BENCH_CONV [VARIANT...] - 3x3 convolutions beside torch, in alternation, in GFLOP/s of
the direct form. torch's time of a round is the smaller of NCHW and channels-last eager (fold, SiLU and
residual, which our call includes, are left out of torch's). SPDX-License-Identifier: MIT

Pin both to the same cores: POCL_MAX_PTHREAD_COUNT=2 OMP_NUM_THREADS=2 taskset -c 0,1 bench_conv.py ..."""
import os, statistics, subprocess, sys, time

SHAPES = [  # in, out, side, batch, stride
    (320, 320, 32, 2, 1), (640, 320, 32, 2, 1), (960, 320, 32, 2, 1), (640, 640, 32, 2, 1),
    (640, 640, 16, 2, 1), (1280, 640, 16, 2, 1), (1280, 1280, 8, 2, 1), (2560, 1280, 8, 2, 1),
    (1280, 1280, 4, 2, 1), (320, 320, 32, 2, 2), (1280, 1280, 8, 2, 2), (4, 320, 32, 2, 1),
    (320, 4, 32, 2, 1), (512, 512, 32, 1, 1), (512, 512, 64, 1, 1), (512, 512, 128, 1, 1),
    (256, 256, 256, 1, 1), (128, 128, 256, 1, 1), (128, 3, 256, 1, 1)]
ROUNDS = int(os.environ.get("ROUNDS", 5))
VARIANTS = [int(v) for v in sys.argv[2:]] or [-1]
only = os.environ.get("ONLY")
with_torch = os.environ.get("TORCH", "1") == "1"
# before torch, which may bind this process, and so its children, to one core
server = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
if with_torch:
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    torch.set_grad_enabled(False)


def ask(line):
    server.stdin.write(line + "\n")
    server.stdin.flush()
    return server.stdout.readline().split()


def timed(call, count):
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


for cin, cout, side, batch, stride in SHAPES:
    if only and f"{cin},{cout},{side}" not in only.split():
        continue
    flop = 18 * cin * cout * (side // stride) ** 2 * batch
    count = max(3, min(30, int(0.1 * 250e9 / flop)))
    slots = [ask(f"layer {cin} {cout} {side} {batch} {stride} {v}") for v in VARIANTS]
    forms = []
    if with_torch:
        x, w = torch.randn(batch, cin, side, side), torch.randn(cout, cin, 3, 3) * 0.02
        last = dict(memory_format=torch.channels_last)
        xl, wl = x.contiguous(**last), w.contiguous(**last)
        forms = [lambda: F.conv2d(x, w, padding=1, stride=stride), lambda: F.conv2d(xl, wl, padding=1, stride=stride)]
        for form in forms:
            form()
    theirs, ours = [], [[] for _ in slots]
    for _ in range(ROUNDS):
        theirs.append(min([timed(form, count) for form in forms], default=float("nan")))
        for times, slot in zip(ours, slots):
            times.append(float(ask(f"run {slot[0]} {count}")[0]))
    for times, slot in zip(ours, slots):
        ratio = statistics.median(t / o for t, o in zip(theirs, times))
        rate = lambda seconds: flop / seconds / 1e9
        print(f"{cin:5d} {cout:5d} @{side:<4d} b{batch} s{stride} {' '.join(slot[1:-1]):18s} {int(slot[-1]) / 1e6:6.1f} MB  "
              f"torch {rate(statistics.median(theirs)):6.0f} ({rate(min(theirs)):6.0f})  "
              f"ours {rate(statistics.median(times)):6.0f} ({rate(min(times)):6.0f})  ratio {ratio:5.2f}", flush=True)
