"""Teachers of pictures: what a scene looks like from views that nobody rendered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.metrics import psnr
from hyperinr_core.pictures import RANGE, Optics, PictureSet, read_optics, view_angles
from hyperinr_core.views import Views, camera_frames, lattice, other_columns
from hyperinr_core.volume import VolumeSeries

TEACHERS = ("none", "coordnet", "radiance")

#: Least pictures of a scene that a radiance field is fitted to.
MIN_PICTURES = 4

#: Share of a scene's pictures that `auto` and the search for the camera leave out, and the most they look at.
LEFT_OUT, MOST_LEFT_OUT = 0.2, 8

#: Pictures looked at in a trial, as a share of those of the whole fit; with half as many, the wrong camera may look better.
TRIAL = 0.4

#: Points that CoordNet is fitted to.
COORDNET_SAMPLES = 20_000_000


class ViewTeacher(ABC):
    """Colours at pixels of the picture at any theta whose other parameters are those of some training picture."""

    @abstractmethod
    def colors(self, theta: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """(n, C) float32 in 0 to 255 at pixels (n,), counted along rows from the lowest, of theta (P,)."""


class RadianceTeacher(ViewTeacher):
    """A radiance field for each combination of the other parameters.

    Parameters
    ----------
    optics : the camera.
    n_steps : pictures looked at for each field.
    """

    def __init__(
        self,
        pictures: PictureSet,
        optics: Optics,
        n_steps: int,
        seed: int,
        progress: Callable[[float, float], Any] = lambda done, total: None,
    ) -> None:
        from hyperinr_core.training.radiance import RadianceField, background_of

        self._roles = pictures.roles
        self._others, scenes = scenes_of(pictures)
        self._fields = {}
        for number, (place, rows) in enumerate(scenes.items()):
            if len(rows) < MIN_PICTURES:
                raise DataError(
                    f"{pictures.source} has {len(rows)} training pictures of the scene at {place}; expected at least "
                    f"{MIN_PICTURES} for a radiance field, choose another teacher or leave fewer out"
                )
            shown = [pictures.picture(row) for row in rows]
            field = RadianceField(shown[0].shape, optics, background_of(shown))
            angles = view_angles(pictures.thetas[rows], pictures.roles)
            field.fit(angles, shown, n_steps, seed, lambda done, n=number: progress(n + done, len(scenes)))
            self._fields[place] = field

    def colors(self, theta: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        field = self._fields[tuple(theta[self._others].tolist())]
        return 255 * field.render(view_angles(theta, self._roles), pixels)


class CoordNetTeacher(ViewTeacher):
    """CoordNet over the direction of the view in place of its angles, the other parameters, and the pixel."""

    def __init__(
        self, pictures: PictureSet, seed: int, device: str, progress: Callable[[float, float], Any], samples: int = 0
    ) -> None:
        from hyperinr_core.training.teachers import create
        from hyperinr_core.training.teachers.base import FitSettings

        self._pictures = pictures
        thetas = self._flat(pictures.thetas)
        names = tuple(f"theta{index}" for index in range(thetas.shape[1]))
        series = VolumeSeries(
            pictures.grid, thetas, pictures.field_info, pictures.loader, pictures.source, names, ("free",) * len(names)
        )
        self._teacher = create("coordnet", series, pictures.name)
        self._teacher.fit(
            FitSettings(
                samples or COORDNET_SAMPLES, seed=seed, device=device, progress=lambda done: progress(done, 1.0)
            )
        )
        self._latest: tuple[tuple, np.ndarray] = ((), np.empty(0))

    def colors(self, theta: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        if self._latest[0] != tuple(theta):
            self._latest = tuple(theta), self._teacher.evaluate(self._flat(theta[None])[0])
        return self._latest[1].reshape(-1, self._latest[1].shape[-1])[pixels]

    def _flat(self, thetas: np.ndarray) -> np.ndarray:
        """Thetas (n, P) with the two angles replaced by the rows right and towards the camera, which have no seam."""
        columns = self._pictures.columns()
        if columns is None:
            return thetas
        frames = camera_frames(view_angles(thetas, self._pictures.roles))[:, ::2].reshape(len(thetas), 6)
        return np.concatenate([frames, np.delete(thetas, columns, axis=1)], axis=1)


def scenes_of(pictures: PictureSet) -> tuple[list[int], dict[tuple[float, ...], np.ndarray]]:
    """Columns of the parameters besides the view, and the pictures at each combination of their values."""
    columns = pictures.columns()
    if columns is None:
        raise ParameterError(
            f"{pictures.source} has the parameters {', '.join(pictures.parameters)}; a radiance field needs an azimuth and "
            "an elevation, name them with --angles"
        )
    others = other_columns(pictures.thetas, columns)
    axes, rows = lattice(pictures.thetas, others)
    named = {tuple(float(axis[i]) for axis, i in zip(axes, place)): chosen for place, chosen in rows.items()}
    return others, named


def find_optics(pictures: PictureSet, n_steps: int, seed: int) -> Optics:
    """The camera file's, or else the way of counting angles that shows pictures best which were left out.

    Pictures are taken for those of a camera as ParaView's and VisIt's are at first, which looks at the centre and sees 30
    degrees.
    """
    known = read_optics(pictures.camera) if pictures.camera else None
    if known:
        return known
    _, scenes = scenes_of(pictures)
    scene = pictures.select(max(scenes.values(), key=len))
    candidates = [Optics(turn=turn, tilt=tilt) for turn in (1, -1) for tilt in (1, -1)]
    scores = [radiance_score(scene, optics, n_steps, seed) for optics in candidates]
    return candidates[int(np.argmax(scores))]


def radiance_score(pictures: PictureSet, optics: Optics, n_steps: int, seed: int) -> float:
    """Mean PSNR in dB of pictures of one scene that were left out of a short fit."""
    kept, out = left_out(len(pictures), seed)
    teacher = RadianceTeacher(pictures.select(kept), optics, max(1, round(TRIAL * n_steps)), seed)
    return float(np.mean([_score(pictures, step, lambda theta, pixels: teacher.colors(theta, pixels)) for step in out]))


def interpolation_score(pictures: PictureSet, seed: int) -> float:
    """The same of blending the nearest pictures by barycentric weights, which is what a model does without a teacher."""
    kept, out = left_out(len(pictures), seed)
    angles = view_angles(pictures.thetas, pictures.roles)
    views = Views(angles[kept])

    def colors(theta: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        rows, weights = views(view_angles(theta, pictures.roles), "barycentric")
        parts = (pictures.picture(kept[row]).reshape(-1, pictures.field_info[pictures.name])[pixels] for row in rows)
        return sum(weight * part for weight, part in zip(weights, parts))

    return float(np.mean([_score(pictures, step, colors) for step in out]))


def left_out(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures that are kept and those that are left out, drawn at random."""
    order = np.random.Generator(np.random.Philox(key=[seed, 12])).permutation(count)
    n_out = max(1, min(MOST_LEFT_OUT, round(LEFT_OUT * count)))
    return np.sort(order[n_out:]), np.sort(order[:n_out])


def _score(pictures: PictureSet, step: int, colors: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    truth = pictures.picture(step).reshape(-1, pictures.field_info[pictures.name])
    pixels = np.arange(0, len(truth), max(1, len(truth) // 32768))
    return min(psnr(np.clip(colors(pictures.thetas[step], pixels), *RANGE), truth[pixels], RANGE), 150.0)
