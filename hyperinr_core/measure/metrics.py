"""How close values are to the truth: PSNR and SSIM, both relative to the range of the whole field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyperinr_core.errors import DataError
from hyperinr_core.pictures.background import before_white
from hyperinr_core.pictures.picture_set import RANGE

#: dB. Stands for a perfect match where infinity cannot be written; float32 resolves no better.
PSNR_CAP = 150.0

#: Points along an axis of the sliding window, and the two constants that keep flat places finite.
SSIM_WINDOW, SSIM_K1, SSIM_K2 = 7, 0.01, 0.03


def psnr(values: np.ndarray, truth: np.ndarray, value_range: tuple[float, float]) -> float:
    """Peak signal-to-noise ratio in dB; infinite when values equal the truth.

    Points at which one of both is NaN are masked, and do not count.

    Parameters
    ----------
    values, truth : arrays of one shape.
    value_range : lowest and highest value of the whole field: all steps, all components.

    Examples
    --------
    >>> import numpy as np
    >>> round(psnr(np.full(8, 0.51), np.full(8, 0.5), (0.0, 1.0)), 3)
    40.0
    """
    return Comparison.of(values, truth, value_range, window=0).psnr(value_range)


def picture_psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """PSNR in dB of pictures (..., 3 or 4) from 0 to 255 before white, `PSNR_CAP` at most."""
    return min(psnr(before_white(picture), before_white(truth), RANGE), PSNR_CAP)


def ssim(values: np.ndarray, truth: np.ndarray, value_range: tuple[float, float]) -> float:
    """Structural similarity, at most 1 (Wang et al. 2004), with a uniform window of 7 points along every axis.

    Equal to scikit-image's `structural_similarity`, which ParaView's Python may lack. The window shrinks to the largest odd
    number of points that the shortest axis has; axes of one point are dropped.

    Points at which one of both is NaN are masked: a window is of the others, and it counts where the point in its middle is one.

    Parameters
    ----------
    values, truth : (nz, ny, nx), or (nz, ny, nx, C) of a vector field, whose components are averaged.
    value_range : as in `psnr`.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.random.default_rng(0).random((16, 16, 16))
    >>> round(ssim(truth, truth, (0.0, 1.0)), 6), ssim(truth[::-1], truth, (0.0, 1.0)) < 0.1
    (1.0, True)
    """
    return Comparison.of(values, truth, value_range, window=window_of(np.shape(truth)[:3])).ssim()


def window_of(shape: Sequence[int]) -> int:
    """Points along an axis of the sliding window on a grid (nz, ny, nx); axes of one point are dropped."""
    shortest = min((n for n in shape if n > 1), default=1)
    return min(SSIM_WINDOW, shortest if shortest % 2 else shortest - 1)


@dataclass(frozen=True)
class Comparison:
    """Values beside the truth, of a volume or of a part of it: sums that add up to those of the whole.

    Attributes
    ----------
    squares, n_points : the sum of the squared errors where both are numbers, and how many those are.
    similarities : (C,) sums of SSIM over windows.
    n_windows : (C,) how many those are.
    """

    squares: float
    n_points: int
    similarities: np.ndarray
    n_windows: np.ndarray

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        truth: np.ndarray,
        value_range: tuple[float, float],
        window: int,
        planes: slice = slice(None),
    ) -> Comparison:
        """Of arrays as in `ssim`.

        Parameters
        ----------
        window : that of the whole grid; 0 leaves SSIM out.
        planes : those of the arrays whose points are compared; the others are there for the windows around these.
        """
        _check_shapes(values, truth)
        values, truth = np.atleast_1d(values), np.atleast_1d(truth)
        squares = np.subtract(values[planes], truth[planes], dtype=np.float64)
        np.square(squares, out=squares)
        n, total = squares.size, float(np.sum(squares))
        if np.isnan(total):
            squares = squares[~np.isnan(squares)]
            n, total = squares.size, float(np.sum(squares))
        if not window:
            return cls(total, n, np.zeros(0), np.zeros(0, int))
        components = [(values, truth)]
        if truth.ndim == 4:
            components = [(values[..., c], truth[..., c]) for c in range(truth.shape[-1])]
        sums, counts = zip(*(_similarities(*each, value_range, window) for each in components))
        return cls(total, n, np.array(sums), np.array(counts))

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(
            self.squares + other.squares,
            self.n_points + other.n_points,
            self.similarities + other.similarities,
            self.n_windows + other.n_windows,
        )

    def psnr(self, value_range: tuple[float, float]) -> float:
        """In dB, as `psnr`."""
        mean_square = self.squares / _some(self.n_points)
        return float("inf") if mean_square == 0 else 10 * float(np.log10(span(value_range) ** 2 / mean_square))

    def ssim(self) -> float:
        """As `ssim`."""
        return float(np.mean([total / _some(n) for total, n in zip(self.similarities, self.n_windows)]))


def _similarities(
    values: np.ndarray, truth: np.ndarray, value_range: tuple[float, float], window: int
) -> tuple[float, int]:
    """The sum of SSIM over the windows inside that count, and their number."""
    scale = np.float32(1 / span(value_range))
    values, truth = (np.atleast_1d(np.squeeze(array)).astype(np.float32) * scale for array in (values, truth))
    if min(truth.shape) < window:
        return 0.0, 0
    counted = ~(np.isnan(values) | np.isnan(truth))
    if counted.all():
        similarity = _similarity(values, truth, window)
    else:
        similarity = _similarity(np.where(counted, values, 0), np.where(counted, truth, 0), window, counted)
        similarity = similarity[~np.isnan(similarity)]
    return float(np.sum(similarity, dtype=np.float64)), similarity.size


def _similarity(x: np.ndarray, y: np.ndarray, window: int, counted: np.ndarray | None = None) -> np.ndarray:
    """SSIM of every window that lies inside, of arrays whose range is 1.

    Parameters
    ----------
    counted : bool, which points count, all when None; at others arrays hold 0, and a window around one of them is NaN.
    """
    from scipy.ndimage import uniform_filter

    inside = (slice(window // 2, None if window < 3 else -(window // 2)),) * x.ndim

    def mean(array: np.ndarray) -> np.ndarray:
        return uniform_filter(array, window)[inside]

    n_points = window**x.ndim
    sample = n_points / max(n_points - 1, 1)  # the sample covariance divides by the window's points less one
    if counted is not None:
        # in float64: a window with one point that counts would show what its running sums have rounded
        x, y = x.astype(np.float64), y.astype(np.float64)
        n_counted = np.rint(n_points * mean(counted.astype(np.float64)))
        shares = np.where(counted[inside], n_counted / n_points, np.nan)
        sample = n_counted / np.maximum(n_counted - 1, 1)
        whole, mean = mean, lambda array: whole(array) / shares
    mean_x, mean_y = mean(x), mean(y)
    variances = sample * (mean(x * x) - mean_x * mean_x + mean(y * y) - mean_y * mean_y)
    covariance = sample * (mean(x * y) - mean_x * mean_y)
    c1, c2 = SSIM_K1**2, SSIM_K2**2
    alike = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return alike / ((mean_x * mean_x + mean_y * mean_y + c1) * (variances + c2))


def _some(n: int) -> int:
    """How many points or windows count; there must be one."""
    if not n:
        raise DataError("no point holds a value in both of what is compared; expected masks that leave some")
    return n


def span(value_range: tuple[float, float]) -> float:
    """High - low; a constant field has none, so its magnitude stands in, or 1 for a field of zeros."""
    low, high = (float(limit) for limit in value_range)
    return high - low or abs(high) or 1.0


def _check_shapes(values: np.ndarray, truth: np.ndarray) -> None:
    if np.shape(values) != np.shape(truth):
        raise DataError(f"values have shape {np.shape(values)}; expected the truth's {np.shape(truth)}")


def paired_psnr(values: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> float:
    """PSNR in dB over 0 to 1 of values against truth, both given twice, without the noise in which the two differ.

    The product of two errors with independent noise is in the mean the square of the error without it.
    """
    error = float(np.mean((values[0] - truth[0]) * (values[1] - truth[1]), dtype=np.float64))
    return float(min(-10 * np.log10(max(error, 10 ** (-PSNR_CAP / 10))), PSNR_CAP))
