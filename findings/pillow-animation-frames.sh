#!/usr/bin/env bash
# Pillow: an animation of 7 frames has 4 frames when it is read again, if frames next to each other are equal.
# A good engineer expects as many frames as were saved, at least in the lossless formats APNG and WebP.
# Cause: the writers of GIF, PNG and WebP merge equal frames and add up their durations. AVIF and TIFF keep them.
# So a video dataset saved this way loses its time axis, and the number of frames depends on the content.
# Remedy: repeat each frame by its duration, or save arrays.
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
from PIL import Image

print(f"numpy {np.__version__}, Pillow {PIL.__version__}")
frames = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (0, 50, 50, 50, 100, 100, 200)]
print("Expected: 7 frames in each format")
counts = {}
for name, options in {"gif": {}, "png": {}, "webp": {"lossless": True}, "avif": {}, "tiff": {}}.items():
    duration = {} if name == "tiff" else {"duration": 40}
    frames[0].save(f"film.{name}", save_all=True, append_images=frames[1:], **duration, **options)
    durations = []
    with Image.open(f"film.{name}") as film:
        counts[name] = film.n_frames
        for index in range(film.n_frames):
            film.seek(index)
            film.load()
            durations.append(film.info.get("duration"))
    print(f"Observed: {name}: {counts[name]} frames, durations in milliseconds {durations}")

as_recorded = counts == {"gif": 4, "png": 4, "webp": 4, "avif": 7, "tiff": 7}
sys.exit(0 if as_recorded else "Changed: this is not the recorded behaviour.")
END
