"""The images that the HyperINR Source shows: one that it had already, a new one, or a coarse one while things move."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hyperinr.filters.about import add_facts
from hyperinr.filters.coarse import fewer_points, sample_coarsely
from hyperinr.filters.image import add_array, image_of
from hyperinr.filters.memory import ImageCache, check_fits
from hyperinr.filters.moving import MOST, Moving, factor_for, is_long
from hyperinr.filters.refining import Refinement
from hyperinr_core.volume import Extent, Grid

#: Of what is known of a motion, see `hyperinr_core.inr.PointMotion`.
N_COMPONENTS = {"velocity": 3, "trust": 1, "uncertainty": 1}

#: Points along each axis of a part that tells how long a grid takes, and how many such parts are worth asking.
N_TRIED, WORTH_A_TRY = 32, 16

#: Seconds, of the 50 ms between two questions of the window, that a grid sampled beside it may have Python for itself.
LOAN = 0.01


class Frame(NamedTuple):
    """What is to be shown: all that an image depends on besides the model.

    Attributes
    ----------
    motion : attributes of `hyperinr_core.inr.PointMotion` to show beside each field.
    """

    theta: tuple[float, ...]
    grid: Grid
    extent: Extent
    fields: tuple[str, ...]
    motion: tuple[str, ...]
    interpolation: str | None
    backend: str


class ImageFrames:
    """Makes and keeps the images of one model.

    Parameters
    ----------
    n_bytes : most memory for images that were shown.
    """

    def __init__(self, n_bytes: int) -> None:
        self.moving = Moving()
        self.images = ImageCache(n_bytes)
        self._pace, self._n_paced = 0.0, 0
        self._coarse: tuple[Any, Frame] | None = None
        self._refinement: Refinement | None = None

    def __del__(self) -> None:
        self.stop()  # of a source that is deleted nobody wants more

    def image(self, model: Any, frame: Frame, factor: int, progress: Callable[[float], Any]) -> Any:
        """A vtkImageData of the frame.

        Parameters
        ----------
        factor : while things move at most every factor-th point along each axis is sampled; 1 always samples all.
        """
        image = self.images.get(frame)
        seconds = self._expected(model, frame)
        self.moving.took(seconds)
        coarse = self.moving.coarse_will_do(frame.theta) and image is None and factor > 1
        refinement = self._taken(None if coarse or image is not None else frame)
        if coarse:
            self._coarse = model, frame
            numbers = _numbers(model, frame, factor_for(seconds, factor), progress, is_long(seconds))
            return _image(model, frame, *numbers)
        if image is None:
            image = self._full(model, frame, refinement, progress)
            self.images.put(frame, image)
        self._coarse = None
        return image

    def preview_factor(self, model: Any, grid: Grid, extent: Extent, backend: str) -> int:
        """Of how many points along each axis one is enough to begin with; 1 where nobody minds to wait for all."""
        theta = tuple(model.theta_bounds[:, 0].tolist())
        seconds = self._expected(model, Frame(theta, grid, extent, (), (), None, backend))
        return factor_for(seconds, 2) if is_long(seconds) else 1

    def preview(self, model: Any, small: Frame, frame: Frame, progress: Callable[[float], Any]) -> Any:
        """A vtkImageData of a frame of fewer points, until the frame of all is asked for."""
        check_fits(frame.extent, model.n_output_dims)
        self._coarse = model, frame
        self.moving.previewed(frame.theta)
        return _image(model, small, *_numbers(model, small, 1, progress, True))

    def refine(self) -> tuple[bool, bool]:
        """Note that the window asked.

        Returns
        -------
        Whether a coarse image is shown, which nobody must take for the full one; whether the window shall now ask for that.
        """
        due = self.moving.polled()
        if self._refinement is None and due and self._coarse is not None:
            model, frame = self._coarse
            if is_long(self._expected(model, frame)):
                self._refinement = Refinement(frame, lambda progress: _numbers(model, frame, 1, progress))
                due = False
        if self._refinement is None or self._coarse is None:
            return self._coarse is not None and not self.moving.moving, due
        return True, self._refinement.lend(LOAN)

    def stop(self) -> None:
        """End what is sampled beside the window."""
        if self._refinement is not None:
            self._refinement.stop()
            self._refinement = None

    def _taken(self, frame: Frame | None) -> Refinement | None:
        """The refinement of a frame, where there is one; any other ends, since the kernel shall work for what is shown."""
        found = self._refinement
        if found is None or found.frame != frame:
            self.stop()
            return None
        self._refinement = None
        return found

    def _full(self, model: Any, frame: Frame, refinement: Refinement | None, progress: Callable[[float], Any]) -> Any:
        if refinement is not None:
            return _image(model, frame, *refinement.result(progress))
        start = time.perf_counter()
        image = _image(model, frame, *_numbers(model, frame, 1, progress))
        self._n_paced = _n_points(frame)
        self._pace = (time.perf_counter() - start) / self._n_paced
        return image

    def _expected(self, model: Any, frame: Frame) -> float:
        """Seconds that the full grid takes, by the last that was sampled or, in a window, by a small part of it."""
        n_tried = N_TRIED**3
        if self._n_paced < n_tried and self.moving.watched and _n_points(frame) > WORTH_A_TRY * n_tried:
            self._pace, self._n_paced = _tried(model, frame), n_tried
        return self._pace * _n_points(frame)


def _n_points(frame: Frame) -> int:
    x0, x1, y0, y1, z0, z1 = frame.extent
    return (x1 - x0 + 1) * (y1 - y0 + 1) * (z1 - z0 + 1)


def _tried(model: Any, frame: Frame) -> float:
    """Seconds by point of a small part of a frame: the better of two, since the first wakes threads.

    Of large tables no levels are read for it that the coarsest grid does not show. An estimate: all take up to a third longer.
    """
    inr = _coarse(model, frame, MOST).unmasked()
    starts, ends = frame.extent[::2], frame.extent[1::2]
    part = [end for first, last in zip(starts, ends) for end in (first, min(last, first + N_TRIED - 1))]
    found = []
    for _ in range(2):
        start = time.perf_counter()
        n_points = inr.sample_grid(frame.grid, tuple(part)).size // model.n_output_dims
        found.append((time.perf_counter() - start) / n_points)
    return min(found)


def _coarse(model: Any, frame: Frame, factor: int) -> Any:
    """A frame's field as far as every factor-th point shows it: what motion carries, and levels that do not show, take long."""
    shown = model.coarse(max(fewer_points(frame.grid, factor).dims))
    return shown.generate(frame.theta, frame.backend, frame.interpolation or model.interpolation)


