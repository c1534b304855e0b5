#!/bin/bash
# Makes or refreshes .venv-vtk: the package beside today's vtk wheel, without ParaView. `make test` calls it; tests/test_vtk_wheel.py uses it.
# An environment of its own, because ParaView's VTK and the wheel's break each other in one process.
set -euo pipefail
cd "$(dirname "$0")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1
[[ -x .venv-vtk/bin/pip ]] || /usr/bin/python3 -m venv .venv-vtk
if [[ ! -e .venv-vtk/.requirements || tools/vtk_venv.sh -nt .venv-vtk/.requirements || pyproject.toml -nt .venv-vtk/.requirements ]]; then
    echo "Installing the vtk wheel into .venv-vtk"
    .venv-vtk/bin/pip install --quiet vtk numpy scipy safetensors zstandard click rich pytest pytest-timeout
    touch .venv-vtk/.requirements
fi
# the wheel is built where the build tools are; the kernel in it is the one of .venv, so nothing is compiled twice
rm -rf build/wheel
.venv/bin/python -m pip wheel --quiet --no-build-isolation --no-deps -w build/wheel .
.venv-vtk/bin/pip install --quiet --no-deps --force-reinstall build/wheel/*.whl
