"""Compressors of volumes that a model is measured beside: ZFP, SZ3 and SPERR where their packages are installed, and zlib.

All but zlib are told the largest error that they may make. The packages are imported when a compressor is used.
"""

from __future__ import annotations

import importlib
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Errors that compressors may make, as shares of the values' range.
TOLERANCES = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)

#: The same for ZFP, which makes errors many times smaller than it is allowed.
ZFP_TOLERANCES = (5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05)

#: (S, nz, ny, nx).
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Codec:
    """A compressor.

    Attributes
    ----------
    encode : how many bytes, and what `decode` takes, of values (S, nz, ny, nx) float32 with an absolute error.
    decode : the values of what was encoded of a shape (S, nz, ny, nx).
    tolerances : errors to try, as shares of the values' range.
    package : that it needs; "" for none.
    apart : whether key frames are coded one by one: SZ3 needs fewer bytes so where time goes on in large steps.
    """

    encode: Callable[[np.ndarray, float], tuple[int, Any]]
    decode: Callable[[Any, Shape], np.ndarray]
    tolerances: tuple[float, ...]
    package: str = ""
    apart: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether its package can be imported here."""
        try:
            return not self.package or bool(importlib.import_module(self.package))
        except ImportError:
            return False


def _to_zlib(values: np.ndarray, error: float) -> tuple[int, list[bytes]]:
    steps = [zlib.compress(step.tobytes(), 6) for step in values]
    return sum(map(len, steps)), steps


def _of_zlib(steps: list[bytes], shape: Shape) -> np.ndarray:
    return np.frombuffer(b"".join(map(zlib.decompress, steps)), np.float32).reshape(shape)


def _to_zfp(values: np.ndarray, error: float) -> tuple[int, bytes]:
    import zfpy

    data = zfpy.compress_numpy(values, tolerance=error)
    return len(data), data


def _of_zfp(data: bytes, shape: Shape) -> np.ndarray:
    import zfpy

    return zfpy.decompress_numpy(data)


def _to_sz3(values: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    import pysz

    config = pysz.szConfig(values.shape)
    config.errorBoundMode, config.absErrorBound = pysz.szErrorBoundMode.ABS, error
    data, _ = pysz.sz.compress(np.ascontiguousarray(values), config)
    return data.size, data


def _of_sz3(data: np.ndarray, shape: Shape) -> np.ndarray:
    import pysz

    return pysz.sz.decompress(data, np.float32, shape)[0]


def _to_sperr(values: np.ndarray, error: float) -> tuple[int, io.BytesIO]:
    """Step by step: it has no more than three dimensions."""
    import h5py
    import hdf5plugin

    kept = io.BytesIO()
    with h5py.File(kept, "w") as file:
        for number, step in enumerate(values):
            file.create_dataset(str(number), data=step, chunks=step.shape, **hdf5plugin.Sperr(absolute=error))
    with h5py.File(kept, "r") as file:
        return sum(file[name].id.get_storage_size() for name in file), kept


def _of_sperr(kept: io.BytesIO, shape: Shape) -> np.ndarray:
    import h5py

    with h5py.File(kept, "r") as file:  # another one, whose cache does not hold what was written
        return np.stack([file[str(number)][...] for number in range(shape[0])])


CODECS = {
    "zlib": Codec(_to_zlib, _of_zlib, (0.0,)),
    "ZFP": Codec(_to_zfp, _of_zfp, ZFP_TOLERANCES, "zfpy"),
    "SZ3": Codec(_to_sz3, _of_sz3, TOLERANCES, "pysz", apart=True),
    "SPERR": Codec(_to_sperr, _of_sperr, TOLERANCES, "hdf5plugin"),
}
