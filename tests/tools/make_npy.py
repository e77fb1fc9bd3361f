#!/usr/bin/env python3
# Makes tests/data/npy: the same 2x3x4 values in every form that NumPy writes. SPDX-License-Identifier: MIT
import os
import sys

import numpy as np
from numpy.lib import format as npy

folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../data/npy")
values = (np.arange(24, dtype="<f8").reshape(2, 3, 4) - 7) / 8
os.makedirs(folder, exist_ok=True)
for size in "248":
    for order, word in (("<", "little"), (">", "big")):
        np.save(f"{folder}/f{size}-{word}.npy", values.astype(f"{order}f{size}"))
np.save(f"{folder}/fortran.npy", np.asfortranarray(values.astype("<f4")))
for version in ((2, 0), (3, 0)):
    with open(f"{folder}/version{version[0]}.npy", "wb") as file:
        npy.write_array(file, values.astype("<f4"), version)
np.save(f"{folder}/int64.npy", values.astype("<i8"))
np.save(f"{folder}/scalar.npy", np.float32(1.5))
