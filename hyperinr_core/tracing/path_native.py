"""The compiled path tracer (native/path.h)."""

from __future__ import annotations

import ctypes
import functools
from ctypes import POINTER, c_double, c_int, c_int64, c_uint64, c_void_p
from typing import Any

import numpy as np

from hyperinr_core.backends import native

#: Numbers of a pixel: radiance (3), rays that met something, colour (3) and distance of what they met first, squared
#: luminance, samples.
N_CHANNELS = 10


class _Medium(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("values", "extinction", "colors", "bounds")),
        ("dims", c_int64 * 3),
        ("spacing", c_double * 3),
        ("n_rows", c_int64),
        ("low", c_double),
        ("scale", c_double),
    ]


class View(ctypes.Structure):
    """hinr_path_view of path.h."""

    _fields_ = [
        *((name, c_double) for name in ("g", "surface", "gloss")),
        *((name, c_double * 3) for name in ("light", "light_color")),
        ("light_cosine", c_double),
        ("below", c_double * 3),
        ("above", c_double * 3),
        ("axes", c_double * 9),
        ("image", c_void_p),
        ("image_width", c_int64),
        ("image_height", c_int64),
        ("camera", c_double * 18),
        ("lens", c_double * 6),
        ("focus", c_double),
        *((name, c_int64) for name in ("width", "height", "n_bounces")),
        ("seed", c_uint64),
    ]


@functools.cache
def _library() -> ctypes.CDLL:
    names: dict[str, list[Any]] = {
        "hinr_path_bounds": [POINTER(_Medium), c_void_p],
        "hinr_path_trace": [c_int, POINTER(_Medium), POINTER(View), c_int64, c_int64, c_int64, c_void_p],
        "hinr_path_denoise": [c_void_p, c_int64, c_int64, c_void_p],
        "hinr_path_bounds_size": [c_void_p],
        "hinr_path_tiles": [c_int64, c_int64],
    }  # fmt: skip
    loaded = native.declared(names, "path tracer")
    loaded.hinr_path_bounds_size.restype = loaded.hinr_path_tiles.restype = c_int64
    return loaded


class Medium:
    """A field with its tables as the kernel takes it; it keeps the arrays alive.

    Parameters
    ----------
    values : (nz, ny, nx) float32. spacing : (3,) in diagonals of the box.
    colors, extinction : (n, 3) and (n,) tables, extinction per diagonal.
    low, scale : value of the first row, and rows per value.
    """

    def __init__(
        self,
        values: np.ndarray,
        spacing: np.ndarray,
        colors: np.ndarray,
        extinction: np.ndarray,
        low: float,
        scale: float,
    ) -> None:
        dims = np.array(values.shape[::-1], np.int64)
        size = _library().hinr_path_bounds_size(dims.ctypes.data)
        padded = np.concatenate([colors, np.zeros((len(colors), 1))], axis=1)
        self._kept = (
            np.ascontiguousarray(values, np.float32),
            np.ascontiguousarray(extinction, np.float32),
            np.ascontiguousarray(padded, np.float32),
            np.empty(size, np.float32),
        )
        self.struct = _Medium(
            *(array.ctypes.data for array in self._kept), (c_int64 * 3)(*dims), (c_double * 3)(*spacing),
            len(extinction), low, scale,
        )  # fmt: skip
        native.check(_library().hinr_path_bounds(ctypes.byref(self.struct), self._kept[-1].ctypes.data))

    def trace(self, view: View, sample: int, first: int, n: int, film: np.ndarray) -> None:
        """Add a sample of the pixels of tiles first to first + n to the film (height, width, N_CHANNELS) float32."""
        arguments: tuple[Any, ...] = ctypes.byref(self.struct), ctypes.byref(view), sample, first, n, film.ctypes.data
        native.check(_library().hinr_path_trace(native.choose_isa(), *arguments))


def n_tiles(width: int, height: int) -> int:
    """Tiles of a picture."""
    return int(_library().hinr_path_tiles(width, height))


def denoise(film: np.ndarray) -> np.ndarray:
    """(height, width, 4) float32 radiance and opacity of a film (height, width, N_CHANNELS) float32 without its noise."""
    film = np.ascontiguousarray(film, np.float32)
    height, width = film.shape[:2]
    out = np.empty((height, width, 4), np.float32)
    native.check(_library().hinr_path_denoise(film.ctypes.data, width, height, out.ctypes.data))
    return out
