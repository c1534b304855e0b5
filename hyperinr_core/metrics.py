"""How close values are to the truth: PSNR and SSIM, both relative to the range of the whole field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperinr_core.errors import DataError, HyperINRError

#: dB. Stands for a perfect match where infinity cannot be written; float32 resolves no better.
PSNR_CAP = 150.0

#: Points along an axis of scikit-image's sliding window.
SSIM_WINDOW = 7

#: (low, high) of a scalar, or one such pair per component.
ValueRange = Sequence


def psnr(values: np.ndarray, truth: np.ndarray, value_range: ValueRange) -> float:
    """Peak signal-to-noise ratio in dB; infinite when values equal the truth.

    Parameters
    ----------
    values, truth : (..., C) of a field with C components, or any one shape of a scalar.
    value_range : (2,) or (C, 2) lowest and highest value of the whole field, all steps. The error of each component
        is taken relative to its own range, so that a small component counts as much as a large one.
    """
    error = np.subtract(values, truth, dtype=np.float64)
    _check_shapes(values, truth)
    mean_square = float(np.mean((error / spans(value_range)) ** 2))
    return float("inf") if mean_square == 0 else -10 * float(np.log10(mean_square))


def ssim(values: np.ndarray, truth: np.ndarray, value_range: ValueRange) -> float:
    """Structural similarity, at most 1: scikit-image's, uniform window of 7 points along every axis.

    The window shrinks to the largest odd number of points that the shortest axis has; axes of one point are dropped.
    Parameters as in `psnr`, components are averaged.
    """
    _check_shapes(values, truth)
    limits = spans(value_range)
    if limits.ndim == 0:
        return _ssim_of_scalar(values, truth, float(limits))
    return float(np.mean([_ssim_of_scalar(values[..., c], truth[..., c], span) for c, span in enumerate(limits)]))


def spans(value_range: ValueRange) -> np.ndarray:
    """() or (C,) high - low; a constant component has none, so its magnitude, or 1 for zeros, stands in."""
    limits = np.asarray(value_range, np.float64)
    span, magnitude = limits[..., 1] - limits[..., 0], abs(limits).max(axis=-1)
    return np.where(span > 0, span, np.where(magnitude > 0, magnitude, 1.0))


def _ssim_of_scalar(values: np.ndarray, truth: np.ndarray, span: float) -> float:
    try:  # here: half a second that PSNR alone must not pay
        from skimage.metrics import structural_similarity
    except ImportError:
        raise HyperINRError("SSIM needs scikit-image, which is not installed; run `pip install scikit-image`") from None
    values, truth = (
        np.atleast_1d(np.squeeze(array)).astype(np.float32) / np.float32(span) for array in (values, truth)
    )
    shortest = min(truth.shape)
    window = min(SSIM_WINDOW, shortest if shortest % 2 else shortest - 1)
    return float(
        structural_similarity(
            values, truth, data_range=1.0, win_size=window, use_sample_covariance=window > 1, channel_axis=None
        )
    )


def _check_shapes(values: np.ndarray, truth: np.ndarray) -> None:
    if np.shape(values) != np.shape(truth):
        raise DataError(f"values have shape {np.shape(values)}; expected the truth's {np.shape(truth)}")
