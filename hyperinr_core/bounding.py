"""Makes a model keep to a bound at its training steps, and finds that it does, by the values that whoever opens it gets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hyperinr_core.bound import Bound, ranges_of
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.mask import filled, valid_points
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.measure.series import check_match, steps_at
from hyperinr_core.shift import Shifts, columns, shifted_model, shifted_series, shifts_for
from hyperinr_core.volume import Field, VolumeSeries
from hyperinr_core.volume_coding import encode_volume

#: Of the largest number, what float32 rounds between the data and a caller, at most.
ROUNDING = 2.0**-22

#: How many times as large as that a bound is at least: twice, half of it is left for the stored numbers.
LEAST = 2

#: dB against its own values that the tables of a model with a motion and a bound need: what they show are previews.
PREVIEW_PSNR = 25.0

#: The same that its motion is made coarser for, where it may be.
CARRIED_PSNR = 50.0


@dataclass(frozen=True)
class Promise:
    """No point of any training step shall be further from the data than an error.

    Attributes
    ----------
    series : with the training steps.
    error : above 0, in the units of each field, or when `relative` a share of its range.
    """

    series: VolumeSeries
    error: float
    relative: bool = False

    def check(self, fields: Sequence[Field]) -> None:
        """Raise ParameterError, before a model is trained, for an error that float32 has no room for.

        Parameters
        ----------
        fields : as they are learned, shifted where that is needed.
        """
        names = [each.name for each in fields]
        for each, scale in zip(fields, _scales(fields, shifts_for(self.series, names))):
            self.error_of(each, scale)

    def bound(
        self,
        fields: Sequence[Field],
        shifts: Shifts,
        times: np.ndarray,
        progress: Callable[[float], object] = lambda fraction: None,
    ) -> Bound:
        """The stored steps.

        Parameters
        ----------
        fields : of the model, shifted by shifts.
        times : (K,) of the training steps, increasing.
        """
        series, names = shifted_series(self.series, shifts), [each.name for each in fields]
        scales = _scales(fields, shifts)
        asked = [self.error_of(each, scale) for each, scale in zip(fields, scales)]
        lows, extents = ranges_of(fields)
        rounding = [ROUNDING * max(map(abs, each.whole_range)) for each in fields]
        starts = np.cumsum([0, *(each.n_components for each in fields)])[:-1]
        # one field's components are whole numbers of one unit
        units = [2 * (error - less) / extents[start] for error, less, start in zip(asked, rounding, starts)]
        widths = np.repeat(units, [each.n_components for each in fields]) * extents
        frames: list[np.ndarray] = []
        for done, step in enumerate(steps_at(self.series, times)):
            truth = _whole(series, step, names)
            frames += [
                encode_volume(np.rint((truth[..., c] - lows[c]) / width).astype(np.int32))
                for c, width in enumerate(widths)
            ]
            progress((done + 1) / len(times))
        ends = np.cumsum([frame.size for frame in frames], dtype=np.int64).reshape(len(times), -1)
        largest = tuple(float(error * scale) for error, scale in zip(asked, scales))
        return Bound(self.series.grid.shape, times, np.concatenate(frames), ends, tuple(map(float, units)), largest)

    def error_of(self, field: Field, scale: float) -> float:
        """What is promised of a field's numbers, one of which is so many of its units; errors as of `check`."""
        low, high = field.whole_range
        largest = max(abs(low), abs(high))
        if self.relative and high == low:
            return max(LEAST * ROUNDING * largest, float(np.finfo(np.float32).tiny))
        error = self.error * (high - low) if self.relative else self.error / scale
        least = LEAST * ROUNDING * largest
        if not least <= error <= 1e300:
            asked = (
                f"{self.error:g} of the range of {field.name}" if self.relative else f"{self.error:g} for {field.name}"
            )
            needed = least / (high - low) if self.relative else least * scale
            raise ParameterError(
                f"max-error is {asked}; expected {needed:.3g} or more, which float32 keeps of numbers up to {largest * scale:.6g}"
            )
        return error


