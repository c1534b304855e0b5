#!/bin/bash
# Installs what a target of this checkout needs and is not there yet: Debian packages, .venv, Python packages. The Makefile calls it.
# usage: install.sh lint|docs|run|test|emulation|wheels    (`test` includes `run` and `emulation`)
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1
purpose=$1

TORCH=2.13.0
TRITON=3.7.1
CPU_TORCH_INDEX=https://download.pytorch.org/whl/cpu

# --- Debian packages: only those whose command is missing, so that a ParaView of your own on PATH is the one used
packages=()
need() { # need COMMAND PACKAGE...
    command -v "$1" >/dev/null || packages+=("${@:2}")
}
/usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
if [[ $purpose == run || $purpose == test ]]; then
    need pvpython python3-paraview paraview
    need xvfb-run xvfb xauth
    need g++ g++
fi
if [[ $purpose == test ]]; then
    need mpirun mpi-default-bin
    need chromium chromium
    need chromedriver chromium-driver
    # a mouse for ParaView's window, and the bus over which a screen reader finds what is in it
    need xdotool xdotool
    need dbus-daemon dbus-daemon
fi
if [[ ($purpose == test || $purpose == emulation) && $(uname -sm) == "Linux x86_64" ]]; then
    # the kernel for AArch64, cross-built and emulated
    need aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
    need qemu-aarch64 qemu-user
fi
if [[ $purpose == wheels ]]; then  # what runs the programs of other systems
    need wine wine wine64
    need qemu-aarch64 qemu-user
    [[ -d /usr/aarch64-linux-gnu/lib ]] || packages+=(libc6-arm64-cross)
fi

can_install() {
    [[ $(id -u) == 0 ]] || command -v sudo >/dev/null
}
apt_install() {
    local root=()
    [[ $(id -u) == 0 ]] || root=(sudo)
    can_install || { echo "Missing, and there is no sudo to install it: as root, apt-get install $*" >&2; exit 1; }
    echo "Installing Debian packages: $*"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
((${#packages[@]} == 0)) || apt_install "${packages[@]}"

# the window's buttons are drawn by a plugin of Qt's that Debian's paraview does not depend on; Qt 5 until Debian 12
if [[ $purpose == run || $purpose == test ]]; then
    qt=$(dpkg-query -W -f '${Depends}' paraview 2>/dev/null | grep -o 'libqt[56]' | head -n 1 || true)
    if [[ $qt ]] && ! compgen -G "/usr/lib/*/${qt#lib}/plugins/iconengines/libqsvgicon.so" >/dev/null; then
        [[ $qt == libqt5 ]] && apt_install libqt5svg5 || apt_install qt6-svg-plugins
    fi
fi

[[ $purpose != emulation ]] || exit 0

# --- Python: a venv of the distribution's Python that sees the distribution's packages, ParaView's modules among them
[[ -x .venv/bin/pip ]] || /usr/bin/python3 -m venv --system-site-packages .venv
pip=(.venv/bin/python -m pip --quiet)

if [[ $purpose == lint || $purpose == docs || $purpose == wheels ]]; then
    .venv/bin/python tools/requirements.py "$purpose" | "${pip[@]}" install -c tools/constraints.txt -r /dev/stdin
    exit
fi

# --- PyTorch: the plain wheel brings gigabytes of CUDA along, so without a GPU it is the last choice
torch_from() { # torch_from WORDS OF PIP
    "${pip[@]}" install -c tools/constraints.txt "$@" 2>/dev/null
}
debian_has_torch() { # one that pyproject.toml takes
    can_install && dpkg --compare-versions "$(apt-cache policy python3-torch | awk '/Candidate:/ { print $2 }')" ge 2.2
}
if ! .venv/bin/python -c "import torch" 2>/dev/null; then
    if command -v nvidia-smi >/dev/null; then
        echo "Installing PyTorch $TORCH from PyPI, for the GPU"
        "${pip[@]}" install -c tools/constraints.txt "torch==$TORCH"
    elif torch_from "torch==$TORCH+cpu" || torch_from --extra-index-url "$CPU_TORCH_INDEX" "torch==$TORCH+cpu"; then
        echo "Installed PyTorch $TORCH, the build for CPUs"
    elif debian_has_torch; then
        echo "No index has PyTorch $TORCH for CPUs and this Python; taking Debian's"
        apt_install python3-torch
    else
        echo "No index has PyTorch $TORCH for CPUs and this Python; installing it from PyPI, with CUDA (2 GB)"
        "${pip[@]}" install -c tools/constraints.txt "torch==$TORCH"
    fi
fi

# torch's CUDA builds bring Triton along; without one, the tests run its kernels in its interpreter, and compile them
if [[ $purpose == test && $(uname -sm) == "Linux x86_64" ]] && ! .venv/bin/python -c "import triton" 2>/dev/null; then
    echo "Installing Triton $TRITON (197 MB)"
    "${pip[@]}" install -c tools/constraints.txt "triton==$TRITON"
fi

echo "Installing the Python packages that pyproject.toml names"
.venv/bin/python tools/requirements.py "$purpose" >.venv/requirements.txt
"${pip[@]}" install -c tools/constraints.txt -r .venv/requirements.txt
