"""The data's own velocity: found by its name, understood by what moves along it, and not used where nothing does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from drifts import SPEED, drift

from hyperinr_core.errors import ParameterError
from hyperinr_core.motion.splines import Nodes
from hyperinr_core.training.motion.velocity import Scale, Velocity, matching, named, scales
from hyperinr_core.volume import Grid, VolumeSeries

AROUND = (True, True, True)


def having(fields, dims=(8, 8, 8)):
    return VolumeSeries(Grid(dims), [0.0, 1.0], fields, lambda *_: None, "this")


@pytest.mark.parametrize(
    "fields, dims, expected",
    [
        ({"p": 1, "U": 3}, (8, 8, 8), ("U",)),
        ({"p": 1, "Velocity": 3}, (8, 8, 8), ("Velocity",)),
        ({"w": 1, "v": 1, "u": 1}, (8, 8, 8), ("u", "v", "w")),
        ({"velX": 1, "velY": 1, "velZ": 1}, (8, 8, 8), ("velX", "velY", "velZ")),
        ({"u": 1, "v": 1}, (8, 8, 1), ("u", "v")),
        ({"U": 2}, (8, 8, 1), ("U",)),
        ({"u": 1, "v": 1}, (8, 8, 8), ()),
        ({"U": 2}, (8, 8, 8), ()),
        ({"B": 3, "vorticity": 3, "p": 1}, (8, 8, 8), ()),
        ({"u": 1, "p": 1}, (8, 8, 8), ()),
    ],
)
def test_a_velocity_is_known_by_its_name(fields, dims, expected):
    assert named(having(fields, dims), "auto") == expected
    assert named(having(fields, dims), "none") == ()


def test_a_velocity_is_what_one_says_it_is():
    series = having({"B": 3, "a": 1, "b": 1, "c": 1, "T": 2})
    assert named(series, "B") == ("B",) and named(series, "a, b,c") == ("a", "b", "c")
    with pytest.raises(ParameterError, match=r"'speed' is no field of this; expected one of B, T, a, b, c"):
        named(series, "speed")
    for asked, found in (("T", "2"), ("a,b", r"1 \+ 1"), ("a,b,B", r"1 \+ 1 \+ 3"), ("a", "1")):
        with pytest.raises(ParameterError, match=f"has {found} components; expected one field of 3"):
            named(series, asked)


UNITS = {
    "points per unit of time": ({}, None, "lengths of the grid per unit of time"),
    "lengths per unit of time": ({"spacing": (0.5, 0.5, 2.0), "dt": 0.25}, None, "lengths of the grid per unit of time"),
    "points per step": ({"spacing": (0.5, 0.5, 2.0), "dt": 0.25}, SPEED, "points per step"),
    "points": ({"spacing": (0.5, 0.5, 2.0), "dt": 0.25}, np.array(SPEED) * 4, "points per unit of time"),
    "lengths per step": (
        {"spacing": (0.5, 0.5, 2.0), "dt": 0.25}, np.array(SPEED) * (0.5, 0.5, 2.0), "lengths of the grid per step"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNITS)
def test_units_are_those_in_which_the_field_moves_along_it(case):
    options, velocity, meaning = UNITS[case]
    found, share = matching(drift(velocity=velocity, **options), ["U"], "c", AROUND, [0, 3])
    assert found.scale.meaning == meaning and share > 0.99


@pytest.mark.parametrize("velocity", [np.array(SPEED) * 40, -np.array(SPEED), (0.0, 0.0, 0.0)])
def test_a_velocity_along_which_nothing_matches_is_not_used(velocity):
    found, share = matching(drift(velocity=velocity), ["U"], "c", AROUND, [0, 3])
    assert found is None and share == 0


def test_a_plane_and_a_field_of_several_components():
    found, share = matching(drift(dims=(32, 28, 1)), ["U"], "c", (False, True, True), [0, 3])
    assert found is not None and share > 0.99
    series = drift()

    def load(step, name, z_range):
        values = series.loader(step, name, z_range)
        return values if name == "U" else np.stack([0 * values, values], axis=-1)

    double = dataclasses.replace(series, field_info={"c": 2, "U": 3}, loader=load)
    found, share = matching(double, ["U"], "c", AROUND, [0, 3])
    assert found is not None and share > 0.99, "the component that moves is the second"


def test_a_series_that_does_not_change_has_no_velocity():
    series = drift(speed=(0, 0, 0), velocity=SPEED)
    assert matching(series, ["U"], "c", AROUND, [0]) == (None, 0.0)


def test_paths_turn_as_the_velocity_does():
    """A solid rotation by a tenth of a turn, whose paths are arcs."""
    n, turn = 32, 2 * np.pi / 10

    def spin(step):
        _, y, x = np.meshgrid(*[np.arange(n) - (n - 1) / 2] * 3, indexing="ij")
        return turn * np.stack([-y, x, 0 * x], axis=-1)

    series = drift(dims=(n, n, n), n_steps=2, velocity=spin)
    nodes = Nodes((n, n, n), (False,) * 3)
    velocity = Velocity(series, ["U"], Scale((1.0, 1.0, 1.0), ""), (False,) * 3)
    first, last = velocity.ends(0, 1, nodes)
    point = np.array([16, 16, 22])  # z, y, x
    middle = point - (n - 1) / 2
    for end, angle in ((first, -turn / 2), (last, turn / 2)):
        c, s = np.cos(angle), np.sin(angle)
        expected = np.array([middle[0], s * middle[2] + c * middle[1], c * middle[2] - s * middle[1]]) - middle
        np.testing.assert_allclose(end[:, 16, 16, 22], expected, atol=0.02)


def test_components_along_axes_of_a_turned_grid():
    """The grid's x axis points along y in space."""
    series = drift(velocity=(-SPEED[1], SPEED[0], SPEED[2]))
    turned = Grid(series.grid.dims, direction=(0, -1, 0, 1, 0, 0, 0, 0, 1))
    found, share = matching(dataclasses.replace(series, grid=turned), ["U"], "c", AROUND, [0, 3])
    assert found is not None and share > 0.99


def test_scales_that_are_the_same_are_tried_once():
    assert [scale.meaning for scale in scales(Grid((8, 8, 8)), np.arange(3.0))] == [
        "lengths of the grid per unit of time"
    ]
    assert len(list(scales(Grid((8, 8, 8), spacing=(2.0, 2.0, 2.0)), np.arange(3.0) * 7))) == 4
    assert all(np.isfinite(scale.factors).all() for scale in scales(Grid((8, 8, 1), spacing=(1, 1, 0)), np.arange(3.0)))
