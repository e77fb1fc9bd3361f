"""models.py - the three networks, as diffusers' own classes, 2.95 million weights together.

The pipeline fixes the autoencoder's factor at 8 (latents of 8 by 8) and feeds the text encoder's 77 outputs to the
UNet without a mask. Eight latent channels, not four: a small star or ring covers two by two cells, and with four
channels the autoencoder loses more of them than the UNet does.
SPDX-License-Identifier: MIT
"""
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.resnet import ResnetBlock2D
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
from torch import nn

from captions import LENGTH, vocabulary
from world import SIDE

LATENTS = 8
CELLS = SIDE // 8
PASSES_ON = ("encoder.conv_in", "upsamplers.0.conv", "conv_shortcut")


@torch.no_grad()
def start_convolution(name, layer):
    """Layers that change resolution or width start close to passing on what comes: with PyTorch's own start, the
    first thousand steps are spent on finding that."""
    weight = nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -.5)
    nn.init.zeros_(layer.bias)
    same = torch.arange(min(weight.shape[:2]))
    middle = weight.shape[-1] // 2
    if name.endswith(PASSES_ON):
        weight.mul_(.25)
        weight[same, same, middle, middle] += 1
    elif name.endswith("downsamplers.0.conv"):
        weight.mul_(.25)
        weight[same, same, :2, :2] += .25


def start(model):
    """An autoencoder with its first weights."""
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            start_convolution(name, layer)
    for layer in model.modules():
        if isinstance(layer, ResnetBlock2D):
            layer.conv2.weight.data *= .3
    return model.to(memory_format=torch.channels_last)


def make_autoencoder():
    channels = (16, 32, 64, 64)
    model = AutoencoderKL(
        in_channels=3, out_channels=3, sample_size=SIDE, latent_channels=LATENTS, block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1,
        norm_num_groups=8, mid_block_add_attention=False)
    return start(model)


def make_text_encoder():
    model = LDMBertModel(LDMBertConfig(
        vocab_size=len(vocabulary()), max_position_embeddings=LENGTH, d_model=96, encoder_layers=3, head_dim=32,
        encoder_attention_heads=3, encoder_ffn_dim=192, dropout=0., pad_token_id=0))
    model.to_logits.requires_grad_(False)  # belongs to the class, used by nobody
    return model


def make_unet():
    """Four heads: attention_head_dim counts them, for historical reasons."""
    model = UNet2DConditionModel(
        sample_size=CELLS, in_channels=LATENTS, out_channels=LATENTS, block_out_channels=(64, 64), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2, up_block_types=("CrossAttnUpBlock2D",) * 2,
        attention_head_dim=4, cross_attention_dim=96, norm_num_groups=16)
    return model.to(memory_format=torch.channels_last)


def make_scheduler():
    return DDIMScheduler(beta_start=.00085, beta_end=.012, beta_schedule="scaled_linear", clip_sample=False,
                         set_alpha_to_one=False, steps_offset=1)
