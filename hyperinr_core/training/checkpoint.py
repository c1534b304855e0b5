"""The state of an unfinished run in a safetensors file, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.files import replacing
from hyperinr_core.volume import Field, VolumeSeries

#: Of what a checkpoint holds: runs of another one cannot be gone on with.
VERSION = 2


def checkpoint_path(output: str | os.PathLike) -> Path:
    """Where the run that makes `output` keeps its state."""
    return Path(f"{os.fspath(output)}.checkpoint")


def begin(output: str | os.PathLike, resume: bool) -> Path:
    """Where a run that is about to begin keeps its state.

    Raises
    ------
    ParameterError when an unfinished run would be overwritten; DataError when the result has no place to go, which is
    better known before hours of training than after.
    """
    path = checkpoint_path(output)
    if path.exists() and not resume:
        raise ParameterError(
            f"{path} holds an unfinished run; add --resume to continue it, or delete the file to start over"
        )
    try:  # rights that are asked for are not those that hold: root has all, and Windows tells of none of folders
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise DataError(
            f"{path.parent} is no folder that can be written to; expected one for the model, create it first"
        ) from error
    return path


def fingerprint(series: VolumeSeries, fields: Sequence[Field], settings: dict[str, Any]) -> str:
    """A digest that changes when the data or a setting does."""
    content = [VERSION, settings, repr(series.grid), series.thetas.tolist(), repr(tuple(fields))]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write(path: Path, tensors: dict[str, np.ndarray], iteration: int, digest: str, samples: int = 0) -> None:
    """Replace the checkpoint; raises DataError when it cannot be written. `samples` is what `read_total` answers."""
    from safetensors.numpy import save_file

    run = {"iteration": iteration, "fingerprint": digest, "samples": samples}
    with replacing(path) as part:
        try:
            save_file(tensors, part, metadata={"run": json.dumps(run)})
        except Exception as error:
            raise OSError(str(error)) from error


def read_total(path: Path) -> int | None:
    """Samples that the run of a checkpoint was to draw in all; None where there is no whole checkpoint."""
    from safetensors import safe_open

    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            return json.loads((file.metadata() or {})["run"])["samples"]
    except Exception:
        return None


def read(path: Path, digest: str) -> tuple[dict[str, np.ndarray], int]:
    """Tensors and iteration of a checkpoint.

    Raises
    ------
    DataError when it is damaged, or belongs to other data or settings.
    """
    from safetensors import safe_open

    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            run: dict[str, Any] = json.loads((file.metadata() or {})["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except Exception as error:
        raise DataError(f"{path} is no whole checkpoint ({error}); delete it to start over") from error
    if run["fingerprint"] != digest:
        raise DataError(
            f"{path} belongs to a run with other data or settings, or of an earlier version; expected the same ones, "
            "repeat the first command with --resume, or delete the file to start over"
        )
    return tensors, run["iteration"]
