"""What a scene looks like from views that nobody rendered: a radiance field, blended pictures, and means of both."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.measure.metrics import picture_psnr
from hyperinr_core.pictures.background import background_of, before_white
from hyperinr_core.pictures.camera import Camera, camera_of, cameras_of
from hyperinr_core.pictures.picture_set import RANGE, Optics, PictureSet
from hyperinr_core.radiance.field import RadianceField
from hyperinr_core.radiance.fit import Fit, levels_for
from hyperinr_core.spaces import space_of
from hyperinr_core.spaces.views import distinct_views, lattice, other_columns, view_angles
from hyperinr_core.training.checkpoint import fingerprint
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.training.teachers.kept_fits import KeptFits
from hyperinr_core.training.watch import StopRequest

#: Least pictures of a scene that a radiance field is fitted to.
MIN_PICTURES = 4

#: Rays of one of the pictures that a fit looks at, and pictures that are kept, since callers ask for parts of one.
RAYS, N_SHOWN = 8192, 2

#: Pictures that the fit of a field looks at where no number is set.
DEFAULT_LOOKS = 500

#: Share of a scene's pictures that `auto` and the search for the camera leave out, and the most they look at.
LEFT_OUT, MOST_LEFT_OUT = 0.2, 8

#: Pictures looked at in a trial, as a share of those of the whole fit; with half as many, the wrong camera may look better.
TRIAL = 0.4

#: Shares of a radiance field in a mean with blended pictures that `auto` tries, and bytes of pictures kept for the blending.
SHARES, KEPT_BYTES = (0.0, 0.25, 0.5, 0.75, 1.0), 1 << 29


class Pictures(Teacher):
    """A teacher of pictures, which answers pixel by pixel in colours from 0 to 255."""

    series: PictureSet

    def evaluate(self, theta: np.ndarray) -> np.ndarray:
        return self.at(theta, np.arange(self.series.grid.n_points)).reshape(*self.series.grid.shape, -1)


class Radiance(Pictures):
    """A radiance field for each combination of the parameters besides the view; knows no others.

    Attributes
    ----------
    optics : the camera; looked for by `fit` where it is None.
    """

    def __init__(self, series: PictureSet, field: str, optics: Optics | None = None) -> None:
        super().__init__(series, field)
        self.optics = optics
        self._shown = lru_cache(N_SHOWN)(self._render)

    def fit(self, settings: FitSettings) -> None:
        """Look at `samples` pictures for each field; Interrupted when it is asked to stop, with its state kept."""
        pictures, looks = self.series, settings.samples or DEFAULT_LOOKS
        self.optics = self.optics or find_optics(pictures, looks, settings.seed)
        self._others, scenes = scenes_of(pictures)
        self._seen: dict[tuple[float, ...], tuple[RadianceField, np.ndarray]] = {}
        given = [dataclasses.asdict(camera) for camera in pictures.cameras]
        identity = [looks, settings.seed, dataclasses.asdict(self.optics), pictures.source, given]
        kept = KeptFits(settings.state, fingerprint(pictures, [], {"radiance": identity}))
        levels = levels_for(pictures.grid.dims[:2], looks * min(RAYS, pictures.grid.n_points))
        with StopRequest() as stop:
            for number, (place, rows) in enumerate(scenes.items()):
                if len(rows) < MIN_PICTURES:
                    raise DataError(
                        f"{pictures.source} has {len(rows)} training pictures of the scene at {place}; expected at least "
                        f"{MIN_PICTURES} for a radiance field, choose another teacher or leave fewer out"
                    )
                shown = [pictures.picture(row) for row in rows]
                cameras = cameras_of(pictures.select(rows), self.optics)
                behind = background_of(shown)

                def progress(done: float, number: int = number) -> None:
                    if settings.progress:
                        settings.progress((number + done) / len(scenes))

                field = kept.finished(number)
                if field is None:
                    fitting = Fit(cameras, shown, behind[..., :3], levels, settings.seed)
                    field = kept.run(number, fitting, stop, progress)
                self._seen[place] = field, behind

    def scenes(self) -> tuple[list[tuple[float, ...]], list[RadianceField], np.ndarray | None]:
        """The other parameters of each scene, its field, and (ny, nx, 3) uint8 behind all; None with an opacity."""
        behind = next(iter(self._seen.values()))[1]
        shown = None if behind.shape[2] == 4 else np.rint(255 * behind).astype(np.uint8)
        return list(self._seen), [field for field, _ in self._seen.values()], shown

    def at(self, theta: np.ndarray, index: np.ndarray) -> np.ndarray:
        return self._shown(tuple(theta.tolist()))[index]

    def _render(self, theta: tuple[float, ...]) -> np.ndarray:
        place = np.array(theta)
        return self.seen_by(camera_of(view_angles(place, self.series.roles), self.optics or Optics()), place)

    def seen_by(self, camera: Camera, theta: np.ndarray) -> np.ndarray:
        """(pixels, C) float32 all of a picture at theta (P,), whose view does not count."""
        field, behind = self._seen[tuple(theta[self._others].tolist())]
        width, height, _ = self.series.grid.dims
        seen = field.render(camera, width, height)
        picture = seen.rgba() if behind.shape[2] == 4 else 255 * seen.over(behind)
        return picture.reshape(width * height, -1).astype(np.float32)


class BlendedPictures(Pictures):
    """The training pictures around a view by barycentric weights, which is what a model does without a teacher."""

    def __init__(self, series: PictureSet, field: str) -> None:
        super().__init__(series, field)
        self._space = space_of(series.roles, series.thetas)
        n_components = series.field_info[field]
        self._picture = lru_cache(max(8, KEPT_BYTES // (series.grid.n_points * n_components)))(
            lambda row: series.picture(row).reshape(-1, n_components)
        )

    def at(self, theta: np.ndarray, index: np.ndarray) -> np.ndarray:
        rows, weights = self._space.weights(theta, "barycentric")
        return sum(np.float32(weight) * self._picture(int(row))[index] for row, weight in zip(rows, weights))


class Mean(Pictures):
    """The weighted mean of two teachers: where few pictures show a scene, a radiance field errs otherwise than blending.

    Parameters
    ----------
    share : of the first one, from 0 to 1.
    """

    def __init__(self, first: Pictures, second: Pictures, share: float) -> None:
        super().__init__(first.series, first.field)
        self._first, self._second, self._share = first, second, np.float32(share)

    def at(self, theta: np.ndarray, index: np.ndarray) -> np.ndarray:
        first, second = self._first.at(theta, index), self._second.at(theta, index)
        return self._share * first + (1 - self._share) * second


def scenes_of(pictures: PictureSet) -> tuple[list[int], dict[tuple[float, ...], np.ndarray]]:
    """Columns of the parameters besides the view, and the pictures at each combination of their values."""
    columns = pictures.columns()
    if columns is None:
        raise ParameterError(
            f"{pictures.source} has the parameters {', '.join(pictures.parameters)}; a radiance field needs an azimuth and "
            "an elevation, name them with --role"
        )
    others = other_columns(pictures.thetas, columns)
    axes, rows = lattice(pictures.thetas, others)
    named = {tuple(float(axis[i]) for axis, i in zip(axes, place)): chosen for place, chosen in rows.items()}
    return others, named


def find_optics(pictures: PictureSet, n_steps: int, seed: int) -> Optics:
    """What is known of the camera, or else the way of counting angles that shows pictures best which were left out.

    Pictures are taken for those of a camera as ParaView's and VisIt's are at first, which looks at the centre and sees 30
    degrees.
    """
    if pictures.optics:
        return pictures.optics
    _, scenes = scenes_of(pictures)
    largest = max(scenes.values(), key=len)
    scene = pictures.select(largest)
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
    radiance, blended = Radiance(training, training.name, optics), BlendedPictures(training, training.name)
    radiance.fit(FitSettings(max(1, round(TRIAL * n_steps)), seed=seed))
    pixels = np.arange(0, pictures.grid.n_points, max(1, pictures.grid.n_points // 32768))
    scores: dict[float, list[float]] = {share: [] for share in shares}
    for step in out:
        truth = pictures.picture(step).reshape(-1, pictures.field_info[pictures.name])[pixels]
        theta, (camera,) = pictures.thetas[step], cameras_of(pictures.select([step]), optics)
        first, second = radiance.seen_by(camera, theta)[pixels], blended.at(theta, pixels)
        for share, numbers in scores.items():
            mean = np.clip(share * first + (1 - share) * second, *RANGE)
            numbers.append(picture_psnr(mean.astype(np.float32), truth))
    return {share: float(np.mean(numbers)) for share, numbers in scores.items()}


def mean_picture_score(pictures: PictureSet, seed: int) -> float:
    """Mean PSNR in dB, on the pictures that `left_out_scores` leaves out, of the mean of all others, which knows no cameras."""
    kept, out = left_out(view_angles(pictures.thetas, pictures.roles), seed)
    return score_of_mean([pictures.picture(step) for step in kept], [pictures.picture(step) for step in out])


def score_of_mean(pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> float:
    """Mean PSNR in dB, on some pictures (ny, nx, C) uint8, of the mean of others."""
    mean = np.mean([before_white(picture) for picture in pictures], axis=0, dtype=np.float32)
    return float(np.mean([picture_psnr(mean, truth) for truth in truths]))


def misfit_in_words(score: float, mean: float) -> str:
    """What it says of cameras that a field of them shows left-out views with so many dB, and the mean picture with as many."""
    return (
        f"the cameras do not fit the pictures, or the pictures are too few: a radiance field shows left-out views with "
        f"{score:.1f} dB and the mean of all pictures with {mean:.1f} dB; check the angles, camera.json or the given cameras"
    )


def left_out(angles: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures that are kept and those that are left out, whole views of (n, 2) angles, drawn at random."""
    belongs = distinct_views(angles)
    order = np.random.Generator(np.random.Philox(key=[seed, 12])).permutation(belongs.max() + 1)
    n_out = max(1, min(MOST_LEFT_OUT, round(LEFT_OUT * len(order))))
    out = np.isin(belongs, order[:n_out])
    return np.flatnonzero(~out), np.flatnonzero(out)
