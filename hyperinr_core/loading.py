"""One door for every `.hinr` file."""

from __future__ import annotations

import os

from hyperinr_core import hinr
from hyperinr_core.model import Model
from hyperinr_core.radiance import file
from hyperinr_core.radiance.model import RadianceModel


def load_any(path: str | os.PathLike) -> Model | RadianceModel:
    """A model of whatever kind a file holds: a `HyperINR`, `Bricks` that are joined, or a `RadianceModel`.

    Raises
    ------
    FormatError with one sentence: the path, what was found, what was expected.

    Examples
    --------
    >>> type(load_any("flow.hinr")).__name__
    'HyperINR'
    """
    return file.load(path) if file.is_radiance(path) else hinr.load(path)
