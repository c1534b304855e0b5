#!/bin/bash
# Runs the CPU kernel's tests on an emulated AArch64 processor: `make test-aarch64`. Most of the time goes into NumPy, emulated too.
# usage: aarch64.sh [FOLDER [PYTEST ARGUMENTS]]    compiler, kernel and an arm64 Python are kept in FOLDER (build/aarch64, 1 GB)
#
# The Python and its libraries are Debian's arm64 packages, unpacked and not installed; NumPy, SciPy and torch are wheels.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:-build/aarch64}"
folder=$(cd "${1:-build/aarch64}" && pwd)
shift || true
tests=(tests/test_native.py tests/test_motion_native.py tests/test_optical_flow.py tests/test_shadow.py tests/test_tracing.py
    tests/test_radiance.py tests/test_evaluators_native.py)
TORCH=2.5.1  # the last whose wheel for arm64 is small
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[[ $release == bookworm ]] || { echo "This is ${release:-no Debian}; expected Debian 12 (bookworm), whose Python those wheels are for." >&2; exit 1; }

tools/install.sh emulation
mkdir -p "$folder"/apt/lists/partial "$folder"/apt/cache/archives/partial "$folder/root"
if [[ ! -e $folder/root/done ]]; then
    echo "Unpacking Debian's Python for arm64 in $folder"
    touch "$folder/apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $release main" >"$folder/apt/sources.list"
    cat >"$folder/apt/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Dir::State "$folder/apt";
Dir::State::Lists "$folder/apt/lists";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt/cache";
Dir::Etc::SourceList "$folder/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
END
    apt=(env APT_CONFIG="$folder/apt/apt.conf" apt-get -qq -o Dir::Etc::SourceList="$folder/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null)
    "${apt[@]}" update
    "${apt[@]}" install --download-only -y --no-install-recommends python3 python3-distutils libstdc++6
    for package in "$folder"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$folder/root"; done
    touch "$folder/root/done"
fi
# a Python that tests can start again, and that knows itself by this name
python=$folder/python
cat >"$python" <<END
#!/bin/sh
exec qemu-aarch64 -L "$folder/root" "$folder/root/usr/bin/python3" "\$@"
END
chmod +x "$python"
echo "import sys; sys.executable = '$python'" >"$folder/root/usr/lib/python3/dist-packages/sitecustomize.py"
if [[ ! -e $folder/packages/done ]]; then
    version=$("$python" -c 'import sys; print("%d%d" % sys.version_info[:2])')
    pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: --implementation cp --python-version "$version"
        --abi "cp$version" --abi abi3 --abi none --platform any --platform manylinux_2_28_aarch64 --platform manylinux2014_aarch64
        --target "$folder/packages")
    "${pip[@]}" -c tools/constraints.txt numpy scipy safetensors zstandard click rich pytest pytest-timeout typing-extensions sympy networkx jinja2 filelock fsspec
    "${pip[@]}" --no-deps "torch==$TORCH"
    touch "$folder/packages/done"
fi

export PATH="$PWD/.venv/bin:$PATH"  # its cmake
cmake -S . -B "$folder/kernel" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ >/dev/null
cmake --build "$folder/kernel" --parallel
make -s build/types/hyperinr
export PYTHONPATH="$PWD:$PWD/build/types:$folder/packages" HYPERINR_NATIVE_LIBRARY="$folder/kernel/libhyperinr_native.so"
export PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1 HYPERINR_FUZZ="${HYPERINR_FUZZ:-2}"
exec "$python" -m pytest -p no:cacheprovider --timeout 7200 -q "${@:-${tests[@]}}"
