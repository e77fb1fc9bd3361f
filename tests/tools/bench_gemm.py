#!/usr/bin/env python3
"""bench_gemm.py BENCH_GEMM [linear|attention|all] [ENGINE] - linear layers and attention beside torch, in
alternation. torch does what our one call does: linear, then GELU gate or residual; for attention the
faster of scaled_dot_product_attention and bmm + softmax + bmm. SPDX-License-Identifier: MIT

Pin both to the same cores: POCL_MAX_PTHREAD_COUNT=2 OMP_NUM_THREADS=2 taskset -c 0,1 bench_gemm.py ..."""
import os, statistics, subprocess, sys, time
import torch
import torch.nn.functional as F

LINEAR = [  # rows, in, out, activation (4: GEGLU)
    (2048, 320, 320, 0), (2048, 320, 960, 0), (2048, 320, 1280, 4), (2048, 1280, 320, 0),
    (512, 640, 640, 0), (512, 640, 2560, 4), (512, 2560, 640, 0), (128, 1280, 1280, 0),
    (128, 1280, 5120, 4), (128, 5120, 1280, 0), (32, 1280, 1280, 0), (32, 1280, 5120, 4),
    (154, 1280, 5120, 0), (154, 1280, 320, 0), (77, 1280, 5120, 0), (2, 1280, 1280, 0), (2, 320, 1280, 1)]
ATTENTION = [  # images, tokens, keys, heads, width
    (2, 1024, 1024, 8, 40), (2, 256, 256, 8, 80), (2, 64, 64, 8, 160), (2, 1024, 77, 8, 40),
    (2, 256, 77, 8, 80), (2, 64, 77, 8, 160), (2, 16, 16, 8, 160), (2, 77, 77, 8, 64),
    (1, 1024, 1024, 1, 512), (1, 4096, 4096, 1, 512)]
ROUNDS = int(os.environ.get("ROUNDS", 7))
what = sys.argv[2] if len(sys.argv) > 2 else "all"
engine = int(sys.argv[3]) if len(sys.argv) > 3 else 1
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
torch.set_grad_enabled(False)
server = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(line):
    server.stdin.write(line + "\n")
    server.stdin.flush()
    return server.stdout.readline().split()


def timed(call, count):
    times = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def compare(label, flop, forms, slot):
    count = max(3, min(100, int(0.1 * 250e9 / flop)))
    for form in forms:
        form()
    theirs, ours = [], []
    for _ in range(ROUNDS):
        theirs.append(min(timed(form, count) for form in forms))
        time.sleep(0.3)  # torch's threads spin for a while after a call, on the cores that we want
        ours.append(float(ask(f"run {slot} {max(3, count // 4)}")[1]))
    rate = lambda seconds: flop / seconds / 1e9
    print(f"{label:28s} torch {rate(statistics.median(theirs)):6.0f} ({rate(min(theirs)):5.0f})  "
          f"ours {rate(statistics.median(ours)):6.0f} ({rate(min(ours)):5.0f})  "
          f"ratio {statistics.median(t / o for t, o in zip(theirs, ours)):5.2f}", flush=True)


def linear(rows, cin, out, activation):
    columns = out * (2 if activation == 4 else 1)
    x, w, b = torch.randn(rows, cin), torch.randn(columns, cin), torch.randn(columns)
    residual = torch.randn(rows, out)

    def form():
        y = F.linear(x, w, b)
        if activation == 4:
            value, gate = y.chunk(2, dim=-1)
            return value * F.gelu(gate)
        return (F.silu(y) if activation else y) + residual

    compare(f"{rows} x {cin} -> {columns}{' GEGLU' if activation == 4 else ''}", 2.0 * rows * cin * columns,
            [form], ask(f"linear {rows} {cin} {out} {activation} {engine}")[0])


def attention(images, tokens, keys, heads, width):
    q, k, v = (torch.randn(images, n, heads, width).transpose(1, 2) for n in (tokens, keys, keys))
    forms = [lambda: F.scaled_dot_product_attention(q, k, v),
             lambda: (q @ k.transpose(-1, -2) * 0.2).softmax(-1) @ v]
    compare(f"{images * heads} x {tokens} x {keys} x {width}", 4.0 * images * heads * tokens * keys * width, forms,
            ask(f"attention {images} {tokens} {keys} {heads} {width}")[0])


if what in ("linear", "all"):
    for shape in LINEAR:
        linear(*shape)
if what in ("attention", "all"):
    for shape in ATTENTION:
        attention(*shape)
