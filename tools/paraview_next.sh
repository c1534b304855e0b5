#!/bin/bash
# Runs the tests that need ParaView on the newest one, Debian testing's, in a system of its own beside this one: `make test-paraview-next`.
# usage: paraview_next.sh [FOLDER [PYTEST ARGUMENTS]]    the system is kept in FOLDER (build/testing, 9 GB), for the next time
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:-build/testing}"
system=$(cd "${1:-build/testing}" && pwd)
shift || true
tests=(tests/test_source.py tests/test_xml.py tests/test_paraview.py tests/test_servers.py tests/test_gui.py
    tests/test_gui_writing.py tests/test_shadow_paraview.py tests/test_views_paraview.py tests/test_compare_paraview.py tests/test_live.py
    tests/test_look.py tests/test_scene.py tests/test_without_package.py tests/test_state_example.py tests/test_icons.py)
[[ $(id -u) == 0 ]] || { echo "This sets up another Debian in $system, which only root can do; run it as root." >&2; exit 1; }

if [[ ! -e $system/etc/debian_version ]]; then
    echo "Setting up Debian testing in $system"
    command -v debootstrap >/dev/null || { apt-get update -qq; apt-get install -y -qq debootstrap >/dev/null; }
    mirror=$(sed -n 's/^URIs: *//p; s/^deb \(http[^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1 || true)
    debootstrap --variant=minbase --include=ca-certificates,make,git testing "$system" "${mirror:-http://deb.debian.org/debian}" >/dev/null
fi
# this machine's ways to the network: proxies, certificates, indexes of pip
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/xdg/pip /etc/ssl/certs/ca-certificates.crt /root/.config/pip \
    $(grep -ls -i -E 'proxy|acquire' /etc/apt/apt.conf.d/* || true) ${PIP_FIND_LINKS:-}; do
    [[ -e $file ]] && mkdir -p "$system$(dirname "$file")" && cp -rLT "$file" "$system$file"
done
mounted=()
unmount() {
    for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do umount "${mounted[i]}" || true; done
}
trap unmount EXIT
mount_in() { # mount_in PLACE ARGUMENTS OF MOUNT
    mountpoint -q "$system/$1" || { mount "${@:2}" "$system/$1"; mounted+=("$system/$1"); }
}
mount_in proc --bind /proc
mount_in dev --bind /dev
mount_in dev/pts --bind /dev/pts
mount_in dev/shm -t tmpfs tmpfs

mkdir -p "$system/root/project"
git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null | tar -cT - | tar -x -C "$system/root/project"
inside() {
    chroot "$system" /usr/bin/env -i $(env | grep -E '^(PIP_|SSL_|REQUESTS_|CURL_|https?_|no_|HTTPS?_|NO_)[A-Za-z_]*=') \
        HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        bash -c "cd /root/project && $1" - "${@:2}"
}
inside "make .venv/.test install"
inside "pvpython --version"
# X servers are told apart by sockets of the network: without one of its own they would meet this machine's
up="import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh22x', b'lo', 0x49))"  # ip link set lo up
inside "unshare -n bash -c '/usr/bin/python3 -c \"\$0\" && exec .venv/bin/pytest \"\$@\"' \"$up\" \"\$@\"" "${@:-${tests[@]}}"
