#!/usr/bin/env bash
# tifffile writes a stack of 3 grey pictures as one colour picture, and a stack of 4 as one picture with transparency.
# A good engineer expects one page for each picture, as with a stack of 2 or 5.
# Cause: without photometric=, the shape decides. A first axis of 3 or 4 counts as colour planes.
# tifffile reads its own file with the right shape. The difference shows in other readers, such as Pillow.
# Remedy: photometric="minisblack".
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0 tifffile==2026.3.3
cd "$folder"
venv/bin/python - <<'END'
import sys

import numpy as np
import PIL
import tifffile
from PIL import Image

print(f"numpy {np.__version__}, Pillow {PIL.__version__}, tifffile {tifffile.__version__}")


def pages(length: int, **options: str) -> tuple[str, int]:
    """Pillow's mode and number of pages for a stack of `length` grey pictures of 28x28 pixels."""
    tifffile.imwrite("stack.tif", np.zeros((length, 28, 28), np.uint8), **options)
    with Image.open("stack.tif") as image:
        return image.mode, image.n_frames


print("Expected: mode L, and as many pages as pictures")
guessed = {length: pages(length) for length in (2, 3, 4, 5)}
told = {length: pages(length, photometric="minisblack") for length in (2, 3, 4, 5)}
for length in guessed:
    print("Observed: stack of {}: mode {}, pages {}".format(length, *guessed[length]), end="; ")
    print("with photometric: mode {}, pages {}".format(*told[length]))

as_recorded = guessed == {2: ("L", 2), 3: ("RGB", 1), 4: ("RGBA", 1), 5: ("L", 5)}
as_recorded = as_recorded and told == {length: ("L", length) for length in (2, 3, 4, 5)}
sys.exit(0 if as_recorded else "Changed: this is not the recorded behaviour.")
END
