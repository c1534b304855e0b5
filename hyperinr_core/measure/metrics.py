"""How close values are to the truth: PSNR and SSIM, both relative to the range of the whole field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperinr_core.errors import DataError

#: dB. Stands for a perfect match where infinity cannot be written; float32 resolves no better.
PSNR_CAP = 150.0

#: Points along an axis of the sliding window, and the two constants that keep flat places finite.
SSIM_WINDOW, SSIM_K1, SSIM_K2 = 7, 0.01, 0.03


def psnr(values: np.ndarray, truth: np.ndarray, value_range: tuple[float, float]) -> float:
    """Peak signal-to-noise ratio in dB; infinite when values equal the truth.

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
    _check_shapes(values, truth)
    error = np.subtract(values, truth, dtype=np.float64)
    mean_square = float(np.mean(error**2))
    return float("inf") if mean_square == 0 else 10 * float(np.log10(span(value_range) ** 2 / mean_square))


def ssim(values: np.ndarray, truth: np.ndarray, value_range: tuple[float, float]) -> float:
    """Structural similarity, at most 1 (Wang et al. 2004), with a uniform window of 7 points along every axis.

    Equal to scikit-image's `structural_similarity`, which ParaView's Python may lack. The window shrinks to the largest odd
    number of points that the shortest axis has; axes of one point are dropped.

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
    _check_shapes(values, truth)
    if np.ndim(truth) == 4:
        return float(np.mean([ssim(values[..., c], truth[..., c], value_range) for c in range(truth.shape[-1])]))
    scale = np.float32(1 / span(value_range))
    values, truth = (np.atleast_1d(np.squeeze(array)).astype(np.float32) * scale for array in (values, truth))
    shortest = min(truth.shape)
    window = min(SSIM_WINDOW, shortest if shortest % 2 else shortest - 1)
    return float(np.mean(_similarity(values, truth, window), dtype=np.float64))


def _similarity(x: np.ndarray, y: np.ndarray, window: int) -> np.ndarray:
    """SSIM of every window that lies inside, of arrays whose range is 1."""
    from scipy.ndimage import uniform_filter

    inside = (slice(window // 2, None if window < 3 else -(window // 2)),) * x.ndim

    def mean(array: np.ndarray) -> np.ndarray:
        return uniform_filter(array, window)[inside]

    mean_x, mean_y = mean(x), mean(y)
    n_points = window**x.ndim
    sample = n_points / max(n_points - 1, 1)  # the sample covariance divides by the window's points less one
    variances = sample * (mean(x * x) - mean_x * mean_x + mean(y * y) - mean_y * mean_y)
    covariance = sample * (mean(x * y) - mean_x * mean_y)
    c1, c2 = SSIM_K1**2, SSIM_K2**2
    alike = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return alike / ((mean_x * mean_x + mean_y * mean_y + c1) * (variances + c2))


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
