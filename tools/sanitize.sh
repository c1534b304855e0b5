#!/bin/bash
# Runs the CPU kernel's tests over a build with the address and undefined-behaviour sanitizers, and with the model of tiles (AMX).
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"  # its cmake
unset MAKEFLAGS  # builds count no jobs with those of a make that runs this
cmake -S . -B build/sanitize -DHYPERINR_SANITIZE=ON -DHYPERINR_TILES_MODEL=ON
cmake --build build/sanitize --parallel "$(nproc)"
# Python itself is not built with the sanitizers, so their libraries come first; its own leaks at exit are not ours.
export LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so) $(g++ -print-file-name=libstdc++.so.6)"
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 OPENBLAS_NUM_THREADS=1
export HYPERINR_FUZZ="${HYPERINR_FUZZ:-2}" HYPERINR_NATIVE_LIBRARY="$PWD/build/sanitize/libhyperinr_native.so"
exec "${PYTHON:-.venv/bin/python}" -m pytest --timeout 1800 -q tests/test_native.py tests/test_shadow.py tests/test_motion_native.py \
    tests/test_optical_flow.py tests/test_loop.py tests/test_tracing.py tests/test_tiles.py "$@" -k "not missing_or_foreign"
