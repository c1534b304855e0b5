"""What a database of pictures names, whatever it is written in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hyperinr_core.pictures.camera import Camera
from hyperinr_core.pictures.picture_set import Optics

#: Cameras of pictures, of which each has its own, once their width and height are known.
Cameras = Callable[[int, int], Sequence[Camera]]

SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass
class Listing:
    """Pictures and what is known of each.

    Attributes
    ----------
    table : the file that names them, for messages.
    parameters : P names. thetas : (n, P) their values.
    files : (n,) the pictures'.
    optics : the camera of the angles among the parameters, where it is known.
    roles : of parameters whose names do not tell.
    cameras : of the pictures, where they are given; the parameters are then others than the view's.
    tests : numbers of pictures that are kept for testing.
    turned : (n,) bool pictures that stand on their heads.
    """

    table: Path
    parameters: list[str]
    thetas: np.ndarray
    files: list[Path]
    optics: Optics | None = None
    roles: dict[str, str] = field(default_factory=dict)
    cameras: Cameras | None = None
    tests: tuple[int, ...] = ()
    turned: np.ndarray | None = None
