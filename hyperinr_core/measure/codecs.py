"""Compressors of volumes that a model is measured beside: ZFP, SZ3 and SPERR where their packages are installed, and zlib.

All but zlib are told the largest error that they may make. The packages are imported when a compressor is used.
"""

from __future__ import annotations

import importlib
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Errors that compressors may make, as shares of the values' range.
TOLERANCES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)

#: The same for ZFP, which makes errors many times smaller than it is allowed.
ZFP_TOLERANCES = (5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05)


@dataclass(frozen=True)
class Codec:
    """A compressor.

    Attributes
    ----------
    code : bytes, and what is decoded from them, of values (S, nz, ny, nx) float32 with an absolute error.
    tolerances : errors to try, as shares of the values' range.
    package : that it needs; "" for none.
    """

    code: Callable[[np.ndarray, float], tuple[int, np.ndarray]]
    tolerances: tuple[float, ...]
    package: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether its package can be imported here."""
        try:
            return not self.package or bool(importlib.import_module(self.package))
        except ImportError:
            return False


def _zlib(values: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    return sum(len(zlib.compress(step.tobytes(), 6)) for step in values), values


def _zfp(values: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    import zfpy

    data = zfpy.compress_numpy(values, tolerance=error)
    return len(data), zfpy.decompress_numpy(data)


def _sz3(values: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    import pysz

    config = pysz.szConfig(values.shape)
    config.errorBoundMode, config.absErrorBound = pysz.szErrorBoundMode.ABS, error
    data, _ = pysz.sz.compress(np.ascontiguousarray(values), config)
    return data.size, pysz.sz.decompress(data, np.float32, values.shape)[0]


def _sperr(values: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    """Step by step: it has no more than three dimensions."""
    import h5py
    import hdf5plugin

    kept = io.BytesIO()
    with h5py.File(kept, "w") as file:
        for number, step in enumerate(values):
            file.create_dataset(str(number), data=step, chunks=step.shape, **hdf5plugin.Sperr(absolute=error))
    with h5py.File(kept, "r") as file:  # another one, whose cache does not hold what was written
        stored = [file[str(number)] for number in range(len(values))]
        return sum(step.id.get_storage_size() for step in stored), np.stack([step[...] for step in stored])


CODECS = {
    "zlib": Codec(_zlib, (0.0,)),
    "ZFP": Codec(_zfp, ZFP_TOLERANCES, "zfpy"),
    "SZ3": Codec(_sz3, TOLERANCES, "pysz"),
    "SPERR": Codec(_sperr, TOLERANCES, "hdf5plugin"),
}
