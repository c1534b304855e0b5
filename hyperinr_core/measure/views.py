"""Predicted pictures beside interpolated ones, at views that training did not see."""

from __future__ import annotations

import functools

import numpy as np

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.measure.report import Progress, Report, duel, gains, scores
from hyperinr_core.pictures.background import before_white
from hyperinr_core.pictures.picture_set import RANGE, PictureSet, is_picture, to_bytes
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.spaces import space_of
from hyperinr_core.spaces.nearest import Nearest
from hyperinr_core.spaces.space import Space


def held_out_and_trained(
    model: HyperINR | RadianceModel, pictures: PictureSet, path: str
) -> tuple[PictureSet, PictureSet]:
    """The pictures that were held out and those that were trained on, as the model remembers them.

    Parameters
    ----------
    path : the model's, for messages.

    Raises
    ------
    ParameterError for a model of anything but pictures; DataError when the pictures are not those it was trained from.
    """
    if not is_picture(model.grid, model.fields) or "held_out" not in model.provenance:
        raise ParameterError(f"{path} is no model of pictures; expected one made by `hyperinr train-views`")
    names = tuple(parameter.name for parameter in model.parameters)
    if pictures.parameters != names or pictures.grid.dims != model.grid.dims:
        raise DataError(
            f"{pictures.source} has {pictures.grid.dims[:2]} pixels over {', '.join(pictures.parameters)}; "
            f"expected {model.grid.dims[:2]} over {', '.join(names)}, the database that the model was trained on"
        )
    held_out = [tuple(theta) for theta in model.provenance["held_out"]]
    if not held_out:
        raise DataError(f"{path} was trained on every picture; expected some held out, train with --holdout 0.5")
    trained = list(zip(*(parameter.values for parameter in model.parameters)))
    thetas = [tuple(theta) for theta in pictures.thetas.tolist()]
    out, kept = (
        [step for step, theta in enumerate(thetas) if theta in known] for known in (set(held_out), set(trained))
    )
    if len(out) != len(held_out) or len(kept) != len(trained):
        raise DataError(
            f"{pictures.source} has {len(out)} of the {len(held_out)} held-out and {len(kept)} of the {len(trained)} training "
            "pictures; expected the database that the model was trained on"
        )
    return pictures.select(out), pictures.select(kept)


class InterpolatedViews:
    """Training pictures blended by inverse distance: between views as encoders are, linearly in other parameters."""

    def __init__(self, training: PictureSet) -> None:
        self._training = training
        self._space = _space_of_pictures(training)

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """(ny, nx, C) uint8 at theta (P,)."""
        indices, weights = self._space.weights(theta, "idw")
        parts = (np.float32(weight) * self._training.picture(int(index)) for index, weight in zip(indices, weights))
        return to_bytes(functools.reduce(np.add, parts))


def _space_of_pictures(training: PictureSet) -> Space:
    """The pictures' space; that of the nearest where it knows no inverse distance."""
    space = space_of(training.roles, training.thetas)
    return space if "idw" in space.kinds else Nearest(space.roles, space.positions, space.bounds)


def predicted(model: HyperINR | RadianceModel, pictures: PictureSet, step: int, backend: str = "auto") -> np.ndarray:
    """(ny, nx, C) uint8 what a model says that one of some pictures shows."""
    theta = pictures.thetas[step]
    if isinstance(model, RadianceModel):
        return model.picture(theta, camera=pictures.camera(step))
    return to_bytes(model.generate(theta, backend).sample_grid()[0])


def measure_views(
    model: HyperINR | RadianceModel,
    held_out: PictureSet,
    interpolate: InterpolatedViews,
    backend: str = "auto",
    progress: Progress | None = None,
) -> Report:
    """Measure the model and the interpolation on held-out pictures; what is transparent, before white.

    Returns
    -------
    {"held_out": {method: {"psnr", "ssim"}}, "difference": mean of PSNR differences in dB, "p_value": of a one-sample t-test
    that they are 0, None for a single picture, "wins": share of the pictures on which the model is nearer,
    "pictures": [{parameter: value, method: {"psnr", "ssim"}}]}
    """
    entries = []
    for done, theta in enumerate(held_out.thetas, start=1):
        truth = held_out.picture(done - 1)
        rivals = {"model": predicted(model, held_out, done - 1, backend), "interpolation": interpolate(theta)}
        # a picture is a volume of one slice
        found = {
            method: scores(before_white(values)[None], before_white(truth)[None], RANGE)
            for method, values in rivals.items()
        }
        entries.append({**dict(zip(held_out.parameters, theta.tolist())), **found})
        if progress:
            progress(done, len(held_out))
    differences = gains(entries)
    return duel("pictures", entries, difference=float(differences.mean()), p_value=p_value(differences))


def p_value(differences: np.ndarray) -> float | None:
    """Of a one-sample t-test that differences (n,) are 0 in the mean; None where they do not scatter."""
    from scipy.stats import ttest_1samp

    scatter = len(differences) > 1 and np.ptp(differences) > 0
    return float(ttest_1samp(differences, 0.0).pvalue) if scatter else None
