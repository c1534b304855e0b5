#!/bin/bash
# Builds wheels for other people's machines on this one, into dist/, and checks them: a wheel for each PLATFORM named, or for all.
# usage: wheels.sh [PLATFORM...]     (the names are pip's, such as win_amd64)
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"  # its zig, cmake and ninja

# the oldest systems that are to take them: glibc 2.17 is that of manylinux2014
declare -A targets=(
    [manylinux_2_17_x86_64]=x86_64-linux-gnu.2.17
    [manylinux_2_17_aarch64]=aarch64-linux-gnu.2.17
    [macosx_11_0_arm64]=aarch64-macos.11.0
    [macosx_11_0_x86_64]=x86_64-macos.11.0
    [win_amd64]=x86_64-windows-gnu
)
platforms=("$@")
((${#platforms[@]})) || platforms=("${!targets[@]}")
for platform in "${platforms[@]}"; do
    [[ ${targets[$platform]:-} ]] || { echo "There is no platform $platform; expected some of ${!targets[*]}" >&2; exit 1; }
done

mkdir -p dist build/wheels
wheels=()
for platform in "${platforms[@]}"; do
    begin=$SECONDS
    ZIG_TARGET=${targets[$platform]} python -m build --wheel --no-isolation --outdir dist \
        -Cwheel.tags="py3-none-$platform" -Cbuild-dir="build/wheels/$platform" \
        -Ccmake.define.CMAKE_TOOLCHAIN_FILE="$PWD/tools/zig.cmake" . >"build/wheels/$platform.log" 2>&1 ||
        { tail -n 40 "build/wheels/$platform.log" >&2; exit 1; }
    wheels+=(dist/*-"$platform".whl)
    echo "$platform: built in $((SECONDS - begin)) s"
done
twine check --strict "${wheels[@]}"
python tools/check_wheels.py "${wheels[@]}"
