#!/usr/bin/env python3
"""bench_peers.py BENCH_STAGE MODELS [--cache DIR] [--rounds N] [--cores 0,1] [--peers A,B] [--tasks A,B]
               [--steps N] [--pause S] [--realtime] [--prepare]
Whole networks, and a whole picture of --steps steps without its loading, at their real size: clatent beside PyTorch (eager, channels last, compiled), ONNX Runtime and
OpenVINO. SPDX-License-Identifier: MIT

BENCH_STAGE is tests/tools/bench_stage (bench_picture beside it); MODELS holds diffusers folders by their names (TASKS). For each task and peer
two processes, pinned to the same cores with as many threads, hold the network; they run by turns, one call each,
after two to warm up (a picture: after one of two steps), with a pause between calls, since the threads of some peers
spin on after a call. Printed: medians, best, and the ratio of medians (peer / clatent). A peer that is not installed
is skipped with a line. What is exported for ONNX Runtime and OpenVINO is kept in --cache; `--prepare` only exports.
Peers get a malloc that keeps its memory (glibc's, tuned): without it PyTorch loses up to a third."""
import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time

# name: folder, kind of network, batch, bench_stage's words
TASKS = {
    "text": ("ldm-text2im-large-256", "text", 1, "LDMBert, 77 tokens"),
    "unet": ("ldm-text2im-large-256", "unet", 2, "text2im UNet, batch 2, 32x32"),
    "decode": ("ldm-text2im-large-256", "decode", 1, "KL-f8 decode to 256x256"),
    "sr_unet": ("ldm-super-resolution-4x-openimages", "unet", 1, "SR UNet, batch 1, 64x64"),
    "picture": ("ldm-text2im-large-256", "picture", 1, "text2im picture, guidance 6"),
    "sr_decode": ("ldm-super-resolution-4x-openimages", "decode", 1, "VQ-f4 decode to 256x256"),
}
PICTURE = ("text", "unet", "decode")
PEERS = {"torch": "torch", "channels_last": "torch", "compile": "torch", "onnxruntime": "onnxruntime",
         "openvino": "openvino"}
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "20000000000", "MALLOC_TOP_PAD_": "268435456"}


# ---- the peers' side ------------------------------------------------------------------------------
def make_network(models, task):
    """The network as a function of tensors, and its inputs."""
    import torch
    folder, kind, batch, _ = TASKS[task]
    path = os.path.join(models, folder)
    torch.manual_seed(0)
    if kind == "text":
        from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertModel
        network = LDMBertModel.from_pretrained(path + "/bert").eval()
        inputs = (torch.randint(0, 30000, (1, 77)),)
        call = lambda m, ids: m(ids)[0]
    elif kind == "unet":
        from diffusers import UNet2DConditionModel, UNet2DModel
        text = task == "unet"
        network = (UNet2DConditionModel if text else UNet2DModel).from_pretrained(path + "/unet").eval()
        side = network.config.sample_size
        inputs = (torch.randn(batch, network.config.in_channels, side, side), torch.tensor([500] * batch))
        if text:
            inputs += (torch.randn(batch, 77, network.config.cross_attention_dim),)
        call = (lambda m, x, t, c: m(x, t, encoder_hidden_states=c, return_dict=False)[0]) if text else \
            (lambda m, x, t: m(x, t, return_dict=False)[0])
    else:
        from diffusers import AutoencoderKL, VQModel
        kl = task == "decode"
        network = (AutoencoderKL if kl else VQModel).from_pretrained(path + "/vqvae").eval()
        side = 256 // 2 ** (len(network.config.block_out_channels) - 1)
        inputs = (torch.randn(1, network.config.latent_channels, side, side),)
        call = (lambda m, z: m.decode(z, return_dict=False)[0]) if kl else \
            (lambda m, z: m.decode(z, force_not_quantize=True, return_dict=False)[0])

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, *values):
            return call(self.network, *values)
    return Wrapped().eval(), inputs


def inputs_path(task, cache):
    return os.path.join(cache, task + ".npz")


def export_onnx(models, task, cache):
    """The network, and beside it its inputs: who runs it needs no PyTorch."""
    import numpy
    import torch
    path = os.path.join(cache, task + ".onnx")
    if not os.path.exists(path) or not os.path.exists(inputs_path(task, cache)):
        network, inputs = make_network(models, task)
        numpy.savez(inputs_path(task, cache), *[value.numpy() for value in inputs])
        with torch.no_grad():
            torch.onnx.export(network, inputs, path, dynamo=True, opset_version=18, external_data=True)
    return path