def _numbers(
    model: Any, frame: Frame, factor: int, progress: Callable[[float], Any], long: bool = False
) -> tuple[Any, np.ndarray, dict[str, np.ndarray]]:
    """The field at theta, its values (nz, ny, nx, C), and arrays of its motion by name: all that needs no VTK.

    Parameters
    ----------
    long : whether the full grid takes long, and this one shall not.
    """
    n_motion = len(frame.fields) * sum(N_COMPONENTS[name] for name in frame.motion)
    check_fits(frame.extent, model.n_output_dims + n_motion)
    inr = _coarse(model, frame, factor) if long else model.generate(frame.theta, frame.backend, frame.interpolation)
    whole = inr.unmasked()
    if factor > 1:
        values = sample_coarsely(whole, frame.grid, frame.extent, factor, progress)
    else:
        values = whole.sample_grid(frame.grid, frame.extent, progress=progress)
    return inr, values, _motion(model, frame, factor) if frame.motion else {}


def _image(model: Any, frame: Frame, inr: Any, values: np.ndarray, motion: dict[str, np.ndarray]) -> Any:
    from hyperinr_core.pictures.picture_set import is_picture, to_bytes

    if is_picture(model.grid, model.fields):
        values = to_bytes(values)
    image = image_of(inr, values, frame.fields, frame.grid, frame.extent, has_numbers=True)
    for name, array in motion.items():
        add_array(image, name, array)
    _set_units(image, model)
    add_facts(image, model)
    return image


def _motion(model: Any, frame: Frame, factor: int) -> dict[str, np.ndarray]:
    """`FIELD velocity` and so on, 0 at masked points: names after the field's, since ParaView shows the alphabet's first."""
    found, inr = {}, model.generate(frame.theta, frame.backend)
    for field in frame.fields:
        motion = _FieldMotion(inr, field, frame.motion)
        if factor > 1:
            numbers = sample_coarsely(motion, frame.grid, frame.extent, factor)
        else:
            numbers = motion.sample_grid(frame.grid, frame.extent)
        found.update({f"{field} {name}": numbers[..., columns] for name, columns in motion.columns.items()})
    return found


class _FieldMotion:
    """What is known of a field's motion, to be sampled as values are."""

    dtype = np.float32

    def __init__(self, inr: Any, field: str, names: Sequence[str]) -> None:
        self._inr, self._field = inr, field
        ends = np.cumsum([0, *(N_COMPONENTS[name] for name in names)]).tolist()
        self.columns = {name: slice(*pair) for name, *pair in zip(names, ends, ends[1:])}

    def sample_grid(self, grid: Grid, region: Extent, progress: object = None) -> np.ndarray:
        moving = self._inr.motion(self._field, grid, region)
        parts = [getattr(moving, name).reshape(*moving.trust.shape, -1) for name in self.columns]
        return np.nan_to_num(np.concatenate(parts, axis=-1, dtype=np.float32), copy=False)


def _set_units(image: Any, model: Any) -> None:
    for field in model.fields:
        for name in (field.name, f"{field.name} uncertainty"):
            array = image.GetPointData().GetAbstractArray(name)
            if array is not None and field.units:
                array.GetInformation().Set(array.UNITS_LABEL(), field.units)
