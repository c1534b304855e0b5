"""What is reported of a model and of what it must beat: entries of single steps, lights or pictures, and their means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from hyperinr_core.measure.metrics import PSNR_CAP, psnr, ssim

#: One method's figures, and one entry: what was measured, and {"psnr", "ssim"} by method.
Scores = dict[str, float]
Entry = dict[str, Any]

#: The whole, as a command prints it in JSON.
Report = dict[str, Any]

#: Called with what is done and the total.
Progress = Callable[[int, int], Any]

#: A model of lights or views, and interpolation of what it was trained on.
RIVALS = ("model", "interpolation")


def scores(values: np.ndarray, truth: np.ndarray, value_range: tuple[float, float]) -> Scores:
    """PSNR in dB, at most `PSNR_CAP`, and SSIM of values against truth, as in `metrics`."""
    return {"psnr": min(psnr(values, truth, value_range), PSNR_CAP), "ssim": ssim(values, truth, value_range)}


def means(entries: Sequence[Entry], methods: Iterable[str]) -> dict[str, dict[str, float | None]]:
    """{method: {"psnr", "ssim"}}: arithmetic means over entries; None of no entries."""
    return {
        method: {
            metric: float(np.mean([entry[method][metric] for entry in entries])) if entries else None
            for metric in ("psnr", "ssim")
        }
        for method in methods
    }


def gains(entries: Sequence[Entry]) -> np.ndarray:
    """(n,) dB by which the model's PSNR is above the interpolation's in each entry."""
    return np.array([entry["model"]["psnr"] - entry["interpolation"]["psnr"] for entry in entries])


def duel(what: str, entries: Sequence[Entry], **statistics: Any) -> Report:
    """A report of `RIVALS`.

    Returns
    -------
    {"held_out": means of both, statistics, "wins": share of the entries in which the model's PSNR is higher, what: entries}
    """
    return {
        "held_out": means(entries, RIVALS),
        **statistics,
        "wins": float((gains(entries) > 0).mean()),
        what: list(entries),
    }
