"""The compiled kernels of radiance fields (native/radiance.h)."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from ctypes import POINTER, c_double, c_int, c_int64, c_uint64, c_void_p

import numpy as np

from hyperinr_core.backends import native

#: Voxels along an edge of a block, in a block, and numbers of a voxel.
EDGE, VOXELS, LINE = 4, 64, 16


class _Field(ctypes.Structure):
    _fields_ = [("dims", c_int64 * 3), ("n_blocks", c_int64), ("index", c_void_p), ("values", c_void_p)]


class _Pictures(ctypes.Structure):
    _fields_ = [
        *((name, c_int64) for name in ("n_views", "width", "height", "n_channels")),
        *((name, c_void_p) for name in ("cameras", "pictures", "background")),
    ]


class Settings(ctypes.Structure):
    """hinr_radiance_settings of radiance.h."""

    _fields_ = [
        ("batch_rays", c_int64),
        ("seed", c_uint64),
        *(
            (name, c_double)
            for name in (
                "rate_density", "rate_color", "beta1", "beta2", "smooth_density", "smooth_color", "bend_density", "bend_color",
            )
        ),
    ]  # fmt: skip


@functools.cache
def _library() -> ctypes.CDLL:
    field, pictures = [c_int, POINTER(_Field)], POINTER(_Pictures)
    batch = [c_int64, c_uint64, c_int64]
    names = {
        "hinr_radiance_render": [*field, c_void_p, c_int64, c_int64, c_void_p, c_void_p],
        "hinr_radiance_sample": [*field, c_void_p, c_int64, c_void_p],
        "hinr_radiance_fit": [
            *field, c_void_p, c_void_p, pictures, POINTER(Settings), c_int64, c_int64, POINTER(c_double),
        ],
        "hinr_radiance_gradient": [*field, pictures, *batch, c_void_p, POINTER(c_double)],
        "hinr_radiance_draw": [pictures, *batch, c_void_p, c_void_p, c_void_p],
    }  # fmt: skip
    return native.declared(names, "radiance fields")


class Lattice:
    """A sparse grid as the kernel takes it; it keeps the arrays alive.

    Parameters
    ----------
    dims : voxels along x, y, z.
    index : (bz, by, bx) int32. values : (n, 64, 16) float32.
    """

    def __init__(self, dims: Sequence[int], index: np.ndarray, values: np.ndarray) -> None:
        self.index, self.values = np.ascontiguousarray(index, np.int32), np.ascontiguousarray(values, np.float32)
        self._struct = _Field((c_int64 * 3)(*dims), len(values), self.index.ctypes.data, self.values.ctypes.data)

    def _call(self, name: str, *arguments: object) -> None:
        native.check(getattr(_library(), name)(native.choose_isa(), ctypes.byref(self._struct), *arguments))

    def render(self, rays: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """(height, width, 4) colours times opacity and opacity, (height, width) depths times opacity, of rays (7, 3)."""
        rays = np.ascontiguousarray(rays, np.float32)
        colors, depth = np.empty((height, width, 4), np.float32), np.empty((height, width), np.float32)
        self._call("hinr_radiance_render", rays.ctypes.data, width, height, colors.ctypes.data, depth.ctypes.data)
        return colors, depth

    def sample(self, points: np.ndarray) -> np.ndarray:
        """(n, 16) numbers at points (n, 3), in voxels."""
        points = np.ascontiguousarray(points, np.float32)
        lines = np.empty((len(points), LINE), np.float32)
        self._call("hinr_radiance_sample", points.ctypes.data, len(points), lines.ctypes.data)
        return lines

    def fit(
        self, moments: Sequence[np.ndarray], shown: Shown, settings: Settings, first_step: int, n_steps: int
    ) -> float:
        """Steps of Adam, in place; the mean squared error of the last batch."""
        loss = c_double()
        first, second = (moment.ctypes.data for moment in moments)
        self._call(
            "hinr_radiance_fit", first, second, ctypes.byref(shown.struct), ctypes.byref(settings), first_step, n_steps,
            ctypes.byref(loss),
        )  # fmt: skip
        return loss.value

    def gradient(self, shown: Shown, batch_rays: int, seed: int, step: int) -> tuple[np.ndarray, float]:
        """The gradient, like values, and the mean squared error of the rays that a step draws."""
        gradient, loss = np.empty_like(self.values), c_double()
        self._call(
            "hinr_radiance_gradient", ctypes.byref(shown.struct), batch_rays, seed, step, gradient.ctypes.data,
            ctypes.byref(loss),
        )  # fmt: skip
        return gradient, loss.value


class Shown:
    """Pictures as the kernel takes them.

    Parameters
    ----------
    rays : (n, 7, 3) of their cameras, in voxels.
    pictures : n of (height, width, C) uint8.
    background : (height, width, 3) in [0, 1].
    """

    def __init__(self, rays: np.ndarray, pictures: Sequence[np.ndarray], background: np.ndarray) -> None:
        height, width, n_channels = pictures[0].shape
        self._kept = (
            np.ascontiguousarray(rays, np.float32),
            np.array([picture.ctypes.data for picture in pictures], np.uint64),
            np.ascontiguousarray(background, np.float32),
        )
        self._pictures = pictures
        self.struct = _Pictures(len(pictures), width, height, n_channels, *(array.ctypes.data for array in self._kept))

    def draw(self, batch_rays: int, seed: int, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Views, pixels and offsets of the first sample (n,) of the rays that a step draws."""
        views, pixels = np.empty(batch_rays, np.int64), np.empty(batch_rays, np.int64)
        offsets = np.empty(batch_rays, np.float32)
        native.check(
            _library().hinr_radiance_draw(
                ctypes.byref(self.struct), batch_rays, seed, step, views.ctypes.data, pixels.ctypes.data,
                offsets.ctypes.data,
            )
        )  # fmt: skip
        return views, pixels, offsets
