"""export.py - the trained networks as a folder of diffusers' LDMTextToImagePipeline, f16 safetensors, with a card.

The folder is at most 6 million bytes. The checksum in the card is that of the weights alone: SHA-256 over the three
files in the order bert, unet, vqvae. SPDX-License-Identifier: MIT
"""
import hashlib
import json
import os

import torch
from diffusers import LDMTextToImagePipeline
from transformers import BertTokenizer

import captions
import models
import world

LIMIT = 6_000_000
WEIGHTS = ["bert/model.safetensors", "unet/diffusion_pytorch_model.safetensors", "vqvae/diffusion_pytorch_model.safetensors"]
SETTINGS = "# What this model likes; a job file or an option overrides it.\nguidance_scale: 3\nnum_inference_steps: 30\n"

CARD = """# The demo model: shapes

A text-to-image latent diffusion model of {millions:.2f} million parameters ({bytes} bytes, float16), trained from nothing on
pictures drawn by a program. It makes 64x64 pictures of coloured shapes. It is in the layout of a diffusers folder and
is what clatent uses when no model is named.

| part | class | what |
|---|---|---|
| bert | LDMBertModel | 3 layers, width 96, vocabulary of {words} words |
| unet | UNet2DConditionModel | latents {cells}x{cells}x{latents}, channels 64 and 64, 4 heads |
| vqvae | AutoencoderKL | factor 8, {latents} latent channels, channels 16, 32, 64, 64, scaling factor {scale} |
| scheduler | DDIMScheduler | scaled_linear 0.00085 to 0.012 |

## What it knows

Seven shapes ({shapes}), nine colours ({colours}),
ten backgrounds (these and gray), three sizes, counts of two to four, places, and the relations above, below, left of,
right of, inside; with synonyms (disc, ball, box, plus, big, tiny, over, beneath, ...). Words it does not know become
[UNK] and are passed over. guidance_scale 3 and 30 steps are what it likes (clatent.yaml beside this file says so).
Two colours that are hard to tell apart (red and orange, purple and blue, ...) were never drawn one upon the other.

## How it was made

`tools/train_demo/train.py --seed {seed} --threads {threads}` of clatent's source: {scenes} scenes drawn with signed distances, four
captions each; autoencoder {autoencoder} steps of {pictures} pictures, text encoder {text} steps of {captions}, decoder {decoder},
UNet and text encoder together {denoiser} steps of {captions}. No pictures of other people were used.
The same command makes the same weights on the same machine; elsewhere last bits of floating point differ.

SHA-256 of the three files of weights, one after the other (bert, unet, vqvae):
`{checksum}`

Licence: MIT, as the rest of clatent.
"""


FIGURES = """
## How good it is

Over {count} held-out captions, guidance 3, 30 steps, percent right as `tools/train_demo/judge.py` sees it:

| {names} |
|---|{line}
"""


def add_figures(folder, count, figures):
    """Adds the judge's percentages to the card; figures: scheduler -> name -> percent."""
    names = ["scheduler", *next(iter(figures.values()))]
    with open(os.path.join(folder, "README.md"), "a") as file:
        file.write(FIGURES.format(count=count, names=" | ".join(names), line="---|" * (len(names) - 1)))
        for scheduler, values in figures.items():
            file.write(f"| {scheduler} | " + " | ".join(f"{value:.1f}" for value in values.values()) + " |\n")


def make_tokenizer(folder):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "vocab.txt")
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(captions.vocabulary()) + "\n")
    return BertTokenizer(path, do_lower_case=True, model_max_length=captions.LENGTH)


def forget_versions(folder):
    """The configs name the version of the library that wrote them and nothing reads it: one thing less that differs."""
    for place, _, names in os.walk(folder):
        for path in (os.path.join(place, name) for name in names if name.endswith("config.json")):
            with open(path) as file:
                config = json.load(file)
            config.pop("transformers_version", None)
            config.pop("_name_or_path", None)
            with open(path, "w") as file:
                file.write(json.dumps(config, indent=2, sort_keys=True) + "\n")


def checksum(folder, weights=WEIGHTS):
    """Of the files one after the other."""
    digest = hashlib.sha256()
    for name in weights:
        with open(os.path.join(folder, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def size_of(folder):
    return sum(os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(folder) for name in names)


def export(run, folder, autoencoder, text, unet):
    """Writes the folder; returns what to say about it."""
    parts = dict(vqvae=autoencoder, bert=text, unet=unet)
    millions = sum(w.numel() for part in parts.values() for w in part.parameters()) / 1e6
    pipeline = LDMTextToImagePipeline(
        tokenizer=make_tokenizer(os.path.join(run.work, "tokenizer")), scheduler=models.make_scheduler(), **parts)
    pipeline.to(dtype=torch.float16).save_pretrained(folder, safe_serialization=True)
    pipeline.to(dtype=torch.float32)
    make_tokenizer(os.path.join(folder, "tokenizer"))
    forget_versions(folder)
    with open(os.path.join(folder, "clatent.yaml"), "w") as file:
        file.write(SETTINGS)
    card = CARD.format(
        millions=millions, bytes=sum(os.path.getsize(os.path.join(folder, name)) for name in WEIGHTS),
        words=len(captions.vocabulary()), cells=models.CELLS, latents=models.LATENTS,
        scale=autoencoder.config.scaling_factor, shapes=", ".join(world.SHAPES), checksum=checksum(folder),
        colours=", ".join(world.OBJECT_COLOURS), **run.settings)
    with open(os.path.join(folder, "README.md"), "w") as file:
        file.write(card)
    total = size_of(folder)
    if total > LIMIT:
        raise SystemExit(f"{folder}: {total} bytes, more than {LIMIT}")
    return f"{folder}: {total} bytes, weights {checksum(folder)}"
