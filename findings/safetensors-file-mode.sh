#!/usr/bin/env bash
# safetensors' save_file makes the file readable for its owner alone, and replaces a symbolic link by a file.
# A good engineer expects what open(path, "wb") does: a new file follows the umask, an existing file keeps its mode, and a
# link's target is written.
# Cause: it writes a private temporary file and renames it to the path.
# Remedy: write save(tensors), which returns bytes, or set the mode afterwards; resolve links first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 safetensors==0.8.0
cd "$folder"
venv/bin/python - <<'END'
import os
import sys
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import save_file

print(f"safetensors {safetensors.__version__}")
os.umask(0o022)
tensors = {"weight": np.zeros(3, dtype=np.float32)}
new, old, link, target = (Path(f"{name}.safetensors") for name in ("new", "old", "link", "target"))
old.touch(0o644)
target.write_bytes(b"")
link.symlink_to(target)
for path in (new, old, link):
    save_file(tensors, str(path))

modes = {path.stem: oct(path.stat().st_mode & 0o777) for path in (new, old)}
print("Expected: modes 0o644 of both files; the link stays, and its target has the tensors")
print(f"Observed: modes {modes}; the link is {'still a link' if link.is_symlink() else 'a file'}, ", end="")
print(f"and its target has {target.stat().st_size} bytes")
same = set(modes.values()) == {"0o600"} and not link.is_symlink() and target.stat().st_size == 0
sys.exit(0 if same else "Changed: this is not the recorded behaviour.")
END
