#!/usr/bin/env python3
"""zoo_memory.py - every model of the paper at its real size, with empty weights: what inspect says of it.

Usage: zoo_memory.py CLATENT SCRATCH [docs/models.md]

A yaml as the authors' goes beside a checkpoint that inspect itself dictates: first without tensors, whose names are then
told as missing; then with all of them, each of one number, so that their shapes are told as wrong; then with these
shapes, as a file of holes. Prints parameters and memory, and with a third argument compares them with that document's
tables. Run by hand. SPDX-License-Identifier: MIT
"""
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys

import yaml

clatent, scratch = sys.argv[1:3]
ENCODERS = "ldm.modules.encoders.modules."


# ---- what the authors' yaml files say ----------------------------------------------------------------------------
def first_stage(kind, z, mult, codes=None, attention=(), interface=True, **more):
    config = dict(more, double_z=kind == "kl", z_channels=z, resolution=256, in_channels=3, out_ch=3, ch=128,
                  ch_mult=mult, num_res_blocks=2, attn_resolutions=list(attention), dropout=0.0)
    name = "AutoencoderKL" if kind == "kl" else "VQModelInterface" if interface else "VQModel"
    params = dict(embed_dim=z, ddconfig=config, lossconfig=dict(target="torch.nn.Identity"))
    if codes:
        params["n_embed"] = codes
    return dict(target="ldm.models.autoencoder." + name, params=params)


FIRST_STAGES = {
    "kl-f4": ("kl", 3, [1, 2, 4]),
    "kl-f8": ("kl", 4, [1, 2, 4, 4]),
    "kl-f16": ("kl", 16, [1, 1, 2, 2, 4], None, (16,)),
    "kl-f32": ("kl", 64, [1, 1, 2, 2, 4, 4], None, (16, 8)),
    "vq-f4": ("vq", 3, [1, 2, 4], 8192),
    "vq-f8": ("vq", 4, [1, 2, 2, 4], 16384, (32,)),
    "vq-f8-n256": ("vq", 4, [1, 2, 2, 4], 256, (32,)),
    "vq-f16": ("vq", 8, [1, 1, 2, 2, 4], 16384, (16,)),
}


def stage(name, interface=True):
    more = dict(attn_type="none") if name == "vq-f4-noattn" else {}
    return first_stage(*FIRST_STAGES[name.replace("-noattn", "")], interface=interface, **more)


def bert(width, layers, **more):
    return dict(target=ENCODERS + "BERTEmbedder", params=dict(more, n_embed=width, n_layer=layers))


def classes(**more):
    return dict(target=ENCODERS + "ClassEmbedder", params=dict(more, embed_dim=512, key="class_label"))


def text(width, depth=1, **more):
    return dict(more, use_spatial_transformer=True, transformer_depth=depth, context_dim=width)


faces = (4, "vq-f4", 3, 224, [1, 2, 3, 4], [8, 4, 2], dict(num_head_channels=32), "__is_unconditional__", {})
rescaler = dict(target=ENCODERS + "SpatialRescaler", params=dict(n_stages=2, in_channels=182, out_channels=3))
landscape = (4, "vq-f4", 6, 128, [1, 4, 8], [32, 16, 8], dict(num_heads=8), rescaler, dict(concat_mode=True))
cross = dict(conditioning_key="crossattn")
# pixels of a latent, first stage, channels in, width, mult, attention, more of the UNet, condition, more
MODELS = {
    "txt2img-f8-large": (8, "kl-f8", 4, 320, [1, 2, 4, 4], [4, 2, 1], text(1280, num_heads=8, legacy=False),
                         bert(1280, 32), dict(cross, scale_factor=0.18215, use_ema=False)),
    "text2img256": (4, "vq-f4", 3, 192, [1, 2, 3, 5], [8, 4, 2], text(640, num_head_channels=32), bert(640, 32), cross),
    "bsr_sr": (4, "vq-f4", 6, 160, [1, 2, 2, 4], [16, 8], dict(num_head_channels=32),
               dict(target="torch.nn.Identity"), dict(concat_mode=True)),
    "celeba256": faces,
    "ffhq256": faces,
    "lsun_beds256": faces,
    "lsun_churches256": (8, "kl-f8", 4, 192, [1, 2, 2, 4, 4], [1, 2, 4, 8],
                         dict(num_heads=8, use_scale_shift_norm=True, resblock_updown=True), "__is_unconditional__",
                         dict(concat_mode=False, scale_by_std=True)),
    "cin256-v2": (4, "vq-f4", 3, 192, [1, 2, 3, 5], [8, 4, 2], text(512, num_heads=1), classes(n_classes=1001),
                  dict(cross, use_ema=False)),
    "cin256": (8, "vq-f8", 4, 256, [1, 2, 4], [4, 2, 1], text(512, num_head_channels=32), classes(), cross),
    "inpainting_big": (4, "vq-f4-noattn", 7, 256, [1, 2, 3, 4], [8, 4, 2], dict(num_heads=8, resblock_updown=True),
                       "__is_first_stage__", dict(concat_mode=True)),
    "semantic_synthesis256": landscape,
    "semantic_synthesis512": landscape,
    "layout2img-openimages256": (4, "vq-f4", 3, 128, [1, 2, 3, 4], [8, 4, 2], text(512, 3, num_head_channels=32),
                                 bert(512, 16, vocab_size=8192, max_seq_len=92, use_tokenizer=False), cross),
    "rdm768x768": (16, "kl-f16", 16, 448, [1, 2, 3, 4], [4, 2, 1], text(768, num_head_channels=32),
                   dict(target="torch.nn.Identity"), dict(cross, scale_factor=0.22765929)),
}


