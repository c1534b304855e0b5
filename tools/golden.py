"""Writes tests/golden: one small `.hinr` file of each kind, and what it says at a few points.

    .venv/bin/python tools/golden.py

These files are what the format's versions look like. They are made once and opened for ever; run this only for kinds that
are new, it never writes over a file that is there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core import hinr
from hyperinr_core.lean import lean
from hyperinr_core.radiance import file
from hyperinr_core.table_coding import TableCoding, encode, encode_best

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests"))

from golden_models import INDICES, KINDS, RADIANCE, sampled, shown  # noqa: E402


def main() -> None:
    """Write what is missing."""
    folder = HERE / "tests" / "golden"
    folder.mkdir(exist_ok=True)
    for name in (*KINDS, *INDICES):
        path = folder / f"{name}.hinr"
        if path.exists():
            continue
        if name in INDICES:
            INDICES[name](path)
        else:
            _save(path, *KINDS[name]())
        values = {str(place): np.asarray(found).tolist() for place, found in sampled(hinr.load(path)).items()}
        path.with_suffix(".json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        print(path, path.stat().st_size)
    for name, make_scene in RADIANCE.items():
        path = folder / f"{name}.hinr"
        if path.exists():
            continue
        file.save(make_scene(), path)
        shows = {str(share): shown(file.load(path), share).tolist() for share in (0.0, 0.37, 1.0)}
        path.with_suffix(".json").write_text(json.dumps(shows) + "\n", encoding="utf-8")
        print(path, path.stat().st_size)


def _save(path: Path, model: Any, steps: tuple[float, ...], differences: bool | str) -> None:
    coded, grid = None, model.architecture.hash_grid
    if differences in ("levels", "encoders"):
        model, is_alone = lean(model, 20), differences == "encoders"
        coded = encode_best(model.encoder_params, grid, steps, True, alone=is_alone)
    elif steps:
        coding = TableCoding(steps, bool(differences))
        coded = coding, encode(model.encoder_params, grid, coding)
    hinr.save(model, path, coded)


if __name__ == "__main__":
    main()
