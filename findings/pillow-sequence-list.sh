#!/usr/bin/env bash
# Pillow: list(ImageSequence.Iterator(film)) holds the last frame as often as the film has frames.
# A good engineer expects the frames, each one other, as they are in a loop over the same iterator.
# Cause: the iterator yields the opened file itself each time, and moves it to the next frame.
# So a list, a tuple, zip or sorted over it sees one picture, without an error. In a loop the frames differ.
# Another surprise is in that loop: as arrays, a GIF's first frame holds numbers of colours, and the others colours.
# Remedy: [frame.convert("RGB") for frame in ImageSequence.Iterator(film)].
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
from PIL import Image, ImageSequence

print(f"numpy {np.__version__}, Pillow {PIL.__version__}")
shades = [10, 60, 110]
frames = [Image.fromarray(np.full((8, 8, 3), shade, np.uint8)) for shade in shades]
frames[0].save("film.gif", save_all=True, append_images=frames[1:])

with Image.open("film.gif") as film:
    listed = [int(np.asarray(frame.convert("RGB"))[0, 0, 0]) for frame in list(ImageSequence.Iterator(film))]
with Image.open("film.gif") as film:
    looped = [int(np.asarray(frame.convert("RGB"))[0, 0, 0]) for frame in ImageSequence.Iterator(film)]
with Image.open("film.gif") as film:
    shapes = [np.asarray(frame).shape for frame in ImageSequence.Iterator(film)]
print(f"Expected: the shades {shades} in a list of the frames and in a loop over them, and arrays of one shape")
print(f"Observed: in a list {listed}, in a loop {looped}, arrays of the shapes {shapes}")

as_recorded = listed == [110, 110, 110] and looped == shades and shapes == [(8, 8), (8, 8, 3), (8, 8, 3)]
sys.exit(0 if as_recorded else "Changed: this is not the recorded behaviour.")
END
