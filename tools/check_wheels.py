"""Checks wheels of any platform, from any: `check_wheels.py dist/*.whl`.

A wheel holds one CPU kernel, for the processor that its name says; the kernel exports the C interface of the headers and nothing
else, needs libraries that come with the system alone, and no newer system than the wheel's name says.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import lief

ROOT = Path(__file__).resolve().parents[1]
DECLARED = {
    name
    for header in (ROOT / "hyperinr_core" / "native").glob("*.h")
    for name in re.findall(r"HINR_API \w+ (hinr_\w+)\(", header.read_text(encoding="utf-8"))
}
VTK_JS = "hyperinr/plugin/www/vtk.js"
#: What is on every system of a kind.
LIBRARIES = {
    "linux": r"lib(c|m|pthread|dl|rt)\.so\.\d|ld-linux.*\.so\.\d",
    "macosx": r"/usr/lib/libSystem\.B\.dylib",
    "win": r"(?i)(kernel32|ntdll|api-ms-win-crt-[a-z0-9-]+)\.dll",
}
PROCESSORS = {"x86_64": {"X86_64", "AMD64"}, "amd64": {"AMD64"}, "aarch64": {"AARCH64"}, "arm64": {"ARM64"}}


def check(wheel: Path) -> str:
    """What a wheel holds, in a line; a failed check ends the program with a sentence."""
    platform = wheel.stem.split("-")[-1].split(".")[0]
    system = platform.partition("_")[0].replace("manylinux", "linux")
    with zipfile.ZipFile(wheel) as archive:
        kernels = [name for name in archive.namelist() if re.search(r"\.(so|dll|dylib)$", name)]
        expect(wheel, len(kernels) == 1, f"has the libraries {kernels}; expected one kernel")
        expect(wheel, VTK_JS in archive.namelist(), f"has no {VTK_JS}; expected that the build fetched it")
        compressed = archive.getinfo(kernels[0]).compress_size
        kernel = lief.parse(list(archive.read(kernels[0])))
    if isinstance(kernel, lief.MachO.FatBinary):
        kernel = kernel.at(0)
    processor, exported, needed, oldest = READERS[system](kernel)
    wanted = next(names for end, names in PROCESSORS.items() if platform.endswith(end))
    expect(wheel, processor in wanted, f"is for {processor}; expected one of {sorted(wanted)}")
    expect(wheel, exported == DECLARED, f"exports {sorted(exported ^ DECLARED)} otherwise than the headers say")
    strange = [name for name in needed if not re.fullmatch(LIBRARIES[system], name)]
    expect(wheel, not strange, f"needs {strange}, which a user may lack")
    said = tuple(map(int, re.findall(r"_(\d+)_(\d+)_", f"{platform}_")[0])) if system != "win" else oldest
    expect(wheel, oldest <= said, f"needs version {oldest} of the system; expected at most {said}")
    if system == "linux":
        shown = subprocess.run(["auditwheel", "show", wheel], capture_output=True, text=True, check=True).stdout
        expect(wheel, f'"{platform}"' in " ".join(shown.split()), f"is not what its name says to auditwheel: {shown}")
    return f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, the kernel {compressed / 1e6:.2f} of them"


def expect(wheel: Path, holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(f"{wheel.name} {otherwise}")


def read_elf(kernel: lief.ELF.Binary) -> tuple:
    """Processor, exported names, needed libraries, and the glibc that is needed."""
    names = {symbol.name for symbol in kernel.exported_symbols}
    versions = [
        tuple(map(int, version.name.removeprefix("GLIBC_").split(".")))[:2]
        for requirement in kernel.symbols_version_requirement
        for version in requirement.get_auxiliary_symbols()
    ]
    return kernel.header.machine_type.name, names, kernel.libraries, max(versions)


def read_mach_o(kernel: lief.MachO.Binary) -> tuple:
    """The same of macOS."""
    # Zig's linker takes no list of exports: C++'s operators new and delete stay visible, weakly, and two names of its own
    own = r"_Z(n[aw]|d[al]).*|__dso_handle|_mh_dylib_header"
    names = {symbol.name.removeprefix("_") for symbol in kernel.exported_symbols}
    names = {name for name in names if not re.fullmatch(own, name)}
    oldest = kernel.build_version.minos if kernel.has_build_version else kernel.version_min.version
    others = [library.name for library in kernel.libraries if library.command != lief.MachO.LoadCommand.TYPE.ID_DYLIB]
    return kernel.header.cpu_type.name, names, others, tuple(oldest[:2])


def read_pe(kernel: lief.PE.Binary) -> tuple:
    """The same of Windows."""
    names = {entry.name for entry in kernel.get_export().entries}
    return kernel.header.machine.name, names, [library.name for library in kernel.imports], (0, 0)


READERS = {"linux": read_elf, "macosx": read_mach_o, "win": read_pe}


if __name__ == "__main__":
    lief.logging.disable()  # which warns of what Zig leaves out
    for path in sys.argv[1:]:
        print(check(Path(path)))
