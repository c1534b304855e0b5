"""NIfTI images by nibabel, with their steps, placed where ParaView's reader places them: at the origin, unturned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.blocks import check_letters, in_order, of_step
from hyperinr.filters.readers.libraries import in_one_line, library
from hyperinr.filters.readers.steps import FileSteps, ZRange
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

SUFFIXES = (".nii", ".nii.gz")

#: As VTK calls the array.
NAME = "NIFTI"

_SECONDS = {"sec": "s", "msec": "ms", "usec": "us"}


def open_nifti(path: Path, axes: str | None = None) -> FileSteps:
    """The steps of a file: x, y, z, time, and at most one axis of components, or colours.

    Parameters
    ----------
    axes : letters of t, z, y, x and c for the axes, slowest first, over this.
    """
    header = _image(path).header
    stored = tuple(int(size) for size in header.get_data_shape())
    letters = axes[::-1] if axes else "xyztc"[: len(stored)]
    sizes = dict(zip(letters, stored))
    colors = len(header.get_data_dtype().names or (NAME,))
    if min(stored, default=0) < 1 or len(stored) not in (2, 3, 4, 5) or (colors > 1 and sizes.get("c", 1) > 1):
        raise DataError(f"{path} has the shape {stored}; expected x, y, z, time and components at most")
    check_letters(letters[::-1], stored, path)
    shape = tuple(sizes.get(axis, 1) for axis in "xyz")
    n, components = sizes.get("t", 1), sizes.get("c", 1) * colors
    steps = dict(zip(letters, header["pixdim"][1:].tolist()))
    spacing = [step if np.isfinite(step) and step else 1.0 for step in (steps.get(axis, 1.0) for axis in "xyz")]
    # the sign in the header says in which order the slices lie
    reverse = header["pixdim"][0] < 0

    def read(frame: int, _: str, z_range: ZRange | None) -> np.ndarray:
        z0, z1 = z_range or (0, shape[2])
        planes = slice(shape[2] - z1, shape[2] - z0) if reverse else slice(z0, z1)
        values = np.asarray(of_step(_image(path).dataobj, letters, frame, planes if "z" in letters else slice(None)))
        values = in_order(values, letters.replace("t", ""))
        if values.dtype.names:
            values = np.concatenate([values[name] for name in values.dtype.names], axis=-1)
        return values[::-1] if reverse else values

    times, units = _times(header, steps.get("t", 0.0), n)
    return FileSteps(path, Grid(shape, spacing=tuple(spacing)), {NAME: components}, read, n, times, units)


def _image(path: Path) -> Any:
    nibabel = library("nibabel", "NIfTI")
    try:
        return nibabel.load(path, mmap=False)
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError) as error:
        raise DataError(
            f"{path} cannot be read ({in_one_line(error)}); expected a whole NIfTI file, write it again"
        ) from error


def _times(header: Any, step: float, n: int) -> tuple[tuple[float, ...] | None, dict[str, str]]:
    """Times of several steps by the header's offset and interval, None where it has none; and their unit."""
    start = float(header["toffset"]) if "toffset" in header else 0.0
    if n == 1 or not (np.isfinite([step, start]).all() and step > 0):
        return None, {}
    unit = _SECONDS.get(header.get_xyzt_units()[1], "")
    return tuple((start + step * np.arange(n)).tolist()), {"time": unit} if unit else {}
