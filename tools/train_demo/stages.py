"""stages.py - what each stage of training minimises.

autoencoder  absolute and squared error of the picture and of its differences to the next pixel (edges), a little
             Kullback-Leibler divergence that keeps the latents smooth.
text         output k of the encoder (k = 0..63) must tell what lies in cell k of the picture; the pads of a caption
             make 77 outputs anyway. The linear head is thrown away at the end.
decoder      the decoder alone goes on, on latents with noise as the UNet leaves it; latents stay what they are.
denoiser     UNet and text encoder predict the noise; the task of the stage before is kept on beside it. The error is
             weighted by clamp(SNR) / SNR, since unweighted the gradient is that of the last, nearly clean
             timesteps, and the caption is overheard for hundreds of steps.
SPDX-License-Identifier: MIT
"""
import numpy as np
import torch
from torch import nn

import captions
from models import LATENTS, make_scheduler
from stage import Stage

DROPPED = .1  # share of empty captions, for guidance
LAYOUT_WEIGHT = .3


def picture_loss(error):
    across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
    edges = across.abs().mean() + down.abs().mean()
    return error.abs().mean() + 2 * error.square().mean() + .75 * edges


def psnr(error):
    """Of pictures in -1..1, in decibels, the mean over pictures."""
    return float((10 * torch.log10(4 / error.square().mean((1, 2, 3)))).mean())


def train_autoencoder(run, model, data, held):
    def losses(dice, _):
        pictures = data.pictures(dice.choice.integers(data.count, size=run.sizes["pictures"]))
        latents = model.encode(pictures).latent_dist
        decoded = model.decode(latents.sample(dice.torch)).sample
        kl = latents.kl().mean() / latents.mean[0].numel()
        return dict(loss=picture_loss(decoded - pictures) + 3e-4 * kl, mse=(decoded - pictures).square().mean(), kl=kl)

    def look():
        return f"psnr {psnr(reconstruct(model, held.pictures(slice(0, 128))) - held.pictures(slice(0, 128))):.2f} dB"

    Stage(run, "autoencoder", dict(model=(model, 1.)), run.sizes["autoencoder"], 3e-3, .1, .995).train(losses, look)


def reconstruct(model, pictures):
    with torch.no_grad():
        return model.decode(model.encode(pictures).latent_dist.mean).sample.clamp(-1, 1)


def train_decoder(run, model, data, held):
    model.requires_grad_(False)
    trained = nn.ModuleList([model.decoder, model.post_quant_conv]).requires_grad_(True)
    spread = float(data.latents[:5000].std())

    def losses(dice, _):
        rows = dice.choice.integers(data.count, size=run.sizes["pictures"])
        clean = data.latents[rows]
        noise = dice.normal(clean.shape) * dice.uniform(len(rows), 1, 1, 1) * .06 * spread
        return dict(loss=picture_loss(model.decode(clean + noise).sample - data.pictures(rows)))

    def look():
        return f"psnr {psnr(model.decode(held.latents[:128]).sample.clamp(-1, 1) - held.pictures(slice(0, 128))):.2f} dB"

    Stage(run, "decoder", dict(model=(trained, 1.)), run.sizes["decoder"], 2e-3, 0., .99).train(losses, look)


class LayoutHead(nn.Module):
    """Reads cell k out of output k."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(96, 10)

    def error(self, outputs, layout):
        """Squared error, [n]"""
        return (self.linear(outputs[:, :64]) - layout).square().mean((1, 2))


def train_text(run, model, head, data):
    def losses(dice, _):
        rows = dice.choice.integers(data.count, size=run.sizes["captions"])
        tokens = data.tokens(rows, dice.choice.integers(4, size=len(rows)))
        return dict(loss=head.error(model(tokens)[0], data.layout(rows)).mean())

    Stage(run, "text", dict(model=(model, 1.), head=(head, 1.)), run.sizes["text"], 2e-3, 0., .99).train(losses)


class Denoising:
    """Noise schedule and weights of the error."""

    def __init__(self):
        self.alphas = make_scheduler().alphas_cumprod
        self.snr = self.alphas / (1 - self.alphas)

    def add_noise(self, latents, noise, timesteps):
        alpha = self.alphas[timesteps].view(-1, 1, 1, 1)
        return (alpha.sqrt() * latents + (1 - alpha).sqrt() * noise).contiguous(memory_format=torch.channels_last)

    def weights(self, timesteps, done):
        """clamp(SNR) / SNR with mean 1 over all timesteps; the clamp widens as training goes on."""
        table = self.snr.clamp(.12 - .09 * done, 2 + 3 * done) / self.snr
        return (table / table.mean())[timesteps]


def train_denoiser(run, unet, text, head, data, held, scale, sample):
    """sample() -> words: what pictures of the networks as they are look like to the judge."""
    denoising, empty = Denoising(), torch.tensor(captions.Tokenizer()(""))

    def predict(latents, noise, timesteps, tokens):
        outputs = text(tokens)[0]
        noisy = denoising.add_noise(latents * scale, noise, timesteps)
        guess = unet(noisy, timesteps, encoder_hidden_states=outputs).sample
        return (guess - noise).square().mean((1, 2, 3)), outputs

    def losses(dice, done):
        count = run.sizes["captions"]
        rows = dice.choice.integers(data.count, size=count)
        tokens = data.tokens(rows, dice.choice.integers(4, size=count))
        dropped = torch.from_numpy(dice.choice.random(count) < DROPPED)
        tokens[dropped] = empty
        timesteps = ((torch.arange(count) + dice.uniform(count)) / count * 1000).long().clamp(0, 999)
        error, outputs = predict(data.latents[rows], dice.normal((count, LATENTS, 8, 8)), timesteps, tokens)
        layout = (head.error(outputs, data.layout(rows)) * ~dropped).mean()
        noise_loss = (denoising.weights(timesteps, done) * error).mean()
        return dict(loss=noise_loss + LAYOUT_WEIGHT * layout, noise=noise_loss, layout=layout)

    def look():
        count = min(held.count, 256)
        fixed = torch.Generator().manual_seed(0)
        timesteps = torch.arange(count) * 1000 // count
        noise = torch.randn((count, LATENTS, 8, 8), generator=fixed)
        error, _ = predict(held.latents[:count], noise, timesteps, held.tokens(np.arange(count), 0))
        fifths = " ".join(f"{part.mean():.4f}" for part in error.chunk(5))
        return f"held out, by fifths of the timesteps: {fifths}, mean {error.mean():.4f}; {sample()}"

    modules = dict(unet=(unet, 1.), text=(text, .3), head=(head, .4))
    Stage(run, "denoiser", modules, run.sizes["denoiser"], 2.5e-3, .45, .999, .01).train(losses, look)
