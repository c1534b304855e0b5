"""Which space the roles of parameters span, and that an interpolation is known everywhere once its space knows it."""

from __future__ import annotations

import numpy as np
import pytest
from models import random_model

from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError
from hyperinr_core.spaces import check_interpolation, space_of
from hyperinr_core.spaces.line import Line
from hyperinr_core.spaces.nearest import Nearest
from hyperinr_core.spaces.space import alone
from hyperinr_core.spaces.sphere import LIGHT_ROLES, LightSphere
from hyperinr_core.spaces.views import ViewSpace

KINDS = {
    ("time",): (Line, ["linear", "catmull_rom"]),
    ("view_azimuth",): (Line, ["linear", "catmull_rom"]),
    LIGHT_ROLES: (LightSphere, ["barycentric", "idw"]),
    LIGHT_ROLES[::-1]: (Nearest, ["idw"]),
    ("view_polar", "view_azimuth"): (ViewSpace, ["barycentric", "idw"]),
    ("view_azimuth", "time", "view_elevation"): (ViewSpace, ["barycentric", "idw"]),
    ("view_azimuth", "view_elevation", "view_polar"): (Nearest, ["idw"]),
    ("time", "free"): (Nearest, ["idw"]),
}


@pytest.mark.parametrize("roles", KINDS, ids=str)
def test_roles_decide_the_space_and_its_interpolations(roles):
    space_class, kinds = KINDS[roles]
    space = space_of(roles, np.array([np.full(len(roles), 10.0), np.full(len(roles), 10.0) + (len(roles) == 1)]))
    assert type(space) is space_class and list(space.kinds) == kinds
    for kind in kinds:
        check_interpolation(kind, roles)
        assert space.weights(space.positions[0], kind)[1].sum() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["nearest", "", None, ["linear"]], ids=repr)
def test_another_interpolation_is_refused(kind):
    with pytest.raises(ParameterError, match=r"; expected one of linear, catmull_rom for 1 parameter\(s\), time"):
        check_interpolation(kind, ("time",))


def test_a_line_in_kinds_makes_an_interpolation_known_everywhere(tmp_path, monkeypatch):
    monkeypatch.setitem(Line.kinds, "nearest", lambda positions, t: alone(int(abs(positions - t).argmin())))
    hinr.save(random_model(interpolation="nearest"), tmp_path / "m.hinr")
    model = hinr.load(tmp_path / "m.hinr")
    assert model.interpolation_weights(0.6)[0].tolist() == [1]
    expected = model.generate(0.5, interpolation="linear").sample_grid()
    np.testing.assert_array_equal(model.generate(0.6).sample_grid(), expected)
