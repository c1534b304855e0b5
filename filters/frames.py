"""The images that the HyperINR Source shows: one that it had already, a new one, or a coarse one while things move."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hyperinr.filters.about import add_facts
from hyperinr.filters.coarse import sample_coarsely
from hyperinr.filters.image import add_array, image_of
from hyperinr.filters.memory import ImageCache, check_fits
from hyperinr.filters.moving import Moving
from hyperinr_core.volume import Extent, Grid

#: Of what is known of a motion, see `hyperinr_core.inr.PointMotion`.
N_COMPONENTS = {"velocity": 3, "trust": 1, "uncertainty": 1}


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

    def image(self, model: Any, frame: Frame, factor: int, progress: Callable[[float], Any]) -> Any:
        """A vtkImageData of the frame.

        Parameters
        ----------
        factor : while things move every factor-th point along each axis is sampled; 1 always samples all.
        """
        if not self.moving.coarse_will_do(frame.theta):
            factor = 1
        image = self.images.get(frame)
        if image is None and factor > 1:
            image = _sampled(model, frame, factor, progress)
        elif image is None:
            start = time.monotonic()
            image = _sampled(model, frame, 1, progress)
            self.moving.took(time.monotonic() - start)
            self.images.put(frame, image)
        return image


def _sampled(model: Any, frame: Frame, factor: int, progress: Callable[[float], Any]) -> Any:
    from hyperinr_core.pictures.picture_set import is_picture, to_bytes

    n_motion = len(frame.fields) * sum(N_COMPONENTS[name] for name in frame.motion)
    check_fits(frame.extent, model.n_output_dims + n_motion)
    inr = model.generate(frame.theta, frame.backend, frame.interpolation)
    whole = inr.unmasked()
    if factor > 1:
        values = sample_coarsely(whole, frame.grid, frame.extent, factor, progress)
    else:
        values = whole.sample_grid(frame.grid, frame.extent, progress=progress)
    if is_picture(model.grid, model.fields):
        values = to_bytes(values)
    image = image_of(inr, values, frame.fields, frame.grid, frame.extent, has_numbers=True)
    if frame.motion:
        along = inr if frame.interpolation is None else model.generate(frame.theta, frame.backend)
        _add_motion(image, along, frame, factor)
    _set_units(image, model)
    add_facts(image, model)
    return image


def _add_motion(image: Any, inr: Any, frame: Frame, factor: int) -> None:
    """`FIELD velocity` and so on, 0 at masked points: names after the field's, since ParaView shows the alphabet's first."""
    for field in frame.fields:
        motion = _FieldMotion(inr, field, frame.motion)
        if factor > 1:
            numbers = sample_coarsely(motion, frame.grid, frame.extent, factor)
        else:
            numbers = motion.sample_grid(frame.grid, frame.extent)
        for name, columns in motion.columns.items():
            add_array(image, f"{field} {name}", numbers[..., columns])


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
