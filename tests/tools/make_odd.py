#!/usr/bin/env python3
"""make_odd.py OUT - tests/data/odd/{plain,condition,kl,vq}: networks with the choices of their configuration that no published model
makes, and what diffusers computes with them. UNets: classes, sines before cosines, resnets that resample with a scaling time, padding
on two sides, linear projections, several transformer blocks per level, odd sizes. Autoencoders: attention at every level, channels
that shrink to less than a quarter, codes narrower than z, no attention in the middle.
SPDX-License-Identifier: MIT
"""
import os
import sys

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, UNet2DModel, VQModel
from safetensors.torch import save_file

torch.set_grad_enabled(False)
OUT = sys.argv[1]
COMMON = dict(sample_size=8, in_channels=3, out_channels=2, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
              num_class_embeds=5, freq_shift=1, flip_sin_to_cos=False)


def fill(name, model):
    generator = torch.Generator().manual_seed(len(name))
    for key, tensor in model.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        scale = 0.2 if tensor.ndim == 1 else 1.2 / tensor[0].numel() ** 0.5
        tensor.copy_((noise * scale + (key.endswith("weight") and tensor.ndim == 1)).half().float())
    return generator


def save(name, model, goldens):
    os.makedirs(f"{OUT}/{name}", exist_ok=True)
    save_file({k: v.contiguous() for k, v in goldens.items()}, f"{OUT}/{name}/goldens.safetensors")
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items()}, f"{OUT}/{name}/diffusion_pytorch_model.safetensors")
    model.save_config(f"{OUT}/{name}")


def make_unet(name, model, shape, timestep, context=None):
    generator = fill(name, model)
    sample = torch.randn(shape, generator=generator)
    extra = {} if context is None else {"encoder_hidden_states": torch.randn(context, generator=generator)}
    labels = torch.tensor([4, 1])
    out = model(sample, timestep, class_labels=labels, **extra).sample
    save(name, model, dict(x=sample, classes=labels.int(), out=out, **extra))


def make_autoencoder(name, model, channels, size):
    generator = fill(name, model)
    scale = 2 ** (len(model.config.block_out_channels) - 1)
    image = torch.randn(1, 3, size[0] * scale, size[1] * scale, generator=generator)
    latents = torch.randn(1, channels, *size, generator=generator)
    encoded = model.encode(image)
    moments = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.parameters
    save(name, model, {"ae/in": image, "ae/encoded": moments, "ae/z": latents, "ae/decoded": model.decode(latents).sample})


make_unet("plain", UNet2DModel(**COMMON, down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
     downsample_type="resnet", upsample_type="resnet", resnet_time_scale_shift="scale_shift", attn_norm_num_groups=4, attention_head_dim=4,
     center_input_sample=True), (2, 3, 6, 10), 420)
make_unet("condition", UNet2DConditionModel(**COMMON, down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
     up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"), downsample_padding=0, use_linear_projection=True, transformer_layers_per_block=(1, 2),
     attention_head_dim=(2, 4), cross_attention_dim=12, center_input_sample=True), (2, 3, 6, 8), 33.5, (2, 3, 12))
LEVELS = dict(layers_per_block=1, norm_num_groups=4)
make_autoencoder("kl", AutoencoderKL(**LEVELS, block_out_channels=(4, 20, 12), latent_channels=5, down_block_types=("AttnDownEncoderBlock2D",) * 3,
                 up_block_types=("AttnUpDecoderBlock2D",) * 3), 5, (9, 4))
make_autoencoder("vq", VQModel(**LEVELS, block_out_channels=(4, 8, 8), latent_channels=3, vq_embed_dim=2, num_vq_embeddings=37, down_block_types=("DownEncoderBlock2D",) * 3,
                 up_block_types=("UpDecoderBlock2D",) * 3, mid_block_add_attention=False), 2, (9, 4))
