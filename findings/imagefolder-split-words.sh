#!/usr/bin/env bash
# A Hugging Face imagefolder loses whole classes if one class folder is called "train", or if file names contain "test".
# A good engineer expects one class per folder. CIFAR-100, for example, has a class "train".
# Cause: the split is guessed from words in folder and file names. Files without such a word are left out silently.
# The words are matched in lower case only: folders Train/ and Test/ are read as one split.
# Remedy: put everything below a folder train/, or pass data_files.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pillow==13.0.0
cd "$folder"
export HF_HOME="$folder/cache" HF_HUB_OFFLINE=1
venv/bin/python - <<'END'
import sys
from collections import Counter
from pathlib import Path

import datasets
from PIL import Image

datasets.disable_progress_bars()
print(f"datasets {datasets.__version__}")


def read(name: str, files: list[str]) -> dict[str, dict[str, int] | int]:
    """The classes and their numbers of pictures, or the number of pictures without a class, for each split."""
    for file in files:
        path = Path(name, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(path)
    found = {}
    for split, rows in datasets.load_dataset("imagefolder", data_dir=name).items():
        names = rows.features["label"].names if "label" in rows.features else None
        found[split] = dict(Counter(names[i] for i in rows["label"])) if names else len(rows)
    return found


classes = ("bus", "tram")
cases = {
    "a class called train": (
        read("class", [f"{name}/{i}.png" for name in (*classes, "train") for i in (0, 1)]),
        "{'train': {'bus': 2, 'train': 2, 'tram': 2}}",
        {"train": 2},
    ),
    "a word in file names": (
        read("word", [f"{name}/{kind}_{i}.png" for name in classes for kind in ("road", "crash-test") for i in (0, 1)]),
        "{'train': {'bus': 4, 'tram': 4}}",
        {"test": {"bus": 2, "tram": 2}},
    ),
    "folders Train and Test": (
        read("capital", [f"{split}/{name}/{i}.png" for split in ("Train", "Test") for name in classes for i in (0, 1)]),
        "{'train': {'bus': 2, 'tram': 2}, 'test': {'bus': 2, 'tram': 2}}",
        {"train": {"bus": 4, "tram": 4}},
    ),
}
for name, (observed, expected, _) in cases.items():
    print(f"{name}\n  Expected: {expected}\n  Observed: {observed}")
as_recorded = all(observed == recorded for observed, _, recorded in cases.values())
sys.exit(0 if as_recorded else "Changed: this is not the recorded behaviour.")
END
