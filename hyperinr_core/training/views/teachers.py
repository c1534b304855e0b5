"""Teachers of pictures: what a scene looks like from views that nobody rendered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.pictures.picture_set import RANGE, Optics, PictureSet, read_optics
from hyperinr_core.spaces import space_of
from hyperinr_core.spaces.sphere import camera_frames
from hyperinr_core.spaces.views import distinct_views, lattice, other_columns, view_angles
from hyperinr_core.volume import VolumeSeries

TEACHERS = ("none", "coordnet", "radiance")

#: Least pictures of a scene that a radiance field is fitted to.
MIN_PICTURES = 4

#: Share of a scene's pictures that `auto` and the search for the camera leave out, and the most they look at.
LEFT_OUT, MOST_LEFT_OUT = 0.2, 8

#: Pictures looked at in a trial, as a share of those of the whole fit; with half as many, the wrong camera may look better.
TRIAL = 0.4

#: Shares of a radiance field in a mean with blended pictures that `auto` tries, and bytes of pictures kept for the blending.
SHARES, KEPT_BYTES = (0.0, 0.25, 0.5, 0.75, 1.0), 1 << 29

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
        from hyperinr_core.training.views.radiance import RadianceField, background_of

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


class BlendedPictures(ViewTeacher):
    """The training pictures around a view by barycentric weights, which is what a model does without a teacher."""

    def __init__(self, pictures: PictureSet) -> None:
        self._space = space_of(pictures.roles, pictures.thetas)
        n_components = pictures.field_info[pictures.name]
        self._picture = lru_cache(max(8, KEPT_BYTES // (pictures.grid.n_points * n_components)))(
            lambda row: pictures.picture(row).reshape(-1, n_components)
        )

    def colors(self, theta: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        rows, weights = self._space.weights(theta, "barycentric")
        return sum(np.float32(weight) * self._picture(int(row))[pixels] for row, weight in zip(rows, weights))


class Mean(ViewTeacher):
    """The weighted mean of two teachers: where few pictures show a scene, a radiance field errs otherwise than blending.

    Parameters
    ----------
    share : of the first one, from 0 to 1.
    """

    def __init__(self, first: ViewTeacher, second: ViewTeacher, share: float) -> None:
        self._first, self._second, self._share = first, second, np.float32(share)

    def colors(self, theta: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        first, second = self._first.colors(theta, pixels), self._second.colors(theta, pixels)
        return self._share * first + (1 - self._share) * second


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
    return left_out_scores(pictures, optics, n_steps, seed, (1.0,))[1.0]


def left_out_scores(
    pictures: PictureSet, optics: Optics, n_steps: int, seed: int, shares: tuple[float, ...] = SHARES
) -> dict[float, float]:
    """{share of a radiance field: mean PSNR in dB of pictures of one scene that were left out}; 0 is blending alone."""
    kept, out = left_out(view_angles(pictures.thetas, pictures.roles), seed)
    training = pictures.select(kept)
    radiance = RadianceTeacher(training, optics, max(1, round(TRIAL * n_steps)), seed)
    blended = BlendedPictures(training)
    pixels = np.arange(0, pictures.grid.n_points, max(1, pictures.grid.n_points // 32768))
    scores: dict[float, list[float]] = {share: [] for share in shares}
    for step in out:
        truth = pictures.picture(step).reshape(-1, pictures.field_info[pictures.name])[pixels]
        first, second = (teacher.colors(pictures.thetas[step], pixels) for teacher in (radiance, blended))
        for share, found in scores.items():
            mean = np.clip(share * first + (1 - share) * second, *RANGE)
            found.append(min(psnr(mean.astype(np.float32), truth, RANGE), PSNR_CAP))
    return {share: float(np.mean(found)) for share, found in scores.items()}


def left_out(angles: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures that are kept and those that are left out, whole views of (n, 2) angles, drawn at random."""
    belongs = distinct_views(angles)
    order = np.random.Generator(np.random.Philox(key=[seed, 12])).permutation(belongs.max() + 1)
    n_out = max(1, min(MOST_LEFT_OUT, round(LEFT_OUT * len(order))))
    out = np.isin(belongs, order[:n_out])
    return np.flatnonzero(~out), np.flatnonzero(out)
