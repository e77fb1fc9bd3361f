#!/usr/bin/env python3
"""make_seeds.py - small valid files for the fuzz targets, one per feature. Usage: make_seeds.py OUT
SPDX-License-Identifier: MIT"""
import io
import json
import os
import pickle
import struct
import sys
import zipfile
import zlib
from collections import OrderedDict

import numpy as np
import torch
from safetensors.torch import save

out = sys.argv[1]


def put(target, name, data):
    os.makedirs(f"{out}/{target}", exist_ok=True)
    open(f"{out}/{target}/{name}", "wb").write(data if isinstance(data, bytes) else data.encode())


# ---- safetensors: types, ranks, empty ones, names of every dialect
for name, dtype in (("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16), ("f64", torch.float64), ("i64", torch.int64), ("bool", torch.bool)):
    put("safetensors", name, save({"a": torch.ones(2, 3).to(dtype), "b": torch.zeros((), dtype=dtype)}))
put("safetensors", "empty", save({"a": torch.zeros(0, 3)}))
put("safetensors", "none", save({}))
put("safetensors", "metadata", save({"conv_in.weight": torch.ones(1, 1, 3, 3)}, metadata={"format": "pt"}))
NAMES = ["input_blocks.0.0.weight", "input_blocks.1.0.in_layers.0.weight", "input_blocks.2.0.op.weight", "middle_block.1.qkv.weight",
         "output_blocks.1.1.conv.bias", "model.diffusion_model.out.2.bias", "model_ema.diffusion_modelout2bias", "mid_block.attentions.0.query.weight",
         "encoder.down.0.block.0.conv1.weight", "decoder.up.1.attn.0.q.weight", "transformer.attn_layers.layers.3.1.net.2.bias", "embeddings.word_embeddings.weight"]
put("safetensors", "names", save({n: torch.ones(6, 2) for n in NAMES}))

# ---- zip: torch's archive, odd strides, shared storage, and plain zips
base = torch.arange(24.0).reshape(4, 6)
state = OrderedDict(plain=base[0].clone(), turned=base.t(), part=base[1:3, 2:4], half=torch.ones(3).half(), one=torch.tensor(1.0),
                    parameter=torch.nn.Parameter(torch.ones(2)))
state["middle_block.1.qkv.bias"] = torch.ones(6)


def saved(value, **options):
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


put("zip", "state", saved(state))
put("zip", "lightning", saved({"epoch": 3, "state_dict": state, "hyper": {"a": {1, 2}, 5: None}, "best": torch.float32}))
for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as z:
        z.writestr("a/data.pkl", b"\x80\x02}.")
        z.writestr("a/data/0", b"abcd")
    put("zip", name, stream.getvalue())

# ---- pickle: torch's older files, Paddle's, and every opcode
put("pickle", "legacy", saved(state, _use_new_zipfile_serialization=False))
arrays = {"linear.weight": np.ones((2, 3), np.float32), "f2": np.ones(2, np.float16), "fortran": np.asfortranarray(np.ones((2, 2), np.float32)),
          "encoder.layers.0.linear1.weight": np.ones((2, 2), np.float32), "StructuredToParameterName@@": {"a": "b"},
          "big@@.0": np.full(3, 2.5, np.float32), "big@@.1": np.full(1, -2.5, np.float32),
          "UnpackBigParamInfor@@": {"big": {"OriginShape": (2, 2), "slices": ["big@@.0", "big@@.1"]}}}
for protocol in (2, 3, 4):
    put("pickle", f"paddle{protocol}", pickle.dumps(arrays, protocol=protocol))
    put("pickle", f"plain{protocol}", pickle.dumps({"a": [1, -1, 300, 1 << 40, 1.5, None, True, "x", (1, 2), (1, 2, 3, 4), {3}], "b": OrderedDict(c=1)}, protocol=protocol))

# ---- json, yaml
put("json", "config", json.dumps({"_class_name": "UNet2DModel", "block_out_channels": [32, 64], "norm_eps": 1e-5, "sample_size": None, "x": True, "s": "a\u00e9\n\u2028"}))
put("json", "header", '{"__metadata__":{"a":"b"},"t":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}')
put("json", "index", '{"metadata":{"total_size":24},"weight_map":{"a":"one.safetensors"}}')
put("json", "nested", '{"a":[[[[[[1]]]]]],"b":{"c":{"d":{}}}}')
put("json", "numbers", '{"a":0,"b":-0,"c":1e308,"d":1.5e-300,"e":9223372036854775807,"f":123456789012345678901234567890}')
put("json", "escapes", r'{"\u0041\ud83d\ude00":"\\\"\/\b\f\n\r\t"}')
put("yaml", "job", "prompt: [a, 'b c', \"d\\n\"]\nsteps: 20\nscheduler:\n  name: ddim\n  eta: 0.3\nseed: [1, 2]\n# comment\nlong: |\n  text\n  more\n")
put("yaml", "flow", '{"a": [1, {b: ~}], c: "x\\u00e9", d: >-\n  folded\n  text\n}')
put("yaml", "refused", "a: &x 1\nb: *x\n<<: {c: !!int 2}\n---\nd: 1\n")
# ---- foreign: the first byte is the keyword, "0" for parameters to "5" for Dream (0x30 is a multiple of 6)
put("foreign", "parameters", "0a castle\nNegative prompt: cars\nSteps: 25, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: 1, Size: 64x64, Tricky: \"a, \\\"b\\\"\"")
put("foreign", "swarm", '0{"sui_image_params": {"prompt": "a cup", "seed": 4, "resolution": [64, 128]}}')
put("foreign", "run", '1{"3": {"class_type": "KSampler", "inputs": {"seed": 7, "steps": 20, "sampler_name": "euler", "scheduler": "karras", "positive": ["6", 0], "model": ["3", 0], "latent_image": ["5", 0]}}, "5": {"inputs": {"width": 64, "height": 64}}, "6": {"inputs": {"text": ["6", 0]}}}')
put("foreign", "drawn", '2{"nodes": [{"id": 3, "type": "KSampler", "widgets_values": [5, "fixed", 12, 8, "euler", "normal", 1], "inputs": [{"name": "positive", "link": 4}]}, {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["a"]}], "links": [[4, 6, 0, 3, 1, "X"]]}')
put("foreign", "invokeai", '3{"positive_prompt": "a", "seed": 9, "scheduler": "dpmpp_2m_k", "model": {"name": "sd"}, "loras": []}')
put("foreign", "old", '4{"model_weights": "sd", "image": {"prompt": [{"prompt": "an owl", "weight": 1.0}], "sampler": "k_lms", "seed": 2}}')
put("foreign", "dream", '5"a tree - alone" -s 50 -S123 -W 512 -A k_euler_a -z 3')
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../data/compvis")
for name in ("cin256", "inpainting_big"):
    put("yaml", name, open(f"{ROOT}/{name}/config.yaml", "rb").read())
text = open(f"{ROOT}/cin256/config.yaml").read()
embed = text[: text.index("    cond_stage_config")]
put("yaml", "rescaler", embed + "    cond_stage_config:\n      target: ldm.modules.encoders.modules.SpatialRescaler\n      params: {n_stages: 2, in_channels: 182, out_channels: 3}\n    concat_mode: true\n")
put("yaml", "bert", embed + "    cond_stage_config:\n      target: ldm.modules.encoders.modules.BERTEmbedder\n      params: {n_embed: 24, n_layer: 1, vocab_size: 512, max_seq_len: 92, use_tokenizer: false}\n    conditioning_key: crossattn\n")


# ---- png: colour types, depths, interlace, texts
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, extra=b"", interlace=0):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
palette = chunk(b"PLTE", bytes(range(48)))
for colour, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
    for depth in depths:
        row = b"\0" + b"\1" * ((5 * channels[colour] * depth + 7) // 8)
        put("png", f"c{colour}d{depth}", png(5, 3, depth, colour, row * 3, palette if colour == 3 else b""))
texts = chunk(b"tEXt", b"Title\0hello") + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"packed" * 9)) + chunk(b"iTXt", b"clatent\0\1\0en\0\0" + zlib.compress("\u00e9{}".encode()))
put("png", "texts", png(5, 3, 8, 2, (b"\0" + b"\1" * 15) * 3, texts + chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"tRNS", b"\0\1\0\1\0\1")))
put("png", "interlaced", png(3, 2, 8, 0, b"\0\1" + b"\0\2" + b"\0\3" + b"\0\4" + b"\0\5\6\7", b"", 1))
put("png", "filters", png(2, 5, 8, 2, b"".join(bytes([f]) + b"\1\2\3\4\5\6" for f in range(5))))
