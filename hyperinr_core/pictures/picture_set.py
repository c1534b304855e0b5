"""Pictures as fields on a plane: colours of 8 bits, lowest row first, as VTK lays images out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hyperinr_core.errors import DataError
from hyperinr_core.spaces.views import AZIMUTH, ELEVATIONS, angle_columns
from hyperinr_core.volume import Field, Grid, Parameter, VolumeSeries

if TYPE_CHECKING:
    from hyperinr_core.pictures.camera import Camera
    from hyperinr_core.pictures.world import World

#: A field of this name, components and range holds pictures.
NAMES = {3: "rgb", 4: "rgba"}
RANGE = (0.0, 255.0)

#: Degrees: azimuths no further apart go all the way round, elevations so near to a pole reach it.
WIDEST_GAP, NEAR_POLE = 90.0, 20.0


@dataclass(frozen=True)
class Optics:
    """The camera of pictures whose angles are known, in units in which half the picture's height at the centre is 1.

    Attributes
    ----------
    view_angle : of the picture's height in degrees; 0 for a parallel projection.
    turn, tilt : signs of azimuth and elevation, since databases differ in which way they count.
    """

    view_angle: float = 30.0
    turn: int = 1
    tilt: int = 1


@dataclass
class PictureSet(VolumeSeries):
    """Pictures by theta, read as they are needed: (1, ny, nx, C) uint8.

    Attributes
    ----------
    files : (n,) where they are.
    optics : the camera of the angles; None where it is not known.
    cameras : (n,) of pictures that have one each, in units of `world`, whose angles are those of where they stand; else empty.
    world : the space that these cameras were given in.
    tests : numbers of the pictures that are kept for testing.
    """

    files: tuple[Path, ...] = ()
    optics: Optics | None = None
    cameras: tuple[Camera, ...] = ()
    world: World | None = None
    tests: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The one field's."""
        return next(iter(self.field_info))

    def picture(self, step: int) -> np.ndarray:
        """(ny, nx, C) uint8."""
        return self.loader(step, self.name, None)[0]

    def camera(self, step: int) -> Camera | None:
        """The one that a picture was given with."""
        return self.cameras[step] if self.cameras else None

    def select(self, indices: Iterable[int]) -> PictureSet:
        """The set of only these pictures."""
        chosen = [int(index) for index in indices]
        loader = self.loader
        return PictureSet(
            self.grid, self.thetas[chosen], self.field_info, lambda step, name, z: loader(chosen[step], name, z),
            self.source, self.parameters, self.roles, self.units,
            files=tuple(self.files[index] for index in chosen), optics=self.optics,
            cameras=tuple(self.cameras[index] for index in chosen) if self.cameras else (), world=self.world,
            tests=tuple(number for number, index in enumerate(chosen) if index in self.tests),
        )  # fmt: skip

    def columns(self) -> tuple[int, int] | None:
        """Which parameters are the view's azimuth and elevation."""
        return angle_columns(self.roles)


def field_name(n_components: int) -> str:
    """The name of a field of pictures."""
    return NAMES[n_components]


def picture_field(n_components: int) -> Field:
    """The field of pictures of 3 or 4 components."""
    return Field(NAMES[n_components], n_components, (RANGE,) * n_components)


def is_picture(grid: Grid, fields: Sequence[Field]) -> bool:
    """Whether a model's values are pictures."""
    return grid.dims[2] == 1 and len(fields) == 1 and fields[0] == picture_field(4 if fields[0].name == "rgba" else 3)


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Values (...) rounded to uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def picture_parameters(pictures: VolumeSeries, training: VolumeSeries) -> tuple[Parameter, ...]:
    """A model's parameters: bounds are those of all pictures, values those of the pictures it was trained on.

    Azimuths that go all the way round stand for the whole circle, elevations near a pole for all up to it.
    """
    bounds = [_bounds(values, role) for values, role in zip(pictures.thetas.T, pictures.roles)]
    return tuple(
        Parameter(name, role, limits, pictures.units.get(name, ""), tuple(values.tolist()))
        for name, role, limits, values in zip(pictures.parameters, pictures.roles, bounds, training.thetas.T)
    )


def _bounds(values: np.ndarray, role: str) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if role == AZIMUTH:
        around = np.sort(values % 360)
        if np.diff([*around, around[0] + 360]).max() <= WIDEST_GAP:
            return (0.0, 360.0) if low >= 0 else (-180.0, 180.0)
    if role in ELEVATIONS:
        first, last = (-90.0, 90.0) if role == "view_elevation" else (0.0, 180.0)
        return (first if low - first <= NEAR_POLE else low), (last if last - high <= NEAR_POLE else high)
    return low, high


#: How a camera file beside a table is called.
CAMERA_FILE = "camera.json"


def write_optics(folder: Path, optics: Optics) -> None:
    """Write the camera file of a database."""
    text = json.dumps({"view_angle": optics.view_angle, "turn": optics.turn, "tilt": optics.tilt}) + "\n"
    (folder / CAMERA_FILE).write_text(text, encoding="utf-8")


def read_optics(path: Path) -> Optics | None:
    """The camera file of a database; None when there is none.

    Raises DataError for one that holds anything but `view_angle`, `turn` and `tilt`.
    """
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        angle = float(document["view_angle"])
        turn, tilt = int(document.get("turn", 1)), int(document.get("tilt", 1))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{path} is no camera file ({error!r}); expected an object with view_angle in degrees, and turn and tilt, 1 or -1"
        ) from error
    if not (math.isfinite(angle) and 0 <= angle < 170 and abs(turn) == abs(tilt) == 1):
        raise DataError(
            f"{path} has view_angle {angle:g}, turn {turn}, tilt {tilt}; expected 0 (parallel) to 170 degrees, and 1 or -1"
        )
    return Optics(angle, turn, tilt)
