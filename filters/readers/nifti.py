"""NIfTI images by nibabel, with their steps, placed where ParaView's reader places them: at the origin, unturned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.libraries import in_one_line, library
from hyperinr.filters.readers.steps import FileSteps, ZRange
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

SUFFIXES = (".nii", ".nii.gz")

#: As VTK calls the array.
NAME = "NIFTI"

_SECONDS = {"sec": "s", "msec": "ms", "usec": "us"}


def open_nifti(path: Path) -> FileSteps:
    """The steps of a file: x, y, z, time, and at most one axis of components, or colours."""
    header = _image(path).header
    stored = tuple(int(size) for size in header.get_data_shape())
    shape, (n, *others) = (*stored, 1, 1)[:3], (*stored[3:], 1)
    colors = len(header.get_data_dtype().names or (NAME,))
    components = int(np.prod(others)) * colors
    if min(stored, default=0) < 1 or len(stored) not in (2, 3, 4, 5) or (colors > 1 and components > colors):
        raise DataError(f"{path} has the shape {stored}; expected x, y, z, time and components at most")
    spacing = [float(step) if np.isfinite(step) and step else 1.0 for step in header["pixdim"][1:4]]
    # the sign in the header says in which order the slices lie
    reverse = header["pixdim"][0] < 0

    def read(frame: int, _: str, z_range: ZRange | None) -> np.ndarray:
        z0, z1 = z_range or (0, shape[2])
        planes = slice(shape[2] - z1, shape[2] - z0) if reverse else slice(z0, z1)
        index = (slice(None), slice(None), planes, frame)
        values = np.asarray(_image(path).dataobj[index[: len(stored)]])
        if values.dtype.names:
            values = np.stack([values[name] for name in values.dtype.names], axis=-1)
        values = values.reshape(*shape[:2], z1 - z0, components).transpose(2, 1, 0, 3)
        return values[::-1] if reverse else values

    times, units = _times(header, n)
    return FileSteps(path, Grid(shape, spacing=tuple(spacing)), {NAME: components}, read, n, times, units)


def _image(path: Path) -> Any:
    nibabel = library("nibabel", "NIfTI")
    try:
        return nibabel.load(path, mmap=False)
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError) as error:
        raise DataError(
            f"{path} cannot be read ({in_one_line(error)}); expected a whole NIfTI file, write it again"
        ) from error


def _times(header: Any, n: int) -> tuple[tuple[float, ...] | None, dict[str, str]]:
    """Times of several steps by the header's offset and interval, None where it has none; and their unit."""
    step, start = float(header["pixdim"][4]), float(header["toffset"]) if "toffset" in header else 0.0
    if n == 1 or not (np.isfinite([step, start]).all() and step > 0):
        return None, {}
    unit = _SECONDS.get(header.get_xyzt_units()[1], "")
    return tuple((start + step * np.arange(n)).tolist()), {"time": unit} if unit else {}
