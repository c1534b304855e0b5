#!/bin/bash
# Builds wheels for other people's machines on this one, into dist/, and checks them: a wheel for each PLATFORM named, or for all.
# usage: wheels.sh [PLATFORM...]     (the names are pip's, such as win_amd64)
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"  # its zig, cmake and ninja
unset MAKEFLAGS  # builds count no jobs with those of a make that runs this

# the oldest systems that are to take them: glibc 2.17 is that of manylinux2014
declare -A targets=(
    [manylinux_2_17_x86_64]=x86_64-linux-gnu.2.17
    [manylinux_2_17_aarch64]=aarch64-linux-gnu.2.17
    [macosx_11_0_arm64]=aarch64-macos.11.0
    [macosx_11_0_x86_64]=x86_64-macos.11.0
    [win_amd64]=x86_64-windows-gnu
)
platforms=("$@")
((${#platforms[@]})) || mapfile -t platforms < <(printf '%s\n' "${!targets[@]}" | sort -r)  # Windows first, which takes longest
for platform in "${platforms[@]}"; do
    [[ ${targets[$platform]:-} ]] || { echo "There is no platform $platform; expected some of ${!targets[*]}" >&2; exit 1; }
done

mkdir -p dist build/wheels

# Zig compiles its C++ library for each system. Here the sources are empty of all that the kernel, which has memory, threads and errors, does not link.
library=$(python -c 'import ziglang; print(*ziglang.__path__)')/lib
lean=$PWD/build/wheels/zig
rm -rf "$lean"
mkdir "$lean"
ln -s "$library"/* "$lean"
rm "$lean/libcxx"
cp -rs "$library/libcxx" "$lean"
linked='algorithm|chrono|condition_variable.*|error_category|exception|functional|future|memory|mutex.*|new.*|stdexcept|string|system_error|thread.*|verbose_abort'
find "$lean/libcxx/src" -name '*.cpp' -regextype egrep ! -regex ".*/($linked|support/win32/support)\.cpp" -exec cp --remove-destination /dev/null {} \;
export ZIG_LIB_DIR=$lean

build() {  # PLATFORM TARGET
    ZIG_TARGET=$2 python -m build --wheel --no-isolation --outdir dist \
        -Cwheel.tags="py3-none-$1" -Cbuild-dir="build/wheels/$1" \
        -Ccmake.define.CMAKE_TOOLCHAIN_FILE="$PWD/tools/zig.cmake" . >"build/wheels/$1.log" 2>&1 ||
        { tail -n 40 "build/wheels/$1.log" >&2; return 1; }
    echo "$1: built in $SECONDS s"
}
export -f build
# as many at a time as there are processors: Zig compiles what it links on one of them
for platform in "${platforms[@]}"; do echo "$platform ${targets[$platform]}"; done |
    xargs --max-procs "$(nproc)" --max-args 2 bash -c 'build "$1" "$2"' build
wheels=()
for platform in "${platforms[@]}"; do wheels+=(dist/*-"$platform".whl); done
twine check --strict "${wheels[@]}"
python tools/check_wheels.py "${wheels[@]}"
