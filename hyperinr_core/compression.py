"""How far a model's tables can be rounded: each level in steps of its own, so that a byte buys the same precision everywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.level_coding import LevelCoding
from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.packing import MOST_EFFORT, MOST_EXPANSION, QUICK
from hyperinr_core.shift import shifted_model, shifts_of
from hyperinr_core.table_coding import MOST_STEPS, encode_best, levels, rounded
from hyperinr_core.volume import Grid

#: PSNR in dB against the model itself that is asked for where a model does not know its quality.
UNKNOWN_QUALITY = 60.0

#: Training thetas and points of the grid that the loss is measured at, at most. Between points it is another: the finest level's
#: vertices lie half way between them, where errors of rounding are means of many.
N_THETAS, MOST_POINTS = 6, 1 << 15

#: Halvings of the range of steps.
N_TRIALS = 12

#: Steps of the largest number of a level while its share in the error is measured.
PROBE_STEPS = 100


class Compression:
    """Rounds a model's tables, and measures what that costs.

    Errors of rounding are independent, so that their squares add up. Bytes are spent best where one bit more in any level
    takes off equally much of the sum: a level's step goes with the root of its numbers' count over its share in the sum.
    The few numbers of coarse levels, each of which matters to many points, get steps many times finer than the rest.

    Parameters
    ----------
    model : is only read; its fields' ranges are what PSNR is over.
    """

    def __init__(self, model: HyperINR) -> None:
        self._model = model = shifted_model(model, shifts_of(model.fields))
        positions = model.encoder_positions
        rows = np.unique(np.linspace(0, len(positions) - 1, N_THETAS).round().astype(int))
        self._thetas = np.clip(positions[rows], *model.theta_bounds.T)
        self._points = _some_of(model.grid) if model.grid.n_points > MOST_POINTS else None
        self._truths = [self._values(model, theta) for theta in self._thetas]
        self._largest = np.array([abs(model.encoder_params[:, part]).max() for part in self._levels], np.float64)
        self._relative = self._relative_steps()

    def steps(self, scale: float) -> tuple[float, ...]:
        """(L,) what the numbers of each level are rounded to multiples of; `scale` is the finest level's."""
        if not np.isfinite(self._relative).all():
            raise ParameterError(
                "no point has a value that tables could be compared by; expected some, leave them as they are"
            )
        largest = np.where(self._largest > 0, self._largest, 1)
        return tuple(np.clip(scale * self._relative, largest / MOST_STEPS, 4 * largest).tolist())

    def steps_at(self, target: float) -> tuple[float, ...]:
        """(L,) steps at which independent errors of rounding come to a PSNR in dB; clipped as `steps` are."""
        return self.steps(self._unit * 10 ** (-target / 20))

    def psnr(self, steps: Sequence[float]) -> float:
        """dB of tables rounded to multiples of steps against the model's own values, mean over thetas and components."""
        return self._psnr(rounded(self._model.encoder_params, self._model.architecture.hash_grid, steps))

    def psnr_by_field(self, steps: Sequence[float]) -> dict[str, list[float | None]]:
        """dB of tables rounded to multiples of steps against the model's own values, of each field at each theta.

        None where all points are masked.
        """
        tables = rounded(self._model.encoder_params, self._model.architecture.hash_grid, steps)
        other = dataclasses.replace(self._model, encoder_params=tables)
        errors = [self._values(other, theta) - truth for theta, truth in zip(self._thetas, self._truths)]
        by_field, first = {}, 0
        for field in self._model.fields:
            part = slice(first, first + field.n_components)
            first = part.stop
            low, high = np.array(field.value_range).T
            limits = low.min(), high.max()
            decibel = [_psnr_of(error[..., part], np.zeros_like(error[..., part]), limits) for error in errors]
            by_field[field.name] = [None if np.isnan(each) else round(each, 3) for each in decibel]
        return by_field

    def coded(self, steps: Sequence[float], effort: int = MOST_EFFORT) -> tuple[LevelCoding, np.ndarray]:
        """The rounded tables as `hinr.save` takes them."""
        return self.coded_of(self._model, steps, effort)

    @staticmethod
    def coded_of(model: HyperINR, steps: Sequence[float], effort: int = MOST_EFFORT) -> tuple[LevelCoding, np.ndarray]:
        """A model's tables, rounded to steps, as `hinr.save` takes them."""
        return encode_best(
            model.encoder_params, model.architecture.hash_grid, steps, len(model.parameters) == 1, effort
        )

    def coarsest_above(self, target: float) -> tuple[float, ...]:
        """The largest steps that stay above a PSNR in dB and leave something; ParameterError when not even the finest do."""
        fine, _ = self._bisect(lambda steps: self.psnr(steps) >= target and self._n_bytes(steps) > 0)
        if fine is None:
            raise ParameterError(
                f"target-psnr is {target:.1f} dB, which coded tables do not hold; expected less, and tables that are not all zero"
            )
        return fine

    def finest_within(self, n_bytes: int) -> tuple[float, ...] | None:
        """The smallest steps whose codes take at most so many bytes; None when none do."""
        _, coarse = self._bisect(lambda steps: self._n_bytes(steps) > n_bytes)
        return coarse if coarse is not None and self._n_bytes(coarse) else None

    def tolerable(self, lost: float) -> float:
        """PSNR in dB against the model's own values at which its encoders lose so many dB of their PSNR on the training data."""
        kind = "training_psnr_db" if self._model.bound is None else "unbounded_psnr_db"
        per_field = self._model.quality.get(kind, {})
        known = [value for values in per_field.values() for value in values if value is not None]
        if not known:
            return UNKNOWN_QUALITY
        return float(np.mean(known)) - 10 * np.log10(10 ** (lost / 10) - 1)

    def _n_bytes(self, steps: Sequence[float]) -> int:
        """Of the codes; 0 where so little is left that more effort might code it in fewer bytes than are allowed."""
        try:
            n_bytes = len(self.coded(steps, QUICK)[1])
        except ParameterError:
            return 0
        return n_bytes if 2 * self._model.encoder_params.size <= MOST_EXPANSION // 2 * n_bytes else 0

    @property
    def _levels(self) -> list[slice]:
        return levels(self._model.architecture.hash_grid)

    def _relative_steps(self) -> np.ndarray:
        """(L,) steps for equal returns, the last one 1."""
        tables = self._model.encoder_params
        steps = np.ones(len(self._levels))
        for level, part in enumerate(self._levels):
            if not self._largest[level]:
                continue
            probe = self._largest[level] / PROBE_STEPS
            changed = tables.astype(np.float32)
            changed[:, part] = np.rint(changed[:, part] / probe) * probe
            error = 10 ** (-self._psnr(changed) / 10)
            steps[level] = probe * np.sqrt((part.stop - part.start) / error)
        # in these steps a level's error is its count of numbers, and that of all levels the length of a table
        self._unit = float(steps[-1] / np.sqrt(self._levels[-1].stop))
        return steps / steps[-1]

    def _psnr(self, tables: np.ndarray) -> float:
        other = dataclasses.replace(self._model, encoder_params=tables)
        return _mean([self._compare(self._values(other, t), v) for t, v in zip(self._thetas, self._truths)])

    def _values(self, model: HyperINR, theta: np.ndarray) -> np.ndarray:
        """(..., C) at the same points for every model."""
        inr = model.generate(theta, interpolation=model.interpolation)
        return inr.sample_grid() if self._points is None else inr.sample(self._points)

    def _compare(self, values: np.ndarray, truth: np.ndarray) -> float:
        ranges = [limits for field in self._model.fields for limits in field.value_range]
        parts = [
            _psnr_of(values[..., c], truth[..., c], limits) for c, limits in enumerate(ranges) if limits[1] > limits[0]
        ]
        return _mean(parts) if parts else PSNR_CAP

    def _bisect(
        self, is_fine: Callable[[Sequence[float]], bool]
    ) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
        """The largest steps found for which `is_fine` is true, and the smallest for which it is not."""
        scales = np.where(self._largest > 0, self._largest, 1) / self._relative
        low, high = np.log2(scales.min() / MOST_STEPS), np.log2(4 * scales.max())
        fine = coarse = None
        for _ in range(N_TRIALS):
            middle = (low + high) / 2
            steps = self.steps(2.0**middle)
            if is_fine(steps):
                fine, low = steps, middle
            else:
                coarse, high = steps, middle
        return fine, coarse


def _psnr_of(values: np.ndarray, truth: np.ndarray, limits: tuple[float, float]) -> float:
    """dB where points count, at most PSNR_CAP; NaN where all are masked."""
    return np.nan if np.isnan(values - truth).all() else min(psnr(values, truth, limits), PSNR_CAP)


def _mean(decibel: Sequence[float]) -> float:
    """Of the known ones; NaN where all points were masked."""
    known = [each for each in decibel if not np.isnan(each)]
    return float(np.mean(known)) if known else np.nan


def _some_of(grid: Grid) -> np.ndarray:
    """(MOST_POINTS, D) float32 of a grid's points, in the unit box, x first."""
    dims = np.array(grid.dims[: grid.n_pos_dims])
    places = np.random.default_rng(0).integers(dims, size=(MOST_POINTS, len(dims)))
    return (places / np.maximum(dims - 1, 1)).astype(np.float32)
