#!/usr/bin/env python3
"""make_family.py - tests/data/family/NAME.pt: CompVis' small models under diffusers' names, with what the reference gives.

Usage: make_family.py [--blocks | --values] ORACLE OUT [NAME...]

ORACLE holds models/ckpt-NAME/{model.ckpt,config.yaml} and goldens/ckpt-NAME/goldens.safetensors. One torch file per model: the
weights that sampling uses (EMA where there are any), named as the networks ask for them, and the reference values. Matrices
stay views of the few storages that the checkpoint shares, everything else goes into one more: the files are small. With --blocks
also what every block of the networks gives ("act/..."), to find a fault; the files in the tree are without.
With --values only the reference values: so are in the tree those whose checkpoint is, too (tests/data/compvis).
SPDX-License-Identifier: MIT
"""
import os
import re
import sys
import types

import torch
import yaml
from safetensors.torch import load_file

RESNET = {"in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj", "out_layers.0": "norm2",
          "out_layers.3": "conv2", "skip_connection": "conv_shortcut"}
BLOCK = {"norm": "group_norm", "proj_out": "to_out.0"}
FIRST = {"nin_shortcut": "conv_shortcut", "norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
TEXT = {"1.to_q": "self_attn.q_proj", "1.to_k": "self_attn.k_proj", "1.to_v": "self_attn.v_proj", "1.to_out": "self_attn.out_proj"}


def unet_name(name, resnets):
    """A tensor or block of openaimodel.UNetModel as diffusers calls it."""
    plain = {"time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2", "input_blocks.0.0": "conv_in",
             "input_blocks.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out"}
    for theirs, ours in plain.items():
        if name == theirs or name.startswith(theirs + "."):
            return ours + name[len(theirs):]
    m = re.match(r"(input_blocks|output_blocks)\.(\d+)(?:\.(\d+))?(?:\.(.*))?$|middle_block\.(\d)(?:\.(.*))?$", name)
    if not m:
        return None
    if m[5]:
        place, child, rest = ("mid_block", int(m[5]), m[6] or "")
        block = f"mid_block.attentions.0" if child == 1 else f"mid_block.resnets.{child // 2}"
    else:
        n, child, rest = int(m[2]) - (m[1] == "input_blocks"), int(m[3] or 0), m[4] or ""
        b, k = divmod(n, resnets + 1)
        down = m[1] == "input_blocks"
        if down and k == resnets:
            block, rest = f"down_blocks.{b}.downsamplers.0", re.sub(r"^op\b", "conv", rest)
        elif child == 0:
            block = f"{'down' if down else 'up'}_blocks.{b}.resnets.{k}"
        elif re.match(r"(norm|qkv|proj_in|proj_out|transformer_blocks)\b", rest):
            block = f"{'down' if down else 'up'}_blocks.{b}.attentions.{k}"
        else:
            block = f"up_blocks.{b}.upsamplers.0"
    for theirs, ours in RESNET.items():
        rest = re.sub("^" + re.escape(theirs) + r"\b", ours, rest)
    return block + ("." + rest if rest else "")


def first_stage_name(name, levels):
    name = re.sub(r"\bdown\.(\d+)\.", r"down_blocks.\1.", name)
    name = re.sub(r"\bup\.(\d+)\.", lambda m: f"up_blocks.{levels - 1 - int(m[1])}.", name)
    name = re.sub(r"\bblock\.(\d)", r"resnets.\1", name)
    name = re.sub(r"\battn\.(\d)", r"attentions.\1", name)
    name = re.sub(r"\bmid\.block_(\d)", lambda m: f"mid_block.resnets.{int(m[1]) - 1}", name)
    name = name.replace("mid.attn_1", "mid_block.attentions.0").replace("downsample.conv", "downsamplers.0.conv")
    name = name.replace("upsample.conv", "upsamplers.0.conv").replace("norm_out", "conv_norm_out")
    m = re.match(r"(.*\.(?:attentions|resnets)\.\d)\.(.*)\.(weight|bias)$", name)
    return f"{m[1]}.{FIRST.get(m[2], m[2])}.{m[3]}" if m else name


def condition_name(name):
    m = re.match(r"transformer\.attn_layers\.layers\.(\d+)\.(.*)\.(weight|bias)$", name)
    if m:
        i, odd = divmod(int(m[1]), 2)
        inner = {"0": "final_layer_norm", "1.net.0.0": "fc1", "1.net.2": "fc2"} if odd else dict(TEXT, **{"0": "self_attn_layer_norm"})
        return f"model.layers.{i}.{inner[m[2]]}.{m[3]}"
    for theirs, ours in (("transformer.token_emb", "model.embed_tokens"), ("transformer.pos_emb.emb", "model.embed_positions"),
                         ("transformer.norm", "model.layer_norm"), ("transformer.to_logits", None)):
        if name.startswith(theirs):
            return ours and ours + name[len(theirs):]
    return name


def attention_block(name, tensor, heads):
    """q, k and v of the interleaved rows of an AttentionBlock, and its other tensors."""
    base, leaf = name.rsplit(".", 2)[0], name.rsplit(".", 2)[1:]
    if leaf[0] != "qkv":
        yield f"{base}.{BLOCK[leaf[0]]}.{leaf[1]}", tensor.squeeze(-1) if tensor.ndim == 3 else tensor
        return
    width = tensor.shape[0] // 3 // heads
    rows = tensor.reshape(heads, 3, width, *tensor.shape[1:2])
    for i, part in enumerate(("to_q", "to_k", "to_v")):
        yield f"{base}.{part}.{leaf[1]}", rows[:, i].reshape(heads * width, *tensor.shape[1:2])


def read_unet(params, state):
    config = params["unet_config"]["params"]
    prefix = "model.diffusion_model."
    ema = params.get("use_ema", True) and "model_ema.decay" in state
    for name in [k[len(prefix):] for k in state if k.startswith(prefix)]:
        tensor = state["model_ema.diffusion_model" + name.replace(".", "") if ema else prefix + name]
        ours = unet_name(name, config["num_res_blocks"])
        if ".attentions." in ours and not config.get("use_spatial_transformer"):
            base = next(v for k, v in state.items() if k == prefix + re.sub(r"\.(norm|qkv|proj_out)\.(weight|bias)$", ".norm.weight", name))
            width = config.get("num_head_channels", -1)
            yield from attention_block(ours, tensor, base.shape[0] // width if width > 0 else config["num_heads"])
        else:
            yield ours, tensor


def read_model(folder):
    for module in ("pytorch_lightning", "pytorch_lightning.callbacks", "pytorch_lightning.callbacks.model_checkpoint"):
        sys.modules.setdefault(module, types.ModuleType(module))
    sys.modules["pytorch_lightning.callbacks.model_checkpoint"].ModelCheckpoint = type("ModelCheckpoint", (), {})
    state = torch.load(folder + "/model.ckpt", map_location="cpu", weights_only=False)["state_dict"]
    params = yaml.safe_load(open(folder + "/config.yaml"))["model"]["params"]
    levels = len(params["first_stage_config"]["params"]["ddconfig"]["ch_mult"])
    tensors = dict(read_unet(params, state))
    for name, tensor in state.items():
        if name.startswith("first_stage_model.") and ".loss." not in name:
            tensors[first_stage_name(name[18:], levels)] = tensor
        elif name.startswith("cond_stage_model.") and params["cond_stage_config"] != "__is_first_stage__":
            if condition_name(name[17:]):
                tensors[condition_name(name[17:])] = tensor
    return params, levels, tensors


def read_goldens(path, params, levels):
    """Whole networks, and their blocks under our names; not the runs."""
    for name, tensor in load_file(path).items():
        if name.startswith("act/unet."):
            ours = unet_name(name[9:], params["unet_config"]["params"]["num_res_blocks"])
            if re.match(r"(output|input)_blocks\.\d+\.1$", name[9:]) and has_attention(params, name[9:]):
                ours = unet_name(name[9:] + ".norm", params["unet_config"]["params"]["num_res_blocks"])[:-5]
            if ours:
                yield "act/unet." + ours, tensor
        elif name.startswith("act/first_stage."):
            yield "act/vae." + first_stage_name(name[16:] + ".x.weight", levels)[:-9], tensor
        elif name.startswith(("unet/x", "unet/out_t", "cond/", "ae/")):
            yield name, tensor


def has_attention(params, block):
    config = params["unet_config"]["params"]
    kind, n = block.split(".")[:2]
    level = (int(n) - (kind == "input_blocks")) // (config["num_res_blocks"] + 1)
    if kind == "output_blocks":
        level = len(config["channel_mult"]) - 1 - level
    return 2 ** level in config["attention_resolutions"]


def pack(tensors):
    """Views of shared storages stay so; all else becomes views of one storage per type."""
    shared, loose = {}, {}
    for name, tensor in tensors.items():
        shared.setdefault((tensor.untyped_storage().data_ptr(), tensor.dtype), []).append(name)
    for (place, dtype), names in list(shared.items()):
        if len(names) == 1 or not all(tensors[n].is_contiguous() for n in names):
            loose.setdefault(dtype, []).extend(shared.pop((place, dtype)))
    packed = {}
    for names in shared.values():
        first = min(tensors[n].storage_offset() for n in names)
        last = max(tensors[n].storage_offset() + tensors[n].numel() for n in names)
        flat = torch.as_strided(tensors[names[0]], (last - first,), (1,), first).clone()
        for n in names:
            packed[n] = flat[tensors[n].storage_offset() - first:][: tensors[n].numel()].view(tensors[n].shape)
    for names in loose.values():
        flat = torch.cat([tensors[n].reshape(-1) for n in names])
        at = 0
        for n in names:
            packed[n] = flat[at: at + tensors[n].numel()].view(tensors[n].shape)
            at += tensors[n].numel()
    return packed


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    oracle, out = arguments[:2]
    os.makedirs(out, exist_ok=True)
    for name in arguments[2:] or sorted(n[5:] for n in os.listdir(oracle + "/models") if n.startswith("ckpt-")):
        params, levels, tensors = read_model(f"{oracle}/models/ckpt-{name}")
        goldens = dict(read_goldens(f"{oracle}/goldens/ckpt-{name}/goldens.safetensors", params, levels))
        tensors.update((k, v) for k, v in goldens.items() if "--blocks" in sys.argv or not k.startswith("act/"))
        if "--values" in sys.argv:
            tensors = {k: v for k, v in tensors.items() if k.startswith(("unet/", "ae/", "cond/"))}
        torch.save(pack(tensors), f"{out}/{name}.pt")
        print(name, os.path.getsize(f"{out}/{name}.pt"))


main()
