#!/usr/bin/env python3
"""make_start.py MODEL OUT.safetensors - runs of diffusers on the tiny model, for tests/pipeline_start.c.

Two images (or ten) of one prompt, seeds 5 and 6 (or one generator of seed 5), 64 x 64 pixels, guidance 2, 5 steps; the final latents.
diffusers.* are the runs of LDMTextToImagePipeline as it is; the others are a loop that scales start noise and input as the
scheduler asks, and passes the generators on. Needs torch, diffusers, transformers, numpy, safetensors.
SPDX-License-Identifier: MIT"""
import inspect
import sys

import diffusers
import numpy
import torch
from diffusers.utils.torch_utils import randn_tensor
from safetensors.torch import save_file

SHAPE, STEPS, GUIDANCE, PROMPT, SEED = (2, 4, 8, 8), 5, 2.0, "castle", 5
torch.set_grad_enabled(False)
torch.set_num_threads(1)
pipe = diffusers.LDMTextToImagePipeline.from_pretrained(sys.argv[1])
pipe.set_progress_bar_config(disable=True)
own = pipe.scheduler
found = {}


def scheduler(name):
    return getattr(diffusers, name).from_config(own.config)


def official(name, **arguments):
    """The pipeline itself; its latents are caught on their way to the decoder."""
    caught, decode, pipe.scheduler = [], pipe.vqvae.decode, scheduler(name)
    pipe.vqvae.decode = lambda z: (caught.append(z), decode(z))[1]
    pipe([PROMPT] * 2, height=64, width=64, num_inference_steps=STEPS, guidance_scale=GUIDANCE, output_type="np", **arguments)
    pipe.vqvae.decode = decode
    return (caught[0] * pipe.vqvae.config.scaling_factor).contiguous()


def embed(texts):
    ids = pipe.tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    return pipe.bert(ids)[0]


empty, prompt = embed([""]), embed([PROMPT])


def loop(name, generator, eta=0.0, clean=None, strength=1.0, images=2):
    s = scheduler(name)
    s.set_timesteps(STEPS)
    first = (STEPS - int(STEPS * strength)) * s.order
    noise = randn_tensor((images, *SHAPE[1:]), generator=generator)
    context = torch.cat([empty] * images + [prompt] * images)
    if clean is None:
        x = noise * s.init_noise_sigma
    else:
        s.set_begin_index(first) if hasattr(s, "set_begin_index") else None
        x = s.add_noise(clean, noise, s.timesteps[first : first + 1])
    known = inspect.signature(s.step).parameters
    more = {k: v for k, v in (("eta", eta), ("generator", generator)) if k in known}
    for t in s.timesteps[first:]:
        pair = s.scale_model_input(torch.cat([x] * 2), t)
        u, c = pipe.unet(pair, t, encoder_hidden_states=context).sample.chunk(2)
        x = s.step(u + GUIDANCE * (c - u), t, x, **more).prev_sample
    return x.contiguous()


def each():
    return [torch.Generator().manual_seed(SEED + i) for i in range(2)]


found["latents"] = randn_tensor(SHAPE, generator=torch.Generator().manual_seed(99))
for short, name in (("euler", "EulerDiscreteScheduler"), ("lms", "LMSDiscreteScheduler"), ("heun", "HeunDiscreteScheduler")):
    found["diffusers." + short] = official(name, generator=torch.manual_seed(SEED))
    found["batch." + short] = loop(name, torch.Generator().manual_seed(SEED))
found["batch.ddim"] = official("DDIMScheduler", generator=torch.manual_seed(SEED), eta=1.0)
assert torch.allclose(found["batch.ddim"], loop("DDIMScheduler", torch.Generator().manual_seed(SEED), eta=1.0), atol=1e-5)
found["image.ddim"] = loop("DDIMScheduler", each(), eta=1.0)
found["image.euler_ancestral"] = loop("EulerAncestralDiscreteScheduler", each())
found["batch10.ddim"] = loop("DDIMScheduler", torch.Generator().manual_seed(SEED), eta=1.0, images=10)
given = numpy.random.RandomState(SEED).randn(*SHAPE).astype(numpy.float32)
found["numpy.ddim"] = official("DDIMScheduler", latents=torch.from_numpy(given))
for short, name in (("ddim", "DDIMScheduler"), ("euler", "EulerDiscreteScheduler"), ("heun", "HeunDiscreteScheduler")):
    found["middle." + short] = loop(name, each(), clean=found["latents"], strength=0.6, eta=1.0)
save_file(found, sys.argv[2])
print({k: float(v.std()) for k, v in found.items()})
