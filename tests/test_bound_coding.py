"""Bounds in files: what is written is read back; what is wrong with one is said in one sentence."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from bound_models import bounded_model
from masked import masked_model, wall
from moving_models import moving_model
from rewritten import refused, rewrite

from hyperinr_core import hinr
from hyperinr_core.errors import FormatError
from hyperinr_core.volume import Field

MOVED = (Field("density", 1, ((0.0, 1.0),)), Field("v", 3, ((-1.0, 1.0),) * 3))


@pytest.fixture
def kept(tmp_path):
    """A file of two fields that keep to a bound, of which one has a mask, and which a motion carries."""
    hinr.save(bounded_model(moving_model(masked_model(wall, 5, fields=MOVED))), tmp_path / "b.hinr")
    return tmp_path / "b.hinr"


def test_round_trip_with_a_bound(kept):
    model, loaded = bounded_model(moving_model(masked_model(wall, 5, fields=MOVED))), hinr.load(kept)
    for name in ("positions", "codes", "ends"):
        np.testing.assert_array_equal(getattr(loaded.bound, name), getattr(model.bound, name))
    assert (loaded.bound.units, loaded.largest_errors) == (model.bound.units, model.largest_errors)
    document = hinr.read_header(kept)
    assert document["version"] == 6 and {"mask", "motion", "bound"} <= set(document)
    assert document["bound"] == {"largest_errors": list(model.largest_errors), "units": list(model.bound.units)}


def _last_byte_less(tensors):
    tensors["bound_codes"] = tensors["bound_codes"][:-1].copy()


def _frames_exchanged(tensors):
    """The second frame ends before the first."""
    tensors["bound_ends"][0] = tensors["bound_ends"][0][::-1].copy()


BOUNDS = {
    "no bound": (lambda d: d.update(bound=None), None, "the bound is 'None'"),
    "another key": (lambda d: d["bound"].update(more=1), None, "the bound is"),
    "one field less": (lambda d: d["bound"].update(units=[0.1]), None, "units of the bound are .*; expected 2 numbers"),
    "no width": (lambda d: d["bound"].update(units=[0.1, 0]), None, "units of the bound are"),
    "an error below 0": (lambda d: d["bound"].update(largest_errors=[-1, 1]), None, "largest_errors of the bound are"),
    "a huge error": (lambda d: d["bound"].update(largest_errors=[1, 10**400]), None, "largest_errors of the bound are"),
    "a text": (lambda d: d["bound"].update(units="ab"), None, "units of the bound are"),
    "an older version": (lambda d: d.update(version=3), None, "its document has keys"),
    "no steps": (None, lambda t: t.pop("bound_codes"), "it holds tensors"),
    "ends of one component": (None, lambda t: t.update(bound_ends=t["bound_ends"][:, :1].copy()), "bound_ends is U64"),
    "signed ends": (None, lambda t: t.update(bound_ends=t["bound_ends"].astype(np.int64)), "bound_ends is I64"),
    "fewer ends": (None, lambda t: t.update(bound_ends=t["bound_ends"][:2].copy()), "steps of a bound"),
    "unordered": (None, lambda t: t.update(bound_positions=t["bound_positions"][::-1].copy()), "do not increase"),
    "nowhere": (None, lambda t: t["bound_positions"].__setitem__(0, np.nan), "bound_positions holds NaN"),
    "ends beyond": (None, lambda t: t["bound_ends"].__setitem__((-1, -1), 2**63 + 5), "do not follow one another"),
    "ends exchanged": (None, _frames_exchanged, "do not follow one another"),
    "cut off": (None, _last_byte_less, "do not follow one another"),
}


@pytest.mark.parametrize("case", BOUNDS)
def test_wrong_bound(kept, case):
    refused(kept, BOUNDS[case])


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_damaged_step_of_a_bound_is_found_when_it_is_asked_for(kept, place):
    rewrite(kept, None, lambda t: t["bound_codes"].__setitem__(int(place * t["bound_codes"].size), 77))
    model = hinr.load(kept)
    step = int(np.searchsorted(model.bound.ends[:, -1], int(place * model.bound.codes.size), side="right"))
    for number, time in enumerate(model.encoder_positions[:, 0]):
        refuses = pytest.raises(FormatError, match="cannot be used: the bound is damaged")
        with refuses if number == step else contextlib.nullcontext():
            model.generate(time).sample_grid()
