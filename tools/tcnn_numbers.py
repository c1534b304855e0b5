"""Writes tests/data/tcnn_numbers.npz: what tiny-cuda-nn gives for the tests' models, and beside it where that comes from.

    .venv/bin/python tools/tcnn_numbers.py

Needs a GPU and tiny-cuda-nn's torch bindings (docs/gpu.md). Run it once, look at the differences that it
prints, commit both files.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from test_backends import CASES, random_model  # noqa: E402 - the tests' own models, so that nothing can differ

from hyperinr_core import backends  # noqa: E402
from hyperinr_core.backends.reference import ReferenceBackend  # noqa: E402
from hyperinr_core.errors import BackendError  # noqa: E402

N_POINTS = 256


def freeze(path: Path, cases: Sequence[str], provenance: dict[str, Any]) -> None:
    """Write points and tiny-cuda-nn's values for the first encoder of each case, and the provenance as JSON beside them."""
    arrays = {}
    for case in cases:
        model = random_model(CASES[case])
        points = np.random.default_rng(7).random((N_POINTS, model[0].encoding.n_pos_dims), np.float32)
        points[:3] = [[0], [1], [0.5]]
        backend = backends._backend_class("tcnn")(*model)
        values = np.array(backend.sample(backend.blend(np.array([0]), np.array([1.0])), points))
        arrays[f"{case}.points"], arrays[f"{case}.values"] = points, values
        expected = ReferenceBackend(*model).sample(model[1][0], points)
        print(
            f"{case}: largest difference {np.abs(values - expected).max() / np.abs(expected).max():.2e} of the largest value"
        )
    np.savez_compressed(path, **arrays)
    path.with_suffix(".json").write_text(json.dumps(provenance, indent=2) + "\n")


def provenance() -> dict[str, Any]:
    """What the numbers come from."""
    import torch

    return {
        "made_by": "tools/tcnn_numbers.py",
        "date": datetime.date.today().isoformat(),
        "gpu": torch.cuda.get_device_name(),
        "tinycudann": importlib.metadata.version("tinycudann"),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
    }


def main() -> None:
    """Freeze the tests' cases; where there is no GPU or are no bindings, one sentence and no file."""
    try:
        backends._backend_class("tcnn")
    except BackendError as error:
        sys.exit(f"nothing was frozen: {error}")
    target = ROOT / "tests" / "data" / "tcnn_numbers.npz"
    target.parent.mkdir(exist_ok=True)
    freeze(target, ["volume", "plane", "odd growth", "one feature", "eight features"], provenance())


if __name__ == "__main__":
    main()
