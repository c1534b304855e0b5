#!/bin/bash
# Runs tests of the core on other Pythons, with the wheel that `make wheels` built and without a compiler: `make test-pythons`.
# usage: pythons.sh [FOLDER [PYTEST ARGUMENTS]]    the systems are kept in FOLDER (build/pythons, 2 GB), for the next time
#
# Each Python is that of another Debian, and has the package twice: with the newest NumPy, SciPy and others that there are for it, and
# with the oldest that pyproject.toml allows and that have wheels for it. Without PyTorch and ParaView.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:-build/pythons}"
folder=$(cd "${1:-build/pythons}" && pwd)
shift || true
suites=${SUITES:-bullseye trixie forky}  # Python 3.9, 3.13 and 3.14
tests=(bound_coding carried compression crop cuts golden hinr hypernet imports inr_motion joined joining lean lights mask mask_coding motion
    motion_coding motion_native moving nearest optical_flow options paths radiance_file spaces splines stored_tables table_coding transfer
    views volume volume_coding world)
tests=("${tests[@]/#/tests/test_}")
tests=("${tests[@]/%/.py}")
[[ $(id -u) == 0 ]] || { echo "This sets up other Debians in $folder, which only root can do; run it as root." >&2; exit 1; }
wheels=(dist/hyperinr-*-manylinux_2_17_"$(uname -m)".whl)
[[ -e ${wheels[0]} ]] || { echo "There is no ${wheels[0]}; run \`make wheels PLATFORMS=manylinux_2_17_$(uname -m)\` first." >&2; exit 1; }

inside() { # inside SYSTEM COMMAND [ARGUMENTS]
    chroot "$1" /usr/bin/env -i $(env | grep -E '^(PIP_(CERT|DEFAULT|INDEX)|SSL_|REQUESTS_|CURL_|https?_|no_|HTTPS?_|NO_)[A-Za-z_]*=') \
        HOME=/root PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HYPERINR_FUZZ="${HYPERINR_FUZZ:-2}" PIP_DISABLE_PIP_VERSION_CHECK=1 \
        bash -euc "cd /root && $2" - "${@:3}"
}

set_up() { # set_up SUITE: its Debian in a folder of that name
    command -v debootstrap >/dev/null || { apt-get update -qq; apt-get install -y -qq debootstrap >/dev/null; }
    local mirror script=/usr/share/debootstrap/scripts/$1
    mirror=$(sed -n 's/^URIs: *//p; s/^deb \(http[^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1 || true)
    [[ -e $script ]] || script=/usr/share/debootstrap/scripts/sid  # the suite is newer than this debootstrap
    debootstrap --variant=minbase --include=ca-certificates,python3-venv "$1" "$folder/$1" "${mirror:-http://deb.debian.org/debian}" "$script" >/dev/null
    touch "$folder/$1/root/done"
}

for suite in $suites; do
    system=$folder/$suite
    if [[ ! -e $system/root/done ]]; then
        echo "Setting up Debian $suite in $system"
        set_up "$suite"
    fi
    for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do  # this machine's ways to the network
        [[ ! -e $file ]] || cp -L "$file" "$system$file"
    done
    # without the package's sources: before Python 3.11 they would be found in the current folder
    rm -rf "$system/root/tests" "$system"/root/*.whl
    cp -r tests pyproject.toml "${wheels[0]}" "$system/root/"
    python3 tools/requirements.py core >"$system/root/requirements.txt"
    inside "$system" "[[ -e uv/bin/uv ]] || { python3 -m venv uv && uv/bin/pip install --quiet uv; }"
    for resolution in highest lowest-direct; do
        inside "$system" "rm -rf venv && python3 -m venv venv
            install='uv/bin/uv pip install --quiet --python venv/bin/python --only-binary :all:'
            \$install --resolution $resolution -r requirements.txt
            \$install ./*.whl pytest pytest-timeout hypothesis
            venv/bin/python -VV
            uv/bin/uv pip list --quiet --python venv/bin/python
            for words in --help 'train --help' 'info tests/golden/carried.hinr' 'compress tests/golden/carried.hinr -o c.hinr'; do
                venv/bin/hyperinr \$words >/dev/null
            done
            exec venv/bin/pytest -q -p no:cacheprovider \"\$@\"" "${@:-${tests[@]}}"
    done
done
