#!/bin/bash
# Runs the kernel's units of tiles (AMX) on an emulated Sapphire Rapids, against their model in plain C++: `make test-amx`.
# usage: amx.sh [FOLDER]    Debian 13's Bochs is kept in FOLDER (build/amx, 900 MB); root sets it up
#
# Nothing but tests/bare runs there: Linux lets programs have tiles where the processor can keep their state out of what it saves alone
# (XFD), which Bochs does not emulate. Threads, signals and the system's permission are so not tested; times mean nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:-build/amx}"
folder=$(cd "${1:-build/amx}" && pwd)
[[ $(uname -m) == x86_64 && -e /etc/debian_version ]] || { echo "This is $(uname -sm); expected Debian on x86-64, whose GRUB and Bochs this needs." >&2; exit 1; }
[[ $(id -u) == 0 ]] || { echo "This sets up another Debian in $folder, which only root can do; run it as root." >&2; exit 1; }

for need in debootstrap grub-pc-bin grub-common xorriso mtools g++; do
    dpkg -s "$need" >/dev/null 2>&1 || { apt-get update -qq; apt-get install -y -qq "$need" >/dev/null; }
done
if [[ ! -e $folder/debian/root/done ]]; then
    echo "Setting up Debian trixie with Bochs in $folder"
    rm -rf "$folder/debian"
    script=/usr/share/debootstrap/scripts/trixie
    [[ -e $script ]] || script=/usr/share/debootstrap/scripts/sid  # the suite is newer than this debootstrap
    mirror=$(sed -n 's/^URIs: *//p; s/^deb \(http[^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1 || true)
    # what Bochs' windows need does not all configure in a folder, and is not needed
    debootstrap --variant=minbase --include=bochs,bochsbios trixie "$folder/debian" "${mirror:-http://deb.debian.org/debian}" "$script" >"$folder/debootstrap.log" ||
        chroot "$folder/debian" bochs --help cpu 2>&1 | grep -q sapphire_rapids || { tail "$folder/debootstrap.log" >&2; exit 1; }
    touch "$folder/debian/root/done"
fi

flags=(-std=c++17 -O2 -ffp-contract=off -fno-math-errno -fno-trapping-math -ffreestanding -fno-exceptions -fno-rtti -fno-stack-protector
    -fno-pic -mno-red-zone -DHINR_X86 -DHINR_TILES -Ihyperinr_core/native -c)
amx=(-DHINR_AVX512 -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mamx-tile -mamx-bf16)
built=$folder/built
mkdir -p "$built/disc/boot/grub"
g++ "${flags[@]}" "${amx[@]}" -DHINR_UNIT=tiles -DHINR_KERNELS=kTiles tests/bare/unit.cpp -o "$built/tiles.o"
g++ "${flags[@]}" "${amx[@]}" -DHINR_UNIT=tiles_half -DHINR_KERNELS=kTilesHalf -DHINR_HALF_TABLES tests/bare/unit.cpp -o "$built/tiles_half.o"
g++ "${flags[@]}" -DHINR_TILES_MODEL -DHINR_UNIT=model -DHINR_KERNELS=kModel tests/bare/unit.cpp -o "$built/model.o"
g++ "${flags[@]}" -DHINR_TILES_MODEL -DHINR_UNIT=model_half -DHINR_KERNELS=kModelHalf -DHINR_HALF_TABLES tests/bare/unit.cpp -o "$built/model_half.o"
g++ "${flags[@]}" tests/bare/main.cpp -o "$built/main.o"
gcc -c tests/bare/boot.S -o "$built/boot.o"
ld -n -Ttext=0x200000 --section-start=.multiboot=0x1ff000 --no-warn-rwx-segments -o "$built/program64" "$built"/{boot,main,tiles,tiles_half,model,model_half}.o
objcopy -O elf32-i386 "$built/program64" "$built/disc/boot/program"  # as Multiboot has it
printf 'set timeout=0\nmultiboot /boot/program\nboot\n' >"$built/disc/boot/grub/grub.cfg"
grub-mkrescue -o "$folder/debian/tmp/disc.iso" "$built/disc" 2>"$built/disc.log"

cat >"$folder/debian/tmp/bochsrc" <<END
cpu: model=sapphire_rapids, count=1, ips=100000000
memory: guest=512, host=512
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
plugin_ctrl: serial=1
ata0-master: type=cdrom, path=/tmp/disc.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=/tmp/said
display_library: rfb, options="timeout=0"
log: /tmp/bochs.log
END
echo c >"$folder/debian/tmp/commands"  # what its debugger is told: to go on
said=$folder/debian/tmp/said
rm -f "$said"
setsid chroot "$folder/debian" bochs -q -f /tmp/bochsrc -rc /tmp/commands </dev/null >"$built/bochs.out" 2>&1 &
emulator=$!
trap 'kill -- -$emulator 2>/dev/null || true' EXIT
for ((second = 0; second < 900; second++)); do
    sleep 1
    grep -qsE '^(all agree|they differ)' "$said" && break
done
cat "$said"
grep -q '^all agree' "$said"