def export_openvino(models, task, cache):
    """From the ONNX file, which is there already and quicker to convert than the module."""
    import openvino
    path = os.path.join(cache, task + ".xml")
    if not os.path.exists(path):
        openvino.save_model(openvino.convert_model(export_onnx(models, task, cache)), path, compress_to_fp16=True)
    return path


# A peer's network is a function of arrays, which gives an array.
def open_torch(peer, models, task, threads):
    import torch
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    network, _ = make_network(models, task)
    if peer == "channels_last":
        network = network.to(memory_format=torch.channels_last)
    if peer == "compile":
        import torch._inductor.config
        torch._inductor.config.freezing = True
        network = torch.compile(network)

    def tensor(value):
        value = torch.from_numpy(value)
        last = peer == "channels_last" and value.ndim == 4
        return value.to(memory_format=torch.channels_last) if last else value
    return lambda *values: network(*[tensor(value) for value in values]).numpy()


def open_onnxruntime(path, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [spec.name for spec in session.get_inputs()]
    return lambda *values: session.run(None, dict(zip(names, values)))[0]


def open_openvino(path, threads):
    import openvino
    compiled = openvino.Core().compile_model(path, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False})
    request = compiled.create_infer_request()
    return lambda *values: request.infer(list(values))[0]


def open_peer(peer, models, task, cache, threads):
    if PEERS[peer] == "torch":
        return open_torch(peer, models, task, threads)
    if PEERS[peer] == "onnxruntime":
        return open_onnxruntime(os.path.join(cache, task + ".onnx"), threads)
    return open_openvino(os.path.join(cache, task + ".xml"), threads)


def ddim_step(latents, noise, alpha, alpha_next):
    """arXiv 2010.02502, equation 12 with eta 0."""
    start = (latents - (1 - alpha) ** 0.5 * noise) / alpha ** 0.5
    return alpha_next ** 0.5 * start + (1 - alpha_next) ** 0.5 * noise


def open_picture(peer, models, cache, threads, guidance=6.0):
    """A function of steps: the prompt and "" through the text encoder, the UNet and DDIM, the decoder."""
    import numpy
    text, unet, decode = (open_peer(peer, models, task, cache, threads) for task in PICTURE)
    ids, = numpy.load(inputs_path("text", cache)).values()
    x, timesteps, _ = numpy.load(inputs_path("unet", cache)).values()
    alphas = numpy.cumprod(1 - numpy.linspace(0.0015 ** 0.5, 0.0195 ** 0.5, 1000) ** 2)

    def picture(steps):
        context = numpy.concatenate([text(numpy.zeros_like(ids)), text(ids)])
        latents = x[:1]
        stride = 1000 // steps
        for t in range((steps - 1) * stride, -1, -stride):
            both = unet(numpy.concatenate([latents] * 2), numpy.full_like(timesteps, t), context)
            noise = both[:1] + guidance * (both[1:] - both[:1])
            latents = ddim_step(latents, noise, alphas[t], alphas[max(t - stride, 0)]).astype(numpy.float32)
        return decode(latents)
    return picture


def serve(peer, models, task, cache, threads):
    """Each line of standard input is one call: of the network, or of a picture of so many steps."""
    import numpy
    if task == "picture":
        run = open_picture(peer, models, cache, threads)
    else:
        network, inputs = open_peer(peer, models, task, cache, threads), numpy.load(inputs_path(task, cache)).values()
        inputs = list(inputs)
        run = lambda _: network(*inputs)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        run(int(line))
        print(time.perf_counter() - start, flush=True)


