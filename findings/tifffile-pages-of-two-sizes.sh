#!/usr/bin/env bash
# tifffile: imread gives 1 picture of a file of 4 pages, without a warning, if the first page has another size.
# A good engineer expects all pages, or an error because an array cannot hold pages of different sizes.
# Cause: tifffile sorts pages of one size and type into series, and imread reads the first series.
# Scans with a small first page (a cover or a thumbnail) lose every other page this way.
# Remedy: [page.asarray() for page in tifffile.TiffFile(path).pages], or compare len(TiffFile(path).series) to 1.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 tifffile==2026.3.3 pillow==13.0.0
cd "$folder"
venv/bin/python -W error - <<'END'
import sys

import numpy as np
import tifffile
from PIL import Image

print(f"numpy {np.__version__}, tifffile {tifffile.__version__}")
pages = [Image.fromarray(np.full((side, side), 50, np.uint8)) for side in (8, 16, 16, 16)]
pages[0].save("scan.tif", save_all=True, append_images=pages[1:])  # written by Pillow, as by any program

shape = tifffile.imread("scan.tif").shape
with tifffile.TiffFile("scan.tif") as scan:
    num = len(scan.pages)
print("Expected: 4 pages, or an error")
print(f"Observed: the file has {num} pages; imread gives an array of the shape {shape}")

as_recorded = num == 4 and shape == (8, 8)
sys.exit(0 if as_recorded else "Changed: this is not the recorded behaviour.")
END
