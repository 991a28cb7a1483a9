#!/usr/bin/env bash
# Pillow ignores the requested filter when it reduces black-and-white pictures (mode "1") and palette pictures ("P").
# A good engineer expects LANCZOS or BOX to give grey, or at least the mean's rounding. Omniglot's PNGs have mode "1".
# Cause: for these modes `resize` and `thumbnail` take NEAREST, silently. Thin strokes break.
# Remedy: convert("L"), or convert("RGB"), before resizing.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0
cd "$folder"
venv/bin/python - <<'END'
import sys

import numpy as np
import PIL
from PIL import Image, ImageDraw

print(f"numpy {np.__version__}, Pillow {PIL.__version__}")
drawing = Image.new("1", (105, 105), 1)
ImageDraw.Draw(drawing).arc((20, 20, 84, 84), 0, 300, fill=0, width=2)


def reduced(image: Image.Image, method: Image.Resampling) -> np.ndarray:
    return np.asarray(image.resize((28, 28), method))


print("Expected: different filters give different pictures, and each keeps the stroke")
same = {}
for mode in ("1", "P", "L"):
    image = drawing.convert(mode)
    nearest = reduced(image, Image.Resampling.NEAREST)
    same[mode] = [np.array_equal(reduced(image, m), nearest) for m in (Image.Resampling.BOX, Image.Resampling.LANCZOS)]
    print(f"Observed: mode {mode}: BOX equals NEAREST: {same[mode][0]}, LANCZOS equals NEAREST: {same[mode][1]}")
black = (~reduced(drawing, Image.Resampling.LANCZOS)).sum()
touched = (reduced(drawing.convert("L"), Image.Resampling.BOX) < 255).sum()
print(f"Observed: LANCZOS leaves {black} black pixels of the {touched} which the stroke touches")

as_recorded = same == {"1": [True, True], "P": [True, True], "L": [False, False]} and black < touched
sys.exit(0 if as_recorded else "Changed: this is not the recorded behaviour.")
END
