#!/usr/bin/env python3
"""Writes tests/data/resize.npy: pictures resized by PIL (13 or later), for tests/resize.c (which makes the same inputs)."""
import sys
import numpy as np
from PIL import Image

CASES = [(40, 33, 32, 32), (33, 40, 32, 32), (64, 95, 64, 64), (32, 32, 50, 70), (7, 5, 32, 32), (130, 100, 32, 96), (64, 64, 36, 50), (64, 64, 35, 50)]


def picture(height, width):
    i = np.arange(height * width * 3, dtype=np.uint64)
    return ((i * 2654435761 % 2**32) >> 24).astype(np.uint8).reshape(height, width, 3)


out = [np.asarray(Image.fromarray(picture(h, w)).resize((b, a), Image.LANCZOS)).ravel() for h, w, a, b in CASES]
np.save(sys.argv[1], np.concatenate(out).astype(np.float16))
