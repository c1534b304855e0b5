"""Coverage-guided fuzzing of the reader of `.hinr` files: `make fuzz`. What brings it down is kept as build/fuzz_crash-...

Only FormatError, in one sentence, may come out of a file; a file that opens must be one that can be sampled.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hyperinr_core"]):
    import hostile

FOLDER = Path(tempfile.mkdtemp(prefix="hyperinr_fuzz"))
CORPUS = Path(sys.argv[1])


def open_one(data: bytes) -> None:
    """What atheris calls."""
    path = FOLDER / "m.hinr"
    path.write_bytes(data)
    hostile.verdict(path, measured=False)


if __name__ == "__main__":
    files = hostile.good_files(FOLDER)
    for number, file in enumerate(files):
        (CORPUS / f"good{number}").write_bytes(file)
    for number in range(200):
        (CORPUS / f"mutation{number}").write_bytes(hostile.mutation(number, files))
    atheris.Setup(sys.argv, open_one)
    atheris.Fuzz()
