"""benchmarks/between.py on tiny series: what it says is what its records are, and it goes on where it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def between(folder, *more):
    command = [sys.executable, BENCHMARKS / "between.py", "--reduced", "--n", "12", "--n-steps", "9", "--gaps", "4"]
    command += ["--samples", "20000", "--output", folder, *more]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


def test_every_method_is_measured_once_and_shown(tmp_path):
    between(tmp_path, "--series", "rotating", "appearing")
    document = json.loads((tmp_path / "between_reduced.json").read_text())
    records = {tuple(key.split("/")[i] for i in (0, 4)): each for key, each in document["records"].items()}
    assert ("rotating", "velocity") in records and ("appearing", "velocity") not in records
    assert len(records) == 15 and all(each["steps"] == [1, 2, 3, 5, 6, 7] for each in records.values())
    assert all(each["psnr"] == pytest.approx(np.mean(each["psnr_by_step"])) for each in records.values())
    linear, ours = records["rotating", "linear"], records["rotating", "ours"]
    gains = np.subtract(ours["psnr_by_step"], linear["psnr_by_step"])
    page = (tmp_path / "between_reduced.md").read_text()
    assert f"| {linear['psnr']:.1f} |" in page and f"**{gains.mean():+.1f} ({gains.min():+.1f})**" in page
    assert f"- rotating, gap 4, ours: {gains.mean():+.2f} dB" in page, (
        "a model of so few samples is a loss that is named"
    )
    assert (tmp_path / "between_reduced.png").stat().st_size > 10_000


def test_what_is_there_is_not_measured_again_and_what_is_missing_is(tmp_path):
    between(tmp_path, "--series", "waves", "--methods", "linear")
    path = tmp_path / "between_reduced.json"
    document = json.loads(path.read_text())
    (key,) = document["records"]
    document["records"][key]["psnr"] = 12.5
    path.write_text(json.dumps(document))
    said = between(tmp_path, "--series", "waves", "--methods", "linear", "flow")
    records = json.loads(path.read_text())["records"]
    assert len(records) == 2 and records[key]["psnr"] == 12.5 and "| waves | 4 | 12.5 |" in said


@pytest.fixture
def series(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import between_series

    return between_series


@pytest.mark.parametrize("name", ("forced", "smoke", "rotating"))
def test_velocities_carry_their_field(series, name):
    """Two steps match better along the velocity than in place, and against it worse."""
    made = series.MADE[name](32, 6, 0)
    first, last = (made.read(step, ["value"])[..., 0] for step in (3, 5))
    moved = (
        np.moveaxis(made.read(4, ["velocity"])[..., ::-1], -1, 0) * np.diff(made.thetas[3:5, 0]) / made.grid.spacing[0]
    )
    points = np.stack(np.meshgrid(*[np.arange(32)] * 3, indexing="ij"))

    def apart(share: float) -> float:
        ends = [
            ndimage.map_coordinates(part, points + sign * share * moved, order=3, mode="grid-wrap")
            for part, sign in ((first, -1), (last, 1))
        ]
        return float(np.mean((ends[0] - ends[1]) ** 2))

    assert apart(1) < 0.7 * apart(0) and apart(-1) > apart(0)


@pytest.mark.parametrize("name", ("forced", "decaying", "smoke", "waves", "rotating", "appearing", "front"))
def test_a_seed_is_a_series_of_its_own_and_the_same_again(series, name):
    one, again, other = (series.MADE[name](12, 3, seed).read(2, ["value"]) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert abs(one - other).max() > 0.1 * np.ptp(one)
