"""The files beside a mesh's own that its reader reads: pieces, blocks, the arrays of an .xdmf, the folders of a case."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path

#: A file that VTK's and XDMF's XML names: in an attribute, or as the one word of an element, before the place in it.
_IN_XML = re.compile(r"""\b(?:Source|file|href)\s*=\s*["']([^"']+)["']|>\s*([^<>\s:]+)\s*(?::[^<>\s]*)?\s*<""")
#: EnSight's and Nek5000's name a file, or with marks for the number many, in the last word of a line.
_IN_LINES = re.compile(r"""["']?([^\s"']+)["']?\s*$""", re.MULTILINE)
#: Marks of a number in a name: EnSight's and C's.
_NUMBER = re.compile(r"\*+|%0?\d*d")

_XML = (
    *(".pvtu", ".pvts", ".pvtr", ".pvti", ".vtm", ".vtmb", ".vtpd", ".vtpc", ".vth", ".vthb", ".pvd", ".xdmf", ".xmf"),
)
_LINES = (".case", ".encas", ".nek5000")

#: Folders of an OpenFOAM case that are read, besides those of times.
_FOAM = re.compile(r"constant|system|processor.*|\d.*")


def fingerprint(path: Path) -> str:
    """Names, sizes and times of change of all files that a mesh is read from, as far as its own text and place tell them."""
    about = []
    for file in sorted(_needed(path, set())):
        told = os.stat(file)
        about.append((file, told.st_size, told.st_mtime_ns))
    return repr(about)


def _needed(path: Path, seen: set[str]) -> set[str]:
    """A file, those that it names, and those that these name."""
    name = os.path.abspath(path)
    if name not in seen:
        seen.add(name)
        suffix = path.suffix.lower()
        if path.is_dir():
            seen.update(_in_folder(path))
        elif suffix == ".foam":
            for folder in path.parent.iterdir():
                if folder.is_dir() and _FOAM.fullmatch(folder.name):
                    seen.update(_in_folder(folder))
        elif suffix == ".cas":  # Fluent's values lie beside its mesh
            seen.update(os.path.abspath(file) for file in [path.with_suffix(".dat")] if file.is_file())
        elif suffix in _XML or suffix in _LINES:
            for other in _named(path, _IN_XML if suffix in _XML else _IN_LINES):
                _needed(other, seen)
    return seen


def _in_folder(folder: Path) -> Iterator[str]:
    for where, _, names in os.walk(folder):
        yield from (os.path.abspath(os.path.join(where, name)) for name in names)


def _named(path: Path, pattern: re.Pattern[str]) -> Iterator[Path]:
    """The files that a text names; a word that is no file's name is something else."""
    text = path.read_text(encoding="utf-8", errors="replace")
    for word in {html.unescape(next(filter(None, match.groups()))) for match in pattern.finditer(text)}:
        if _NUMBER.search(word):
            yield from path.parent.glob(_NUMBER.sub("*", word)) if not os.path.isabs(word) else ()
        elif len(word) < 1024 and (path.parent / word).is_file():
            yield path.parent / word
