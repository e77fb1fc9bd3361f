#!/usr/bin/env python3
# Makes tests/data/torch: what torch.save writes for tensors of every kind, and twin.safetensors with the
# same values plain. SPDX-License-Identifier: MIT
import collections
import os
import sys

import torch
from safetensors.torch import save_file

folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../data/torch")
os.makedirs(folder, exist_ok=True)
torch.manual_seed(1)


class Harmless:  # pickles as a call of os.system; never unpickled by anybody here
    def __reduce__(self):
        return os.system, ("true",)


base = torch.randn(4, 6)
state = collections.OrderedDict(
    plain=torch.randn(3, 5),
    transposed=base.t(),
    channels_last=torch.randn(2, 3, 2, 2).to(memory_format=torch.channels_last),
    slice=base[1:3, 2:5],
    row=base[2],
    expanded=torch.tensor([1.5, -2.5]).unsqueeze(1).expand(2, 3),
    scalar=torch.tensor(0.125),
    empty=torch.zeros(0, 3),
    half=torch.randn(5).half(),
    bfloat=torch.randn(5).bfloat16(),
    double=torch.randn(5).double(),
    ids=torch.arange(4),
    parameter=torch.nn.Parameter(torch.randn(2, 2)),
)
state._metadata = {"": {"version": 1}}
floats = {k: v.detach().float().contiguous().clone() for k, v in state.items() if v.is_floating_point()}
save_file(floats, f"{folder}/twin.safetensors")
torch.save(state, f"{folder}/zip.pt")
torch.save(state, f"{folder}/legacy.pt", _use_new_zipfile_serialization=False)
torch.serialization.set_crc32_options(False)
torch.save(state, f"{folder}/no_crc.pt")
torch.serialization.set_crc32_options(True)
extras = {"epoch": 3, "state_dict": state, "hook": Harmless(), "loops": {"set": {1, 2}, 5: None},
          "callbacks": {collections.Counter: {"best": torch.float32}}}
torch.save(extras, f"{folder}/lightning.ckpt")
torch.save({"plain": state["plain"], "weight": Harmless()}, f"{folder}/foreign.pt")
torch.save({"plain": state["plain"].to(torch.complex64)}, f"{folder}/complex.pt")
torch.save([state["plain"]], f"{folder}/list.pt")