# ---- the judge's side -----------------------------------------------------------------------------
class Contestant:
    """A process that runs once for each line it gets, and answers with the seconds."""

    def __init__(self, command, cores, environment):
        command = ["taskset", "-c", cores] + command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **environment})
        if self.process.stdout.readline().strip() != "ready":
            self.close()
            raise RuntimeError(f"{os.path.basename(command[3])} does not start")

    def run(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("ends early")
        return float(line)

    def hurry(self):
        """Before all other processes, on the cores that it has."""
        subprocess.run(["chrt", "-a", "-f", "-p", "5", str(self.process.pid)], check=True)

    def memory(self):
        """Peak resident size in GiB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            peak = next(line for line in status if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 2**20

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def environment_of(threads, peer):
    words = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "POCL_MAX_PTHREAD_COUNT": str(threads)}
    return {**words, **MALLOC} if peer else words


def duel(arguments, task, peer):
    threads = len(arguments.cores.split(","))
    folder, kind, batch, _ = TASKS[task]
    theirs = [sys.executable, os.path.abspath(__file__), arguments.bench, arguments.models, "--cache", arguments.cache,
              "--serve", peer, "--tasks", task, "--threads", str(threads)]
    folder = os.path.join(arguments.models, folder)
    ours = [arguments.bench, folder, kind, str(batch)]
    if task == "picture":
        here = os.path.dirname(arguments.bench)
        ours = [os.path.join(here, "bench_picture"), folder, os.path.join(here, "../../schedulers/.libs")]
    first = Contestant(ours, arguments.cores, environment_of(threads, False))
    second = None
    try:
        second = Contestant(theirs, arguments.cores, environment_of(threads, True))
        pair = (first, second)
        times = ([], [])
        for contestant in pair if task == "picture" else pair * 2:
            contestant.run(2)
        if arguments.realtime:
            for contestant in pair:
                contestant.hurry()
        for _ in range(arguments.rounds):
            for contestant, list_ in zip(pair, times):
                time.sleep(arguments.pause)
                list_.append(contestant.run(arguments.steps))
        return times, [contestant.memory() for contestant in pair]
    finally:
        for contestant in (first, second):
            if contestant:
                contestant.close()


def installed(peer):
    return importlib.util.find_spec(PEERS[peer]) is not None


def compare(arguments):
    print(f"cores {arguments.cores}, {arguments.rounds} rounds by turns, median (best) in seconds, peak memory in GiB")
    print("| task | peer | peer, s | clatent, s | ratio | peer, GiB | clatent, GiB |\n|---|---|---|---|---|---|---|",
          flush=True)
    for task in arguments.tasks:
        for peer in arguments.peers:
            try:
                (ours, theirs), (our_memory, memory) = duel(arguments, task, peer)
            except RuntimeError as error:
                print(f"| {TASKS[task][3]} | {peer} | {error} |", flush=True)
                continue
            a, b = statistics.median(theirs), statistics.median(ours)
            print(f"| {TASKS[task][3]} | {peer} | {a:.3f} ({min(theirs):.3f}) | {b:.3f} ({min(ours):.3f}) | {a / b:.2f} | "
                  f"{memory:.1f} | {our_memory:.1f} |", flush=True)


def prepare(arguments):
    networks = [part for task in arguments.tasks for part in (PICTURE if task == "picture" else [task])]
    for task in dict.fromkeys(networks):
        for peer, export in (("onnxruntime", export_onnx), ("openvino", export_openvino)):
            if peer in arguments.peers:
                start = time.perf_counter()
                path = export(arguments.models, task, arguments.cache)
                print(f"{path}: {time.perf_counter() - start:.0f} s", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("models")
    parser.add_argument("--cache", default=os.path.expanduser("~/.cache/clatent-peers"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", default="0,1")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--steps", type=int, default=50, help="of a picture")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds before each timed call")
    parser.add_argument("--prepare", action="store_true", help="only export")
    parser.add_argument("--realtime", action="store_true", help="timed calls before other processes: chrt -f 5")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.tasks = arguments.tasks.split(",")
    os.makedirs(arguments.cache, exist_ok=True)
    if arguments.serve:
        return serve(arguments.serve, arguments.models, arguments.tasks[0], arguments.cache, arguments.threads)
    wanted = arguments.peers.split(",")
    arguments.peers = [peer for peer in wanted if installed(peer)]
    for library in ("torch", "diffusers"): # they also export the networks
        if importlib.util.find_spec(library) is None:
            sys.exit(f"bench_peers: {library} is not installed")
    for peer in wanted:
        if peer not in arguments.peers:
            print(f"bench_peers: {PEERS[peer]} is not installed, {peer} is skipped", file=sys.stderr)
    prepare(arguments)
    if not arguments.prepare:
        compare(arguments)


if __name__ == "__main__":
    main()
