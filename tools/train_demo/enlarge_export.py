"""enlarge_export.py - the trained networks as a folder of diffusers' LDMSuperResolutionPipeline, f16 safetensors, with a card.

SPDX-License-Identifier: MIT
"""
import os

import numpy as np
import torch
from diffusers import LDMSuperResolutionPipeline

import enlarge
from export import checksum, forget_versions, size_of

LIMIT = 4_000_000
WEIGHTS = ["unet/diffusion_pytorch_model.safetensors", "vqvae/diffusion_pytorch_model.safetensors"]
SETTINGS = "# What this model likes; a job file or an option overrides it.\nnum_inference_steps: 10\n"

CARD = """# The demo model that enlarges: shapes, four times as large

A super-resolution latent diffusion model of {millions:.2f} million parameters ({bytes} bytes, float16), trained from nothing on
pictures drawn by a program: coloured shapes, those of the other demo model. It enlarges a picture four times. It is in
the layout of a diffusers folder (LDMSuperResolutionPipeline).

| part | class | what |
|---|---|---|
| unet | UNet2DModel | six channels in (latents and the small picture), channels 32, 64, 64, no attention |
| vqvae | VQModel | factor 4, {latents} latent channels, {codes} codes, channels 16, 32, 64 |
| scheduler | DDIMScheduler | scaled_linear 0.0015 to 0.0155 |

It knows edges of plain coloured shapes with their shadows, nothing else: a photo comes out as if it were made of such.

## How it was made

`tools/train_demo/train_super_resolution.py --seed {seed} --threads {threads}` of clatent's source: {scenes} squares of 128 by 128 out of scenes
drawn at 256 by 256; autoencoder {autoencoder} steps of {pictures} squares, UNet {denoiser} steps of {patches} squares or a
quarter as many whole pictures. It predicts v. No pictures of other
people were used. The same command makes the same weights on the same machine.

SHA-256 of the two files of weights, one after the other (unet, vqvae):
`{checksum}`

Licence: MIT, as the rest of clatent.
"""

FIGURES = """
## How good it is

{count} held-out drawings of 256 by 256, made small by the mean of 4 by 4 pixels and enlarged again; PSNR, mean (worst):

| | dB |
|---|---|
"""


def add_figures(folder, count, figures):
    with open(os.path.join(folder, "README.md"), "a") as file:
        file.write(FIGURES.format(count=count))
        for name, values in figures.items():
            file.write(f"| {name} | {np.mean(values):.2f} ({np.min(values):.2f}) |\n")


def export(run, folder, autoencoder, unet):
    """Writes the folder; returns what to say about it."""
    pipeline = LDMSuperResolutionPipeline(vqvae=autoencoder, unet=unet, scheduler=enlarge.make_scheduler())
    pipeline.to(dtype=torch.float16).save_pretrained(folder, safe_serialization=True)
    pipeline.to(dtype=torch.float32)
    forget_versions(folder)
    with open(os.path.join(folder, "clatent.yaml"), "w") as file:
        file.write(SETTINGS)
    card = CARD.format(
        millions=sum(w.numel() for part in (autoencoder, unet) for w in part.parameters()) / 1e6,
        bytes=sum(os.path.getsize(os.path.join(folder, name)) for name in WEIGHTS), latents=enlarge.LATENTS,
        codes=enlarge.CODES, checksum=checksum(folder, WEIGHTS), **run.settings)
    with open(os.path.join(folder, "README.md"), "w") as file:
        file.write(card)
    total = size_of(folder)
    if total > LIMIT:
        raise SystemExit(f"{folder}: {total} bytes, more than {LIMIT}")
    return f"{folder}: {total} bytes, weights {checksum(folder, WEIGHTS)}"
