"""benchmarks/studies/sparse_inr.py in few steps: signals of two families, records of both setups, what an absent library says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def study(monkeypatch):
    """The study with few signals and short fits."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks" / "studies"))
    import sparse_inr

    monkeypatch.setattr(sparse_inr, "FITS", ((3, 1e-3), (3, 1e-4), (5, 1e-4)))
    monkeypatch.setattr(sparse_inr, "N_LEARNED", 5)
    return sparse_inr


def test_pictures_are_crops_of_other_photographs_than_those_that_are_fitted(study):
    learned, fitted = (study._signals("pictures", 32, 0, which) for which in (False, True))
    assert learned.values.shape == (study.N_LEARNED, 1024, 1) and fitted.values.shape == (study.N_FITTED, 1024, 1)
    assert learned.points.shape == (1024, 2) and float(learned.points.min()) == -1 and float(learned.points.max()) == 1
    assert -1 <= float(learned.values.min()) < -0.5 and 0.5 < float(learned.values.max()) <= 1
    assert not set(study.LEARNED_PHOTOGRAPHS) & set(study.FITTED_PHOTOGRAPHS)
    assert not np.array_equal(fitted.values, study._signals("pictures", 32, 1, True).values)


def test_both_setups_are_kept_and_counted_in_outer_steps(study, tmp_path):
    options = [
        "--outer-steps",
        "5",
        "--rounds",
        "0",
        "2",
        "--seeds",
        "2",
        "--width",
        "8",
        "-n",
        "8",
        "-o",
        str(tmp_path),
    ]
    study.main(["--signals", "pictures", *options])
    study.main(["--signals", "volumes", *options])
    document = json.loads((tmp_path / "sparse_inr.json").read_text())
    assert set(document) == {"pictures, 5 outer steps", "volumes, 5 outer steps"}
    results = document["pictures, 5 outer steps"]["results"]
    steps = {method: results[f"{method}/2/1"]["outer_steps"] for method in study.METHODS[:3]}
    assert steps == {study.SPARSE: 7, study.NARROW: 7, study.BRIEF: 5}  # a fifth of 5 after each of two rounds
    assert len(results[f"{study.SPARSE}/2/0"]["psnr"]) == 3
    assert results[f"{study.SPARSE}/2/0"]["params"] < results[f"{study.SPARSE}/0/0"]["params"]
    ahead = [results[f"{study.SPARSE}/2/{s}"]["psnr"]["3 steps at 0.001"] for s in (0, 1)]
    ahead = np.subtract(ahead, [results[f"{study.NARROW}/2/{s}"]["psnr"]["3 steps at 0.001"] for s in (0, 1)])
    table = (tmp_path / "sparse_inr.md").read_text()
    assert f"{np.mean(ahead):+.2f} +- {np.std(ahead, ddof=1):.2f}" in table
    assert (tmp_path / "sparse_inr.png").stat().st_size > 10_000


def test_what_is_there_is_not_learned_again(study, tmp_path, monkeypatch):
    options = ["--outer-steps", "5", "--rounds", "1", "--seeds", "1", "--width", "8", "-n", "8", "-o", str(tmp_path)]
    study.main(["--signals", "pictures", *options])
    monkeypatch.setattr(study, "_networks", None)  # fails where it is called
    study.main(["--signals", "pictures", *options])


def test_pictures_without_scikit_image_end_with_what_to_install(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(SystemExit, match="pip install scikit-image"):
        study._signals("pictures", 32, 0, False)
