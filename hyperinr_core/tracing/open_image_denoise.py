"""Noise taken out of films by Intel's Open Image Denoise, where it is installed."""

from __future__ import annotations

import numpy as np

from hyperinr_core.errors import BackendError
from hyperinr_core.tracing.film import Film


def denoised(film: Film) -> np.ndarray:
    """(height, width, 4) radiance and opacity of a film without its noise, guided by the colour of what paths meet first.

    Raises
    ------
    BackendError where it is not installed, or fails.
    """
    try:
        from pyoidn import denoise
    except (ImportError, OSError) as error:
        raise BackendError(
            f"Open Image Denoise does not load ({error}); expected the package pyoidn, pip install 'hyperinr[denoise]'"
        ) from error
    samples = np.maximum(film.sums[..., 9:], 1)
    radiance, colors = film.means[..., :3], film.sums[..., 4:7] / samples
    opacity = np.repeat(film.means[..., 3:], 3, axis=2)
    try:
        light = denoise(radiance, albedo=colors, hdr=True)
        share = denoise(opacity, albedo=colors)[..., :1]
    except (RuntimeError, ValueError) as error:
        raise BackendError(f"Open Image Denoise failed ({error}); expected a picture, leave --denoiser out") from error
    return np.concatenate([light, np.clip(share, 0, 1)], axis=2)
