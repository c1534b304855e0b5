"""Interpolation weights, thetas, and fields generated between the encoders."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bound_models import bounded_model
from carried import carried_model
from masked import masked_model
from models import based_model, random_base, random_model

from hyperinr_core import backends, hinr
from hyperinr_core.config import EncodingConfig
from hyperinr_core.errors import Aborted, BackendError, ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.volume import Field, Grid, Parameter


def test_field_between_encoders_is_the_blended_table():
    model = random_model()
    indices, weights = model.interpolation_weights(0.3)
    assert indices.tolist() == [0, 1]
    np.testing.assert_allclose(weights, [0.4, 0.6])
    table = np.tensordot(weights, model.encoder_params[indices].astype(np.float64), 1)
    blended = dataclasses.replace(model, encoder_params=np.repeat(table[None].astype(np.float32), 5, axis=0))
    expected = blended.generate(0.0, "reference").sample_grid()
    np.testing.assert_allclose(model.generate(0.3, "reference").sample_grid(), expected, atol=1e-5)


def test_a_changed_model_answers_from_its_own_numbers():
    model = random_model()
    before = model.generate(0.3).sample_grid()
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.encoder_params = model.encoder_params[::-1]
    changed = dataclasses.replace(model, encoder_params=model.encoder_params[::-1])
    other = random_model(seed=1)
    expected = dataclasses.replace(other, mlp_params=model.mlp_params, encoder_params=model.encoder_params[::-1])
    np.testing.assert_array_equal(changed.generate(0.3).sample_grid(), expected.generate(0.3).sample_grid())
    assert np.abs(changed.generate(0.3).sample_grid() - before).max() > 0.1
    np.testing.assert_array_equal(model.generate(0.3).sample_grid(), before)


def test_theta_is_checked_once(monkeypatch):
    model, checked = random_model(), []
    monkeypatch.setattr(
        HyperINR, "theta", lambda self, value, theta=HyperINR.theta: checked.append(value) or theta(self, value)
    )
    dataclasses.replace(model, base=random_base(model)).generate(0.3)
    assert checked == [0.3]


def test_interpolation_is_a_choice_at_evaluation():
    model = random_model()
    linear, cubic = (model.generate(0.3, interpolation=kind).sample_grid() for kind in ("linear", "catmull_rom"))
    assert np.abs(linear - cubic).max() > 1e-3
    with pytest.raises(ParameterError, match="expected one of linear, catmull_rom for 1 parameter"):
        model.generate(0.3, interpolation="idw")


def test_theta_by_name_number_and_sequence():
    model = random_model(
        parameters=(Parameter("time", "time", (0.0, 1.0)), Parameter("phi", "light_azimuth", (0.0, 360.0)))
    )
    assert model.theta({"phi": 90, "time": 0.5}).tolist() == model.theta([0.5, 90]).tolist() == [0.5, 90]
    assert model.theta([2.0, -5.0], clamp=True).tolist() == [1.0, 0.0]
    for wrong, message in [
        (0.5, "expected 2 finite numbers: time, phi"),
        ([0.5, np.nan], "expected 2 finite numbers"),
        ({"time": 0.5}, r"values are given for \['time'\]"),
        ([0.5, 361], "phi is 361; expected 0 to 360"),
    ]:
        with pytest.raises(ParameterError, match=message):
            model.generate(wrong)


def test_values_lie_in_physical_units():
    fields = (Field("a", 1, ((100.0, 300.0),)), Field("b", 2, ((0.0, 1.0), (-1.0, 1.0))))
    inr = random_model(fields=fields).generate(1.0, "reference")
    unit = random_model(fields=tuple(Field(f.name, f.n_components, ((0.0, 1.0),) * f.n_components) for f in fields))
    points = np.random.default_rng(0).random((50, 3), np.float32)
    expected = unit.generate(1.0, "reference").sample(points) * [200, 1, 2] + [100, 0, -1]
    np.testing.assert_allclose(inr.sample(points), expected, rtol=1e-5, atol=1e-4)
    arrays = inr.split(inr.sample(points))
    assert arrays["a"].shape == (50,) and arrays["b"].shape == (50, 2)
    with pytest.raises(ParameterError, match="no field 'c'; expected one of a, b"):
        inr.split(expected, ["c"])


@pytest.mark.parametrize("backend", ["reference", "auto"])
def test_region_is_a_piece_of_the_grid(backend):
    inr = random_model().generate(0.7, backend)
    grid = inr.grid.with_dims((20, 9, 7))
    whole = inr.sample_grid(grid)
    assert whole.shape == (7, 9, 20, 1)
    piece = inr.sample_grid(grid, (3, 11, 0, 4, 2, 6))
    np.testing.assert_allclose(piece, whole[2:7, 0:5, 3:12], atol=2e-6)
    with pytest.raises(ParameterError, match="asks for points 3 to 20 along x; expected within 0 to 19"):
        inr.sample_grid(grid, (3, 20, 0, 4, 2, 6))


def test_grid_points_are_where_sample_puts_them():
    inr = random_model(dims=(5, 4, 3)).generate(0.7, "reference")
    points = np.array([[x / 4, y / 3, z / 2] for z in range(3) for y in range(4) for x in range(5)], np.float32)
    np.testing.assert_allclose(inr.sample_grid().reshape(-1, 1), inr.sample(points), atol=1e-6)


def test_plane():
    inr = random_model(dims=(9, 7, 1)).generate(0.7, "reference")
    assert inr.sample_grid().shape == (1, 7, 9, 1)
    assert inr.sample_grid(region=(2, 4, 1, 1, 0, 0)).shape == (1, 1, 3, 1)
    with pytest.raises(ParameterError, match="expected nz = 1"):
        inr.sample_grid(Grid((9, 7, 2)))


def test_progress_is_called_between_slabs_and_can_stop(monkeypatch):
    monkeypatch.setattr("hyperinr_core.backends.base.Backend.slab_points", 240)
    inr = random_model().generate(0.7)
    calls = []
    inr.sample_grid(progress=calls.append)
    assert calls == [0.25, 0.5, 0.75, 1.0]
    with pytest.raises(Aborted):
        inr.sample_grid(progress=lambda fraction: fraction >= 0.5)


@pytest.mark.parametrize(
    "points", [np.zeros((3, 2)), np.zeros(3), np.array([[0.5, 1.2, 0]]), np.array([[0.5, np.nan, 0]])]
)
def test_points_outside_are_refused(points):
    with pytest.raises(ParameterError, match="points"):
        random_model().generate(0.7, "reference").sample(points)


def test_auto_falls_back_and_says_so_once(monkeypatch, caplog):
    real = backends._backend_class

    def without_native(name):
        if name == "native":
            raise BackendError("no compiled kernel, for this test")
        return real(name)

    monkeypatch.setattr(backends, "_backend_class", without_native)
    monkeypatch.setattr(backends, "_said", set())
    for _ in range(2):
        assert random_model().generate(0.7)._values._backend.name == "reference"
    assert [record.message for record in caplog.records if "no compiled kernel" in record.message] == [
        "the native backend is not used (no compiled kernel, for this test); sampling with NumPy, which is much slower"
    ]
    with pytest.raises(BackendError, match="no compiled kernel"):
        random_model().generate(0.7, "native")


# Without what a coarse grid does not show.


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A model as it is opened from a file where its tables stay."""
    monkeypatch.setattr(hinr, "WORTH_IT", 0)

    def opened(model):
        hinr.save(model, tmp_path / "m.hinr")
        return hinr.load(tmp_path / "m.hinr")

    return opened


