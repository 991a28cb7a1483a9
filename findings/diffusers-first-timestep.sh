#!/usr/bin/env bash
# diffusers: DDPM and DDIM schedulers with 501 of 1000 steps start in the middle of the schedule, at time 500.
# A good engineer expects every number of steps to start near time 999, where the sample is almost only noise.
# Cause: the default timestep_spacing="leading" rounds 1000/501 down to a stride of 1.
# So the network gets pure noise, and is told that the signal is still there. More steps can be worse.
# Remedy: timestep_spacing="trailing", or "linspace".
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 diffusers==0.42.1
cd "$folder"
export HF_HOME="$folder/cache" HF_HUB_OFFLINE=1
venv/bin/python - <<'END'
import sys

import diffusers
import torch

print(f"torch {torch.__version__}, diffusers {diffusers.__version__}")
print("Expected: a first time near 999, and almost no signal there, for every number of steps")
first = {}
for kind in (diffusers.DDPMScheduler, diffusers.DDIMScheduler):
    for spacing in ("default", "trailing"):
        for steps in (50, 400, 501, 600, 1000):
            options = {} if spacing == "default" else {"timestep_spacing": spacing}
            scheduler = kind(num_train_timesteps=1000, **options)
            scheduler.set_timesteps(steps)
            time = int(scheduler.timesteps[0])
            signal = float(scheduler.alphas_cumprod[time]) ** 0.5
            first[kind.__name__, spacing, steps] = time
            print(f"Observed: {kind.__name__}, {spacing}, {steps} steps: first time {time}, signal {signal:.3f}")

as_recorded = all(
    [first[name, "default", steps] for steps in (50, 400, 501, 600, 1000)] == [980, 798, 500, 599, 999]
    and all(first[name, "trailing", steps] == 999 for steps in (50, 400, 501, 600, 1000))
    for name in ("DDPMScheduler", "DDIMScheduler")
)
sys.exit(0 if as_recorded else "Changed: this is not the recorded behaviour.")
END
