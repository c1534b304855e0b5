"""Fits the base of a model where a field is so smooth that hash tables alone would lose to interpolation.

Tables and a small network reach about 50 dB, whatever the data. A field that interpolation in time predicts better than that
gets splines of its training steps as a base, and the network learns what they lack.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.spaces.line import Line
from hyperinr_core.spline_base import LEVELS, SUPPORT, Base, basis
from hyperinr_core.training.teachers.choice import Choice, choose
from hyperinr_core.training.volumes.survey import Survey
from hyperinr_core.volume import Field, VolumeSeries

#: dB. A field whose left-out steps interpolation predicts better than this gets a base: the model alone could not keep up.
SMOOTH = 45.0

#: dB less are enough of a field that is carried: with gaps half as wide it promises that much more, and interpolation less.
LESS = 3.0

#: dB that the splines of a training step must be better than the prediction of left-out steps, whose gaps are twice as wide.
MARGIN = 6.0

#: Training steps, evenly spread, on which the number of coefficients is judged.
N_CHECKED = 5

#: Coefficients along an axis as shares of its points, the fewest first.
SHARES = (0.25, 0.375, 0.5, 0.625, 0.75, 1.0)

#: Bytes of a coefficient in a file.
LEVEL_BYTES = 2

#: What coefficients together show of themselves at the points, at least, as a share of what others show. With as many
#: coefficients as points some show nothing: left alone they grow to millions, and their 16 bits say nothing of the rest.
LEAST_SEEN = 5e-3


def fit_base(found: Survey, use: str, choices: Mapping[str, Choice], most_bytes: float = math.inf) -> Base | None:
    """The base of the fields that want one, `residual` still unknown; None where none does.

    Parameters
    ----------
    found : of the training steps.
    use : auto, never or always, see `TrainingConfig`.
    choices : what leaving steps out has shown of each field, if it was tried.
    most_bytes : of coefficients, at most; what takes more is no base, unless `use` is always.
    """
    series, names = found.series, [field.name for field in found.fields]
    if use == "never" or len(series.parameters) != 1 or len(series) < 3 or min(series.grid.dims[:2]) < SUPPORT:
        return None
    if 1 < series.grid.dims[2] < SUPPORT:
        return None
    evidence = {field.name: _interpolated(found.block, field, choices.get(field.name)) for field in found.fields}
    smooth = [
        name
        for name in names
        if use == "always" or max(evidence[name].values()) > SMOOTH - LESS * ("carry" in evidence[name])
    ]
    if not smooth:
        return None
    sums = {kind: sum(evidence[name][kind] for name in smooth) for kind in Line.kinds}
    kind = max(sums, key=sums.__getitem__)
    targets = {name: max(evidence[name].values()) + MARGIN for name in smooth}
    counts = _counts(found, targets)
    components = _components(series, names, smooth)
    if use != "always" and LEVEL_BYTES * len(series) * math.prod(counts) * len(components) > most_bytes:
        return None
    coefficients = _coefficients(series, smooth, counts)
    limits = np.stack([coefficients.min(axis=(0, 1, 2, 3)), coefficients.max(axis=(0, 1, 2, 3))], axis=1).astype(
        np.float64
    )
    extent = np.where(limits[:, 1] > limits[:, 0], limits[:, 1] - limits[:, 0], 1)
    levels = np.rint((coefficients - limits[:, 0]) * (LEVELS / extent)).astype(np.uint16)
    return Base(series.thetas[:, 0].copy(), levels, components, limits, np.zeros((len(limits), 2)), kind)


def residual_series(series: VolumeSeries, names: Sequence[str], base: Base) -> VolumeSeries:
    """What the network has to add to the base at each theta of a series; its range is the base's `residual`."""
    components = list(base.components)
    places, start = {}, 0
    for name in names:
        stop = start + series.field_info[name]
        places[name] = [components.index(c) for c in range(start, stop) if c in components]
        start = stop
    axes = series.grid.axes(None, series.grid.n_pos_dims)

    def load(step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        values = series.read(step, [name], z_range)
        if not places[name]:
            return values
        planes = (*axes[:2], axes[2][slice(*(z_range or (None,)))]) if len(axes) == 3 else axes
        smooth = base.at(float(series.thetas[step, 0])).on_grid(planes)
        return values - smooth.reshape(*values.shape[:3], -1)[..., places[name]]

    return replace(series, loader=load)


def _interpolated(block: VolumeSeries, field: Field, choice: Choice | None) -> dict[str, float]:
    """PSNR in dB of predicting left-out steps by each interpolation."""
    if choice is None or not set(Line.kinds) <= set(choice.psnr):
        choice = choose(block, field.name, tuple(Line.kinds), field.whole_range)
    return {kind: choice.psnr[kind] for kind in (*Line.kinds, "carry") if kind in choice.psnr}


def _components(series: VolumeSeries, names: Sequence[str], chosen: Sequence[str]) -> tuple[int, ...]:
    """Numbers of the chosen fields' components among those of all."""
    owners = [name for name in names for _ in range(series.field_info[name])]
    return tuple(number for number, name in enumerate(owners) if name in chosen)


def _counts(found: Survey, targets: Mapping[str, float]) -> tuple[int, ...]:
    """Coefficients along z, y, x: the fewest that give a few training steps, even the worst of them, as well as asked."""
    series = found.series
    steps = np.linspace(0, len(series) - 1, N_CHECKED).round().astype(int)
    left = {field.name: (field, targets[field.name]) for field in found.fields if field.name in targets}
    counts = [tuple(1 if n == 1 else max(SUPPORT, round(share * n)) for n in series.grid.shape) for share in SHARES]
    sufficient = 0
    for field, target in left.values():
        for step in steps:  # each is read once, and asks for more coefficients or not
            values, truth = series.read(int(step), [field.name]), series.truth(int(step), [field.name])
            while sufficient < len(SHARES) - 1 and _precision(values, truth, counts[sufficient], field) < target:
                sufficient += 1
    return counts[sufficient]


def _precision(values: np.ndarray, truth: np.ndarray, counts: tuple[int, ...], field: Field) -> float:
    """PSNR in dB of the splines on a training step, at the points where the truth has values."""
    projections = [_matrix(n, count) @ _inverse(n, count) for n, count in zip(values.shape, counts)]
    return min(PSNR_CAP, psnr(_multiply(values, projections), truth, field.whole_range))


def _coefficients(series: VolumeSeries, names: Sequence[str], counts: tuple[int, ...]) -> np.ndarray:
    """(n, cz, cy, cx, c) float32, the best in the sense of least squares for each step."""
    inverses = [_inverse(n, count) for n, count in zip(series.grid.shape, counts)]
    return np.stack([_multiply(series.read(step, list(names)), inverses) for step in range(len(series))])


def _inverse(n: int, count: int) -> np.ndarray:
    """(count, n) matrix from values at n even points to the coefficients that fit them best, none of them without bounds."""
    return np.linalg.pinv(_matrix(n, count), rcond=LEAST_SEEN)


def _matrix(n: int, count: int) -> np.ndarray:
    """(n, count) float64 matrix from coefficients to values at n even points; the one point of a plane's axis is its value."""
    return basis(np.arange(n) / (n - 1), count).astype(np.float64) if n > 1 else np.ones((1, 1))


def _multiply(values: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Values (nz, ny, nx, c) with each of the first three axes multiplied by a matrix, float32."""
    for axis, matrix in enumerate(matrices):
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return values.astype(np.float32)
