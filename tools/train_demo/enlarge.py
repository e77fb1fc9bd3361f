"""enlarge.py - the two networks of super-resolution, and what each of their stages minimises.

autoencoder  VQModel, factor 4: picture and edges as in stages.py. It begins without a codebook; then the codebook is
             filled with latents of real patches, and its entries and the latents move towards each other. The
             pipeline knows no scaling factor, so latents are brought to deviation 1 in the weights themselves.
denoiser     UNet2DModel without attention, whose input is [noisy latents, small picture]. It predicts v: with the noise
             as its output it never learned to keep a plain colour, which is told by the small picture alone while
             there is much noise (33.0 dB on eight pictures, with v 37.8, bicubic 35.2). Every third step is on whole
             pictures, for what the norms see there. The small picture has a little noise in half of the cases, as
             pictures of another model are not clean.
SPDX-License-Identifier: MIT
"""
import torch
from diffusers import DDIMScheduler, UNet2DModel, VQModel

from models import start
from patches import shrink
from stage import Stage
from stages import picture_loss, psnr

LATENTS = 3  # the pipeline adds a picture of as many channels
CODES = 4096
UNQUANTISED = .4  # share of the steps
ROUGH = .05  # deviation of the noise on a small picture, at most


def make_autoencoder():
    model = VQModel(
        in_channels=3, out_channels=3, sample_size=256, latent_channels=LATENTS, block_out_channels=(16, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, layers_per_block=1,
        norm_num_groups=8, num_vq_embeddings=CODES, scaling_factor=1., mid_block_add_attention=False)
    return start(model)


def make_unet():
    model = UNet2DModel(
        sample_size=64, in_channels=2 * LATENTS, out_channels=LATENTS, block_out_channels=(32, 64, 64), layers_per_block=1,
        down_block_types=("DownBlock2D",) * 3, up_block_types=("UpBlock2D",) * 3, norm_num_groups=8, add_attention=False)
    return model.to(memory_format=torch.channels_last)


def make_scheduler():
    return DDIMScheduler(beta_start=.0015, beta_end=.0155, beta_schedule="scaled_linear", clip_sample=False,
                         set_alpha_to_one=False, steps_offset=1, prediction_type="v_prediction")


@torch.no_grad()
def fill_codebook(model, latents, choice):
    """Entries are latents: [n][3][h][w]."""
    all_of_them = latents.permute(0, 2, 3, 1).reshape(-1, LATENTS)
    rows = choice.choice(len(all_of_them), CODES, replace=len(all_of_them) < CODES)
    model.quantize.embedding.weight.copy_(all_of_them[rows])


@torch.no_grad()
def normalise(model, latents):
    """Divides the latents by their deviation, in the weights before and after them."""
    spread = latents.std()
    for layer in (model.quant_conv.weight, model.quant_conv.bias, model.quantize.embedding.weight):
        layer.div_(spread)
    model.post_quant_conv.weight.mul_(spread)


def train_autoencoder(run, model, data, held):
    last_without = int(UNQUANTISED * run.sizes["autoencoder"]) - 1

    def losses(dice, _):
        pictures = data.pictures(dice.choice.integers(data.count, size=run.sizes["pictures"]))
        latents = model.encode(pictures).latents
        if stage.step <= last_without:
            size = latents.square().mean()
            decoded = model.decode(latents + .05 * dice.normal(latents.shape), force_not_quantize=True).sample
            if stage.step == last_without:
                fill_codebook(model, model.encode(data.pictures(slice(0, 100))).latents, dice.choice)
                stage.average_again(model.quantize.embedding.weight)
            return dict(loss=picture_loss(decoded - pictures) + .01 * (size - 1).square(), size=size)
        decoded, commitment = model.decode(latents, return_dict=False)
        return dict(loss=picture_loss(decoded - pictures) + .25 * commitment, commitment=commitment)

    def look():
        pictures = held.pictures(slice(0, 32))
        return f"psnr {psnr(model.decode(model.encode(pictures).latents).sample.clamp(-1, 1) - pictures):.2f} dB"

    stage = Stage(run, "autoencoder", dict(model=(model, 1.)), run.sizes["autoencoder"], 3e-3, .2, .995)
    stage.train(losses, look)


def predict(unet, scheduler, latents, small, noise, timesteps):
    noisy, velocity = scheduler.add_noise(latents, noise, timesteps), scheduler.get_velocity(latents, noise, timesteps)
    both = torch.cat([noisy, small], 1).contiguous(memory_format=torch.channels_last)
    return (unet(both, timesteps).sample - velocity).square().mean((1, 2, 3))


def train_denoiser(run, unet, patches, wholes, held):
    scheduler = make_scheduler()

    def losses(dice, _):
        data, count = (wholes, run.sizes["patches"] // 4) if stage.step % 3 == 0 else (patches, run.sizes["patches"])
        rows = dice.choice.integers(data.count, size=count)
        latents, small = data.latents[rows], shrink(data.pictures(rows))
        rough = torch.from_numpy(dice.choice.random(count) < .5).view(-1, 1, 1, 1) * dice.uniform(count, 1, 1, 1) * ROUGH
        small = small + rough * dice.normal(small.shape)
        timesteps = ((torch.arange(count) + dice.uniform(count)) / count * 1000).long().clamp(0, 999)
        return dict(loss=predict(unet, scheduler, latents, small, dice.normal(latents.shape), timesteps).mean())

    def look():
        count = min(held.count, 64)
        noise = torch.randn(held.latents[:count].shape, generator=torch.Generator().manual_seed(0))
        timesteps = torch.arange(count) * 1000 // count
        error = predict(unet, scheduler, held.latents[:count], shrink(held.pictures(slice(0, count))), noise, timesteps)
        return "held out, by fifths of the timesteps: " + " ".join(f"{part.mean():.4f}" for part in error.chunk(5))

    stage = Stage(run, "denoiser", dict(unet=(unet, 1.)), run.sizes["denoiser"], 2.5e-3, .4, .998, .01)
    stage.train(losses, look)
