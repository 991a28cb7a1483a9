#!/usr/bin/env bash
# torch: the mode of the Kumaraswamy distribution is NaN, also where the density has one clear maximum.
# A good engineer expects ((a-1) / (ab-1))^(1/a), which is 0.447 for a=2, b=3.
# Cause: the code takes log1p(-a) and log1p(-ab), logarithms of negative numbers, instead of log(a-1) and log(ab-1).
# Stick-breaking VAEs use this distribution.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'END'
import sys

import torch
from torch.distributions import Beta, Kumaraswamy

print(f"torch {torch.__version__}")
grid = torch.linspace(0.001, 0.999, 999)
modes = []
for a, b in ((2.0, 3.0), (1.5, 1.5), (5.0, 8.0)):
    kumaraswamy = Kumaraswamy(torch.tensor(a), torch.tensor(b))
    peak = grid[kumaraswamy.log_prob(grid).argmax()]
    modes.append(kumaraswamy.mode)
    formula = ((a - 1) / (a * b - 1)) ** (1 / a)
    print(f"a={a}, b={b}: the density is highest at {peak:.3f}")
    print(f"  Expected: mode {formula:.3f}\n  Observed: mode {kumaraswamy.mode:.3f}")
print(f"For comparison, the mode of Beta(2, 3) is {Beta(torch.tensor(2.0), torch.tensor(3.0)).mode:.3f}")

as_recorded = all(mode.isnan() for mode in modes)
sys.exit(0 if as_recorded else "Changed: this is not the recorded behaviour.")
END
