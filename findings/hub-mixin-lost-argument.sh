#!/usr/bin/env bash
# PyTorchModelHubMixin drops init arguments that are not JSON, and reloads a different network without an error.
# A good engineer expects save_pretrained to refuse the argument, or from_pretrained to ask for it.
# Cause: config.json gets the default in place of the argument. The weights still fit.
# Remedy: pass names instead of modules, or register a coder for the type.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 \
    huggingface_hub==2.4.0 safetensors==0.8.0
cd "$folder"
export HF_HOME="$folder/cache" HF_HUB_OFFLINE=1
venv/bin/python - <<'END'
import json
import sys
from pathlib import Path

import huggingface_hub
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import nn


class Decoder(nn.Module, PyTorchModelHubMixin):
    def __init__(self, width: int = 4, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.activation = activation or nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.linear(x))


print(f"torch {torch.__version__}, huggingface_hub {huggingface_hub.__version__}")
torch.manual_seed(0)
x = torch.randn(3, 6)
saved = Decoder(width=6, activation=nn.Tanh()).eval()
saved.save_pretrained("model")
loaded = Decoder.from_pretrained("model")
config = json.loads(Path("model/config.json").read_text())

print("Expected: an error, or a network with the same outputs")
print(f"Saved:    activation {saved.activation}")
print(f"Observed: activation {loaded.activation}, config.json {config}")
print(f"Largest difference of outputs: {(saved(x) - loaded(x)).abs().max():.3f}")

as_recorded = config == {"width": 6, "activation": None} and isinstance(loaded.activation, nn.ReLU)
as_recorded = as_recorded and not torch.allclose(saved(x), loaded(x))
sys.exit(0 if as_recorded else "Changed: this is not the recorded behaviour.")
END
