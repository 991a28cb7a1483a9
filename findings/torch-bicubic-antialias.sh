#!/usr/bin/env bash
# torch: antialias=True changes pictures that bicubic interpolation enlarges.
# A good engineer expects no change: antialiasing is for reducing. With bilinear interpolation there is none.
# Cause: the flag also changes the cubic kernel, from a = -0.75 (as OpenCV) to a = -0.5 (as Pillow).
# The treatment of the border changes too. A shared `resize(..., antialias=True)` is thus no neutral default.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 pillow==13.0.0
cd "$folder"
venv/bin/python - <<'END'
import sys

import numpy as np
import PIL
import torch
import torch.nn.functional as F
from PIL import Image

print(f"torch {torch.__version__}, Pillow {PIL.__version__}")
x = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def enlarged(mode: str, antialias: bool) -> torch.Tensor:
    return F.interpolate(x, size=(16, 16), mode=mode, antialias=antialias)


pillow = torch.from_numpy(np.array(Image.fromarray(x[0, 0].numpy()).resize((16, 16), Image.Resampling.BICUBIC)))
bilinear = (enlarged("bilinear", True) - enlarged("bilinear", False)).abs().max()
bicubic = (enlarged("bicubic", True) - enlarged("bicubic", False)).abs().max()
with_flag, without = ((enlarged("bicubic", flag)[0, 0] - pillow).abs().max() for flag in (True, False))
print("Expected: antialias changes nothing from 8x8 to 16x16, up to rounding")
print(f"Observed: bilinear changes by up to {bilinear:.1e}, bicubic by up to {bicubic:.3f}, of values in [0, 1]")
print(f"          bicubic and Pillow differ by {with_flag:.1e} with antialias, and by {without:.3f} without")

as_recorded = bilinear < 1e-5 and bicubic > 0.02 and with_flag < 1e-5 and without > 0.02
sys.exit(0 if as_recorded else "Changed: this is not the recorded behaviour.")
END