def test_a_coarse_grid_shows_levels_that_are_not_much_finer(stored):
    model = stored(random_model())
    assert model.architecture.hash_grid.resolutions.tolist() == [4, 8, 16, 32]
    assert [model.coarse(points).encoding.n_levels for points in (1, 2, 3, 4, 6, 7, 12)] == [1, 1, 1, 2, 2, 3, 3]
    assert model.coarse(13) is model and model.coarse(4) is model.coarse(5), "made once"


def lit_model(encoding=None):
    """A model over directions of light."""
    light = Parameter("phi", "light_azimuth", (0.0, 360.0)), Parameter("theta", "light_polar", (0.0, 180.0))
    return random_model(parameters=light, n_encoders=9, encoding=encoding)


PRESSURE = (Field("p", 1, ((101325.0, 101325.01),)), Field("u", 2, ((0.0, 1.0), (-1.0, 1.0))))


@pytest.mark.parametrize(
    "made",
    [
        random_model,
        lambda: random_model((14, 9, 1)),
        lambda: random_model(fields=PRESSURE),
        based_model,
        lit_model,
        masked_model,
        carried_model,
        bounded_model,
    ],
)
def test_levels_that_do_not_show_count_as_zeros(stored, made):
    model = stored(made())
    coarse, tables = model.coarse(4), np.array(model.encoder_params)
    tables[:, coarse.encoder_params.shape[1] :] = 0
    assert coarse.encoder_params.shape[1] < model.encoder_params.shape[1] and tables.any(axis=1).all()
    theta = model.theta_bounds @ [0.65, 0.35]
    found = coarse.generate(theta, "reference").sample_grid()
    of_zeros = dataclasses.replace(model, encoder_params=tables)
    expected = of_zeros.generate(theta, "reference", model.interpolation).sample_grid()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert found.dtype == expected.dtype and np.isnan(found).any() == model.is_masked
    kernel = [each.generate(theta, interpolation=model.interpolation).sample_grid() for each in (coarse, of_zeros)]
    np.testing.assert_allclose(*kernel, rtol=0, atol=2e-2)  # bfloat16


def test_what_is_read_already_or_has_a_guide_is_all_there(stored):
    model = random_model()
    assert model.coarse(2) is model
    guided = stored(lit_model(EncodingConfig(3, n_levels=4, log2_hashmap_size=9, guide_resolution=8)))
    assert guided.coarse(2) is guided
