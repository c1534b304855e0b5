"""The images that the HyperINR Source shows: one that it had already, a new one, or a coarse one while things move."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hyperinr.filters.about import add_facts
from hyperinr.filters.coarse import sample_coarsely
from hyperinr.filters.image import add_array, image_of
from hyperinr.filters.memory import ImageCache, check_fits
from hyperinr.filters.moving import Moving
from hyperinr_core.volume import Extent, Grid


class Frame(NamedTuple):
    """What is to be shown: all that an image depends on besides the model.

    Attributes
    ----------
    motion : attributes of `hyperinr_core.inr.Moving` to show beside each field.
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

    n_motion = len(frame.fields) * sum(3 if name == "velocity" else 1 for name in frame.motion)
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
    _add_motion(image, model, frame)
    _set_units(image, model)
    add_facts(image, model)
    return image


def _add_motion(image: Any, model: Any, frame: Frame) -> None:
    """`FIELD velocity` and so on, 0 at masked points: names after the field's, since ParaView shows the alphabet's first."""
    for field in frame.fields if frame.motion else ():
        moving = model.generate(frame.theta, frame.backend).motion(field, frame.grid, frame.extent)
        for name in frame.motion:
            add_array(image, f"{field} {name}", np.nan_to_num(getattr(moving, name), copy=False))


def _set_units(image: Any, model: Any) -> None:
    for field in model.fields:
        for name in (field.name, f"{field.name} uncertainty"):
            array = image.GetPointData().GetAbstractArray(name)
            if array is not None and field.units:
                array.GetInformation().Set(array.UNITS_LABEL(), field.units)
