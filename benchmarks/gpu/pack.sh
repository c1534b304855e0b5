#!/bin/bash
# Makes a folder for a machine with a GPU, which may have no network: benchmarks/gpu/pack.sh FOLDER
# There, `bash FOLDER/run.sh first` and `bash FOLDER/run.sh second` need Python 3.12 on x86-64 Linux with torch for CUDA, triton,
# numpy, scipy, click, rich, safetensors, and for the tests pytest with timeout and xdist, and hypothesis. Neither VTK nor a compiler.
set -euo pipefail
folder=$(realpath -m "${1:?expected the folder to make}")
cd "$(dirname "$0")/../.."
python=$(realpath -s "${PYTHON:-.venv/bin/python}")

rm -rf "$folder"
mkdir -p "$folder/wheels"
"$python" -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps -w "$folder/wheels" .
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --implementation cp --python-version 3.12 \
  --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux_2_28_x86_64 -d "$folder/wheels" zstandard
git ls-files pyproject.toml xml tests tools benchmarks ':!benchmarks/results' ':!benchmarks/studies' |
  xargs cp --parents --target-directory "$folder"
cp benchmarks/gpu/run.sh "$folder/run.sh"
git describe --always --dirty > "$folder/commit.txt"
unzip -l "$folder"/wheels/hyperinr-*.whl '*libhyperinr_native*' > /dev/null || { echo "the wheel has no native kernel" >&2; exit 1; }
du -sh "$folder"
