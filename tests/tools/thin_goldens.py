"""thin_goldens.py SOURCE OUT PATTERN... - keeps the tensors of a safetensors file whose names match.

Made tests/data/goldens/ldm-text2im-tiny.safetensors from the reference values of the tiny model:
  thin_goldens.py goldens.safetensors OUT 'tok/ids' 'act/*' 'bert/*' 'unet/*' 'vae/*' 'fp16_file/*' \
      'pipe/latents' 'pipe/ctx' 'pipe/uncond' 'pipe/ddim_n*' 'pipe/ddim_compvis/*'
SPDX-License-Identifier: MIT
"""
import fnmatch
import json
import struct
import sys

source, out, patterns = sys.argv[1], sys.argv[2], sys.argv[3:]
with open(source, "rb") as file:
    size = struct.unpack("<Q", file.read(8))[0]
    header = json.loads(file.read(size))
    data = file.read()

kept, pieces, at = {}, [], 0
for name, entry in header.items():
    if name == "__metadata__" or not any(fnmatch.fnmatch(name, p) for p in patterns):
        continue
    begin, end = entry["data_offsets"]
    kept[name] = dict(entry, data_offsets=[at, at + end - begin])
    pieces.append(data[begin:end])
    at += end - begin

text = json.dumps(kept, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
with open(out, "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + b"".join(pieces))
print(f"{len(kept)} tensors, {8 + len(text) + at} bytes")
