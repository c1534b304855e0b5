"""Files of every released format version open for ever. `tools/golden.py` wrote them, once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from golden_models import INDICES, KINDS, RADIANCE, sampled, shown

from hyperinr_core import hinr
from hyperinr_core.radiance import file

FOLDER = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", [*KINDS, *INDICES])
def test_a_golden_file_says_what_it_said(name):
    model = hinr.load(FOLDER / f"{name}.hinr")
    expected = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    found = sampled(model)
    assert list(expected) == [str(share) for share in found]
    for share, values in found.items():
        limits = np.nanmax(expected[str(share)]) - np.nanmin(expected[str(share)])
        np.testing.assert_allclose(values, expected[str(share)], atol=1e-5 * max(limits, 1))


@pytest.mark.parametrize("name", RADIANCE)
def test_a_golden_radiance_field_shows_what_it_showed(name):
    model = file.load(FOLDER / f"{name}.hinr")
    expected = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for share, picture in expected.items():
        np.testing.assert_allclose(shown(model, float(share)).astype(int), picture, atol=1)


def test_there_is_no_golden_file_that_nobody_opens():
    assert {path.stem for path in FOLDER.iterdir()} == {*KINDS, *INDICES, *RADIANCE}