def model_yaml(name):
    if name not in MODELS:
        return dict(model=stage(name, interface=False))
    scale, autoencoder, channels, width, mult, attention, more, condition, extra = MODELS[name]
    pixels = int(re.search(r"(256|512|768)", name + "256").group())
    z = FIRST_STAGES[autoencoder.replace("-noattn", "")][1]
    unet = dict(more, image_size=pixels // scale, in_channels=channels, out_channels=z, model_channels=width,
                channel_mult=mult, attention_resolutions=attention, num_res_blocks=2)
    params = dict(extra, linear_start=0.0015, linear_end=0.0195, timesteps=1000, image_size=pixels // scale, channels=z,
                  unet_config=dict(target="ldm.modules.diffusionmodules.openaimodel.UNetModel", params=unet),
                  first_stage_config=stage(autoencoder), cond_stage_config=condition)
    return dict(model=dict(target="ldm.models.diffusion.ddpm.LatentDiffusion", params=params))


# ---- a checkpoint of holes ---------------------------------------------------------------------------------------
def write(path, shapes):
    header, end = {}, 0
    for name, shape in shapes.items():
        begin = end
        end += 4 * math.prod(shape)
        header[name] = dict(dtype="F32", shape=list(shape), data_offsets=[begin, end])
    words = json.dumps(header).encode()
    words += b" " * (-len(words) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(words)) + words)
        if "scale_factor" in shapes:
            file.seek(8 + len(words) + header["scale_factor"]["data_offsets"][0])
            file.write(struct.pack("<f", 1))
        file.truncate(8 + len(words) + end)


def inspect(folder):
    done = subprocess.run([clatent, "inspect", "--json", folder], capture_output=True, text=True)
    if not done.stdout:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def ask_names(folder):
    """What is missing, as it would be stored."""
    report = inspect(folder)
    return [re.findall(r"'([^']*)'", fault)[-1] for part in report["components"] for fault in part["faults"]]


def ask_shapes(folder):
    """{stored name: shape} of what is there with a wrong one."""
    shapes = {}
    for fault in (fault for part in inspect(folder)["components"] for fault in part["faults"]):
        wrong = re.match(r"tensor '([^']*)'(?: \(stored as '([^']*)'\))? in .* expected \[([\d, ]*)\] by", fault)
        if wrong:
            shapes[wrong[2] or wrong[1]] = [int(side) for side in wrong[3].split(",")]
    return shapes


def build(name):
    folder = os.path.join(scratch, name)
    checkpoint = folder + "/model.safetensors"
    config = model_yaml(name)
    known = {}  # what the yaml is read with
    condition = config["model"]["params"].get("cond_stage_config")
    if isinstance(condition, dict) and condition["target"].endswith("BERTEmbedder"):
        words = condition["params"].get("vocab_size", 30522)
        known["cond_stage_model.transformer.token_emb.weight"] = [words, condition["params"]["n_embed"]]
    if config["model"]["params"].get("scale_by_std"):
        known["scale_factor"] = []
    os.makedirs(folder)
    with open(folder + "/config.yaml", "w") as file:
        yaml.safe_dump(config, file)
    write(checkpoint, known)
    names = ask_names(folder)
    write(checkpoint, dict(known, **{name: [1] for name in names if ".qkv." not in name}))
    shapes = dict({name: [1] for name in names}, **known, **ask_shapes(folder))
    for name in (name for name in names if ".qkv." in name):  # three matrices in one
        width = shapes[name.replace(name[name.index(".qkv."):], ".norm.weight")][0]
        shapes[name] = [3 * width, width, 1] if name.endswith("weight") else [3 * width]
    write(checkpoint, shapes)
    return folder


# ---- what comes of it --------------------------------------------------------------------------------------------
def cells(name, report):
    """Parameters and memory, as the tables of the document have them."""
    parts = {part["class"]: part["parameters"] / 1e6 for part in report["components"]}
    if name in FIRST_STAGES or name == "vq-f4-noattn":
        return f"{sum(parts.values()):.1f}", f"{report['memory']['peak_bytes'] / 2**20:.0f} MiB"
    order = [part for part in parts if part == "UNetModel"] + [
        part for part in parts if part in ("AutoencoderKL", "VQModel")] + [
        part for part in parts if part in ("BERTEmbedder", "ClassEmbedder")]
    millions = [max(1, round(parts[part])) for part in order]
    return " + ".join(map(str, millions)), f"{report['memory']['peak_bytes'] / 2**30:.2f} GiB"


document = open(sys.argv[3], encoding="utf-8").read() if len(sys.argv) > 3 else None
failed = 0
shutil.rmtree(scratch, ignore_errors=True)
for name in [*MODELS, *FIRST_STAGES, "vq-f4-noattn"]:
    report = inspect(build(name))
    missing = sum(part["missing"] + len(part["faults"]) for part in report["components"])
    parameters, memory = cells(name, report)
    row = document and next((row for row in document.split("\n") if re.match(rf"\| \[?`{name}`.*iB \|$", row)), "")
    wrong = missing or (document and not (f"| {parameters} |" in row and row.endswith(f"| {memory} |")))
    failed += bool(wrong)
    print(f"{name:28} {parameters:18} {memory:10} {f'{missing} missing' if missing else 'DIFFERS' if wrong else ''}")
print(f"{failed} failed")
sys.exit(failed > 0)
