#!/bin/bash
# Installs what this checkout needs and is not there yet: Debian packages, .venv, Python packages. `make install` calls it.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1

TORCH=2.13.0
TRITON=3.7.1
CPU_TORCH_INDEX=https://download.pytorch.org/whl/cpu

# --- Debian packages: only those whose command is missing, so that a ParaView of your own on PATH is the one used
packages=()
need() { # need COMMAND PACKAGE...
    command -v "$1" >/dev/null || packages+=("${@:2}")
}
need pvpython python3-paraview paraview
need xvfb-run xvfb xauth
need mpirun mpi-default-bin
need xdotool xdotool
need g++ g++
need chromium chromium
need chromedriver chromium-driver
need cmake cmake
# for the compiled plugin; only for the distribution's ParaView, one of your own brings its development files
if [[ $(command -v pvpython || echo /usr/bin/pvpython) == /usr/bin/pvpython ]] && ! compgen -G "/usr/lib/*/cmake/paraview-*" >/dev/null; then
    packages+=(paraview-dev python3-dev libutfcpp-dev libdouble-conversion-dev libopenmpi-dev)
fi
/usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)

if ((${#packages[@]})); then
    root=()
    [[ $(id -u) == 0 ]] || root=(sudo)
    echo "Installing Debian packages: ${packages[*]}"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

# --- Python: a venv of the distribution's Python that sees the distribution's packages, ParaView's modules among them
[[ -x .venv/bin/pip ]] || /usr/bin/python3 -m venv --system-site-packages .venv
pip=(.venv/bin/python -m pip --quiet)

if ! .venv/bin/python -c "import torch" 2>/dev/null; then
    echo "Installing PyTorch $TORCH"
    if command -v nvidia-smi >/dev/null; then
        "${pip[@]}" install -c tools/constraints.txt "torch==$TORCH"
    else
        # the plain wheel brings gigabytes of CUDA along; ask the configured indexes for a CPU build, then PyTorch's own
        "${pip[@]}" install -c tools/constraints.txt "torch==$TORCH+cpu" 2>/dev/null ||
            "${pip[@]}" install -c tools/constraints.txt --extra-index-url "$CPU_TORCH_INDEX" "torch==$TORCH+cpu"
    fi
fi

# torch's CUDA builds bring Triton along; without one, the tests run its kernels in its interpreter, and compile them
if [[ $(uname -sm) == "Linux x86_64" ]] && ! .venv/bin/python -c "import triton" 2>/dev/null; then
    echo "Installing Triton $TRITON (197 MB)"
    "${pip[@]}" install -c tools/constraints.txt "triton==$TRITON"
fi

echo "Installing the Python packages that pyproject.toml names"
.venv/bin/python tools/requirements.py >.venv/requirements.txt
"${pip[@]}" install -c tools/constraints.txt -r .venv/requirements.txt
