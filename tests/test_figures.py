"""Tables and figures of the measuring commands: what cannot be drawn or written is said in a sentence."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from test_measure_series import model, series

from hyperinr.plugin.figures import draw_series, draw_sizes, new_figure, print_duel, print_series
from hyperinr_core.errors import DataError, HyperINRError
from hyperinr_core.measure.report import duel
from hyperinr_core.measure.series import measure_series


@pytest.fixture(scope="module")
def report():
    return measure_series(model(), series(), ["density"])["density"]


def test_a_plot_that_cannot_be_written_is_one_clear_error(tmp_path, report):
    for path in (tmp_path / "missing" / "psnr.png", tmp_path / "psnr.docx"):
        with pytest.raises(HyperINRError, match="cannot be written"):
            draw_series(report, "density", "time", path)


def test_a_machine_without_matplotlib_is_told_what_needs_it(tmp_path, report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(HyperINRError, match="--plot needs matplotlib, which is not installed; run `pip install"):
        draw_series(report, "density", "time", tmp_path / "p.png")
    with pytest.raises(HyperINRError, match="the pictures need matplotlib"):
        new_figure((1, 1), "the pictures need")


def test_a_format_is_what_the_name_says(tmp_path, report):
    draw_series(report, "density", "time", tmp_path / "p.svg")
    assert "<svg" in (tmp_path / "p.svg").read_text()


def test_sizes_are_drawn_whole_or_not_at_all(tmp_path):
    point = {"setting": "", "psnr_all": 40.0, "psnr_trained": 41.0}
    points = [
        {**point, "method": method, "bytes": n_bytes, "psnr_held_out": 30.0 + n_bytes / 1e6}
        for method in (
            "HyperINR, file",
            "HyperINR, compress",
            "ZFP",
            "key frames, linear, ZFP",
            "key frames, carried, ZFP",
        )
        for n_bytes in (1e5, 1e6)
    ]
    draw_sizes(points, tmp_path / "rd.png")
    assert (tmp_path / "rd.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(DataError, match="cannot be written"):
        draw_sizes(points, tmp_path / "none" / "rd.png")


def test_a_duel_shows_means_and_the_worst(capsys):
    entries = [
        {"model": {"psnr": psnr, "ssim": 0.5}, "interpolation": {"psnr": 11.125, "ssim": 0.25}} for psnr in (20.0, 31.0)
    ]
    print_duel(duel("lights", entries), "lights")
    out = capsys.readouterr().out
    assert "means over 2 held-out lights" in out
    line = next(line for line in out.splitlines() if "HyperINR" in line)
    assert line.index("25.50 dB") < line.index("20.00 dB") < line.index("0.5000")
    assert next(line for line in out.splitlines() if "inverse distance" in line).count("11.12 dB") == 2


def test_means_of_no_steps_and_perfect_matches_are_words(capsys):
    trained_alone = measure_series(model(), series((0.0, 0.5, 1.0)), ["density"])
    print_series(trained_alone, n_outside=0)
    line = next(line for line in capsys.readouterr().out.splitlines() if "linear" in line)
    assert line.count("-") == 2 and "exact" in line
    assert np.isfinite(trained_alone["density"]["trained"]["model"]["psnr"])