def bounded(
    model: HyperINR,
    promise: Promise,
    progress: Callable[[float], object] = lambda fraction: None,
    bound: Bound | None = None,
) -> HyperINR:
    """The model with its training steps stored, so that none of their points is further from the data than was promised.

    Its quality says how well it fits then; `unbounded_psnr_db` is how well its encoders do.

    Parameters
    ----------
    bound : the steps, if they are stored already.

    Raises
    ------
    ParameterError for a model of several parameters, one that does not say what it was trained on, or an error that float32 has
    no room for; DataError for a series that is not the model's.
    """
    names = [each.name for each in model.fields]
    check_match(model, promise.series, names)
    times = np.unique(model.parameters[0].values)
    if not len(times):
        raise ParameterError("the model does not say what steps it was trained on; expected some, train it again")
    if bound is None:
        fields = shifted_model(model, model.shifts).fields
        bound = promise.bound(fields, model.shifts, times, lambda fraction: progress(fraction / 2))
    model = dataclasses.replace(model, bound=bound)
    steps = steps_at(promise.series, times)
    fitting = _checked(model, promise.series, times, steps, lambda fraction: progress(0.5 + fraction / 2))
    before = model.quality.get("unbounded_psnr_db", model.quality.get("training_psnr_db"))
    quality = {key: value for key, value in model.quality.items() if key not in ("original_psnr_db", "planes_per_step")}
    quality |= {"training_psnr_db": fitting} | ({"unbounded_psnr_db": before} if before else {})
    return dataclasses.replace(model, quality=quality)


def _whole(series: VolumeSeries, step: int, names: Sequence[str]) -> np.ndarray:
    """(nz, ny, nx, C) float64 of a step, with smooth numbers at masked points, which cost little."""
    parts = []
    for name in names:
        part = series.truth(step, [name])
        valid = valid_points(part)
        parts.append(part if valid.all() else filled(part, valid))
    return np.concatenate(parts, axis=-1, dtype=np.float64)


def _checked(
    model: HyperINR,
    series: VolumeSeries,
    times: np.ndarray,
    steps: Sequence[int],
    progress: Callable[[float], object],
) -> dict[str, list[float | None]]:
    """PSNR of every step by field; DataError where the model as it will be read does not keep its bound."""
    found: dict[str, list[float | None]] = {each.name: [] for each in model.fields}
    for done, (time, step) in enumerate(zip(times, steps)):
        inr = model.generate(float(time))
        values = inr.split(inr.sample_grid())
        for each, most in zip(model.fields, model.largest_errors):
            truth = np.asarray(series.loader(step, each.name, None), np.float64).reshape(values[each.name].shape)
            hidden = np.isnan(series.truth(step, [each.name])).reshape(truth.shape)
            if not (np.isnan(values[each.name]) == hidden).all():
                raise DataError(
                    f"step {step} of {series.source} has other masked points in {each.name!r} than the model; expected "
                    "the series that it was trained on"
                )
            error = np.where(hidden, np.nan, values[each.name] - truth)
            worst = np.nanmax(abs(error))
            if not worst <= most:
                raise DataError(
                    f"{each.name} at step {step} would be off by {worst:g}; expected at most {most:g}: the model does not give "
                    "what is stored at its training steps, train it again with --carry never"
                )
            decibel = psnr(error, np.zeros_like(error), each.whole_range)
            found[each.name].append(round(float(decibel), 3) if np.isfinite(decibel) else None)
        progress((done + 1) / len(steps))
    return found


def _scales(fields: Sequence[Field], shifts: Shifts) -> list[float]:
    """(F,) how many of a field's units one of the numbers is that are learned in their place."""
    scales = columns(fields, shifts)[1]
    starts = np.cumsum([0, *(each.n_components for each in fields)])[:-1]
    return [float(scales[start]) for start in starts]
