#!/usr/bin/env bash
# safetensors.numpy writes a transposed array with its values in the wrong places, without an error.
# A good engineer expects the array back as it was, or an error: safetensors.torch raises one for such a tensor.
# Cause: the numpy writer passes the address of the data and the shape, and does not look at the strides.
# Remedy: np.ascontiguousarray before saving.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 safetensors==0.8.0
cd "$folder"
venv/bin/python - <<'END'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

print(f"numpy {np.__version__}, safetensors {safetensors.__version__}")
weight = np.arange(6.0, dtype=np.float32).reshape(2, 3).T
save_file({"weight": weight, "copy": np.ascontiguousarray(weight)}, "weights.safetensors")
loaded = load_file("weights.safetensors")

print("Expected: the saved values, or an error on saving")
print(f"Saved:    {weight.tolist()}")
print(f"Observed: {loaded['weight'].tolist()}")
print(f"Observed after np.ascontiguousarray: {loaded['copy'].tolist()}")

same_shape = loaded["weight"].shape == weight.shape
in_memory_order = np.array_equal(loaded["weight"].ravel(), np.arange(6.0))
copy_is_right = np.array_equal(loaded["copy"], weight)
sys.exit(0 if same_shape and in_memory_order and copy_is_right else "Changed: this is not the recorded behaviour.")
END
