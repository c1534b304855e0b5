"""Means, wins and the shape of a report."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr_core.measure.metrics import PSNR_CAP
from hyperinr_core.measure.report import duel, gains, means, scores


def entry(model: float, interpolation: float, **place: float) -> dict:
    return {**place, "model": {"psnr": model, "ssim": 0.5}, "interpolation": {"psnr": interpolation, "ssim": 0.25}}


def test_a_perfect_match_is_the_cap():
    volume = np.random.default_rng(0).random((8, 9, 10))
    assert scores(volume, volume, (0.0, 1.0)) == {"psnr": PSNR_CAP, "ssim": pytest.approx(1.0)}
    assert scores(volume + 0.1, volume, (0.0, 1.0))["psnr"] == pytest.approx(20.0)


def test_means_of_entries_and_of_none():
    assert means([entry(30, 20), entry(40, 26)], ["model"]) == {"model": {"psnr": 35.0, "ssim": 0.5}}
    assert means([], ["model"]) == {"model": {"psnr": None, "ssim": None}}


def test_a_duel_holds_means_statistics_wins_and_entries_in_this_order():
    entries = [entry(30, 20, azimuth=1.0), entry(20, 20, azimuth=2.0), entry(25, 30, azimuth=3.0), entry(31, 30)]
    report = duel("lights", entries, difference=1.5)
    assert list(report) == ["held_out", "difference", "wins", "lights"]
    assert report["held_out"]["interpolation"] == {"psnr": 25.0, "ssim": 0.25}
    assert report["wins"] == 0.5, "a draw is no win"
    assert report["lights"] == entries and gains(entries).tolist() == [10, 0, -5, 1]
