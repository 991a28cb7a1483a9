#!/usr/bin/env bash
# torch.compile fails with a C++ error if another run filled its cache with another CPU capability.
# A good engineer expects a cache miss: the key of the cache should contain the instruction set.
# It happens when a cache folder is shared, for example on a network drive, or when ATEN_CPU_CAPABILITY changes.
# Cause: the cached C++ source uses vector types that exist only with the first run's compiler flags.
# Remedy: one TORCHINDUCTOR_CACHE_DIR for each instruction set.
# Needs g++ and a CPU with more than torch's capability DEFAULT, such as AVX2. Else it exits with 2.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$folder"
cat > compiled.py <<'END'
import torch

compiled = torch.compile(lambda x: (x * 2).sin() + 1)
x = torch.rand(1000)
assert torch.allclose(compiled(x), (x * 2).sin() + 1)
print(torch.backends.cpu.get_cpu_capability())
END

venv/bin/python -c 'import torch; print("torch", torch.__version__)'
best=$(TORCHINDUCTOR_CACHE_DIR="$folder/shared" venv/bin/python compiled.py)
if [ "$best" = DEFAULT ]; then
    echo "This CPU has no vector instructions that torch knows, so there is nothing to compare."
    exit 2
fi
echo "Run 1, empty cache, capability $best: the results are right"
fresh=$(ATEN_CPU_CAPABILITY=default TORCHINDUCTOR_CACHE_DIR="$folder/fresh" venv/bin/python compiled.py)
echo "Run 2, empty cache, capability $fresh: the results are right"
echo "Expected: run 3, with the cache of run 1 and capability DEFAULT, compiles again, and its results are right"
export LC_ALL=C ATEN_CPU_CAPABILITY=default TORCHINDUCTOR_CACHE_DIR="$folder/shared"
if venv/bin/python compiled.py > log 2>&1; then
    echo "Observed: run 3 works."
    echo "Changed: this is not the recorded behaviour."
    exit 1
fi
echo "Observed: run 3 fails in the C++ compiler:"
grep -m 1 -o "error: .*at::vec.*declared" log || { echo "Changed: the error is another one."; exit 1; }
