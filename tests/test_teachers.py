"""Teachers know the training steps exactly, and what lies between them as their kind can."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from series import moving_blob

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training.samples import SampleStream
from hyperinr_core.training.teachers import CHEAP, create, teachers_of
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.training.teachers.choice import PerGap, choose, leave_one_out
from hyperinr_core.training.teachers.flow import MotionCache
from hyperinr_core.training.teachers.lattice import Lattice, periodic_axes
from hyperinr_core.training.teachers.neural import Neural
from hyperinr_core.training.teachers.neurcomp import width_for
from hyperinr_core.training.teachers.optical_flow import optical_flow
from hyperinr_core.volume import Grid, VolumeSeries


def waves(n=32, times=(0.0, 0.5, 1.0, 1.5, 2.0), speed=4.0, dims=None) -> VolumeSeries:
    """A periodic field that moves at a constant velocity of `speed` points per unit time along x and half of it along z."""
    dims = dims or (n, n, n)
    rng = np.random.default_rng(2)
    modes = [(rng.integers(-2, 3, 3), rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1)) for _ in range(20)]

    def load(step, name, z_range):
        z, y, x = np.meshgrid(*(np.arange(d) * 2 * np.pi / n for d in dims[::-1]), indexing="ij")
        shift = times[step] * speed * 2 * np.pi / n
        values = sum(a * np.cos(k[0] * (x - shift) + k[1] * y + k[2] * (z - shift / 2) + p) for k, p, a in modes)
        return values[slice(*(z_range or (0, dims[2])))].astype(np.float32)

    return VolumeSeries(Grid(dims), list(times), {"w": 1}, load, "moving waves")


def accuracy(teacher, series, step_thetas, truth) -> float:
    limits = (float(truth.min()), float(truth.max()))
    return psnr(teacher.evaluate(np.atleast_1d(step_thetas)), truth, limits)


@pytest.mark.parametrize("name", CHEAP)
def test_training_steps_are_reproduced(name):
    series = moving_blob()
    teacher = create(name, series, "motion")
    for step, theta in enumerate(series.thetas):
        np.testing.assert_allclose(teacher.evaluate(theta), series.read(step, ["motion"]), atol=1e-4)


@pytest.mark.parametrize("name", ["linear", "catmull_rom", "spline"])
def test_a_field_that_changes_linearly_in_uneven_time_is_exact(name):
    times = np.array([0, 0.1, 1, 1.2, 3, 4])
    pattern = np.random.default_rng(1).random((10, 12, 14)).astype(np.float32)
    series = VolumeSeries(Grid((14, 12, 10)), times, {"c": 1}, lambda s, n, z: pattern + np.float32(times[s]), "ramp")
    teacher = create(name, series, "c")
    for t in (0.05, 0.7, 1.15, 2.5, 3.3):
        found = teacher.evaluate(np.array([t]))[..., 0] - pattern
        np.testing.assert_allclose(found, t, atol=2e-3)


def test_the_spline_is_scipys():
    from scipy.interpolate import CubicSpline

    times = np.linspace(0, 2, 12)
    series = moving_blob(dims=(6, 6, 6), thetas=times)
    volumes = np.stack([series.read(step, ["density"]) for step in range(12)])
    expected = CubicSpline(times, volumes, bc_type="natural")(0.77)
    np.testing.assert_allclose(create("spline", series, "density").evaluate(np.array([0.77])), expected, atol=5e-3)


def test_flow_finds_a_known_motion():
    series = waves()
    first, second = (series.read(step, ["w"])[None, ..., 0] for step in (0, 1))
    motion = optical_flow(first, second, (True, True, True))
    assert motion.shape == (3, 32, 32, 32)
    np.testing.assert_allclose(motion.mean(axis=(1, 2, 3)), [1, 0, 2], atol=0.1)


def test_motion_of_many_points_is_found_from_coarse_to_fine():
    n = 64
    x, y, z = np.meshgrid(*[np.arange(n)] * 3, indexing="ij")

    def ball(center):
        return np.exp(-((x - 32) ** 2 + (y - 32) ** 2 + (z - center) ** 2) / 80).astype(np.float32)[None]

    motion = optical_flow(ball(25.0), ball(39.0), (False, False, False))
    inside = ball(32.0)[0] > 0.5
    np.testing.assert_allclose(motion[2][inside].mean(), 14, atol=1)


def test_flow_moves_what_interpolation_fades():
    series = waves(times=np.linspace(0, 4, 9))
    given, truth = series.select(range(0, 9, 2)), series.read(3, ["w"])
    flow, linear = (accuracy(create(name, given, "w"), given, 1.5, truth) for name in ("flow", "linear"))
    assert flow > linear + 10


def test_flow_of_a_plane_and_of_a_vector_field():
    series = waves(n=48, dims=(48, 48, 1), times=np.linspace(0, 4, 9))
    given, truth = series.select(range(0, 9, 2)), series.read(3, ["w"])
    assert accuracy(create("flow", given, "w"), given, 1.5, truth) > 35
    blob = moving_blob(dims=(24, 20, 18), n_steps=5)
    given, truth = blob.select([0, 2, 4]), blob.read(1, ["motion"])
    flow, linear = (accuracy(create(name, given, "motion"), given, 0.5, truth) for name in ("flow", "linear"))
    assert flow > linear


def test_periodic_axes_are_found():
    assert periodic_axes([waves().read(0, ["w"])]) == (True, True, True)
    cut = waves(dims=(32, 20, 32)).read(0, ["w"])
    assert periodic_axes([cut]) == (True, False, True)
    assert periodic_axes([np.ones((9, 9, 9, 1), np.float32)]) == (False, False, False)
    assert periodic_axes([np.random.default_rng(0).random((1, 9, 9, 1))])[0] is False


def test_lattice_samples_across_a_periodic_end_and_stops_at_a_border():
    n = 24
    values = np.cos(np.arange(n) * 2 * np.pi / n).astype(np.float32)[None].repeat(8, axis=0)
    positions = np.array([[3.0, 3.0], [n + 2.5, -0.5]], np.float32)
    wrapped, bounded = Lattice((8, n), (False, True)), Lattice((8, n), (False, False))
    found = wrapped.sample(wrapped.padded(values, 3), positions, 3)
    np.testing.assert_allclose(found, np.cos(np.array([2.5, -0.5]) * 2 * np.pi / n), atol=1e-3)
    found = bounded.sample(bounded.padded(values, 3), positions, 3)
    np.testing.assert_allclose(found, [values[0, -1], values[0, 0]], atol=1e-3)


def test_many_threads_compute_a_motion_once():
    cache, calls, gate = MotionCache(), [], threading.Barrier(4)

    def compute():
        calls.append(1)
        return np.ones((3, 2, 2, 2), np.float32)

    def ask():
        gate.wait()
        cache.get((0.0, 1.0), compute)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_constant_regions_and_masks_do_not_break_the_flow():
    series = moving_blob(dims=(20, 20, 20))
    clean = series.loader

    def load(step, name, z_range):
        values = clean(step, name, z_range).copy()
        values[..., 10:] = -1000
        return values

    series.loader = load
    values = create("flow", series, "density").evaluate(np.array([0.25]))
    assert np.isfinite(values).all() and values.min() > -1300
    series.loader = lambda step, name, z_range: np.full((20, 20, 20), 3.0)
    np.testing.assert_allclose(create("flow", series, "density").evaluate(np.array([0.25])), 3, atol=1e-5)


def test_auto_takes_the_flow_for_motion_and_a_curve_for_smooth_change():
    moving = choose(waves(times=np.linspace(0, 4, 7)), "w")
    assert moving.teacher == "flow" and moving.psnr["flow"] > moving.psnr["linear"]
    times = np.linspace(0, 3, 9)
    pattern = np.random.default_rng(1).random((10, 10, 10)).astype(np.float32)
    swing = VolumeSeries(Grid((10, 10, 10)), times, {"c": 1}, lambda s, n, z: pattern * np.sin(2 * times[s]), "swing")
    still = choose(swing, "c")
    assert still.teacher in ("catmull_rom", "spline") and still.interpolation == "catmull_rom"


def test_auto_takes_another_teacher_where_motion_is_too_large():
    noise = np.random.default_rng(3).random((7, 12, 12, 12)).astype(np.float32)
    series = VolumeSeries(Grid((12, 12, 12)), np.arange(7.0), {"c": 1}, lambda s, n, z: noise[s], "noise")
    assert choose(series, "c").teacher != "flow"


def test_two_steps_take_the_plain_teacher_and_say_so():
    choice = choose(moving_blob(n_steps=2), "density")
    assert choice.teacher == "linear" and "two steps" in choice.reason and choice.psnr == {}
    assert choose(moving_blob(n_steps=1), "density").teacher == "none"
    np.testing.assert_allclose(
        create("flow", moving_blob(n_steps=2), "density").evaluate(np.array([0.0])), moving_blob(n_steps=2).read(0, ["density"])
    )  # fmt: skip


def test_leaving_out_equals_a_series_that_never_had_the_step():
    series = waves(times=np.linspace(0, 2, 5), speed=3.3)
    steps, scores = leave_one_out({name: create(name, series, "w") for name in ("linear", "flow")})
    assert steps == [1, 2, 3]
    fresh = create("flow", series.select([0, 1, 3, 4]), "w").evaluate(series.thetas[2])
    every = np.stack([series.read(step, ["w"]) for step in range(5)])
    expected = psnr(fresh, every[2], (float(every.min()), float(every.max())))
    assert scores["flow"][1] == pytest.approx(expected, abs=0.01)


def test_each_gap_may_have_its_own_teacher():
    series = moving_blob()
    teacher = PerGap(series, "density", ["linear", "spline", "linear", "catmull_rom"])
    for t, name in ((0.2, "linear"), (0.7, "spline"), (1.2, "linear"), (1.7, "catmull_rom"), (2.0, "linear")):
        expected = create(name, series, "density").evaluate(np.array([t]))
        np.testing.assert_array_equal(teacher.evaluate(np.array([t])), expected)


def test_unknown_teacher_and_too_many_parameters_are_said():
    with pytest.raises(ParameterError, match="expected one of linear"):
        create("oracle", moving_blob(), "density")
    thetas = np.random.default_rng(0).random((5, 2))
    lights = VolumeSeries(
        Grid((6, 6, 6)), thetas, {"c": 1}, lambda s, n, z: np.ones((6, 6, 6)), "lights", ("a", "b"), ("free", "free")
    )
    with pytest.raises(ParameterError, match="has the parameters a, b"):
        create("flow", lights, "c")
    assert np.allclose(create("linear", lights, "c").evaluate(np.array([0.5, 0.5])), 1)


NEURAL = [name for name in teachers_of("volumes") if name not in CHEAP]


@pytest.mark.parametrize("name", NEURAL)
def test_neural_teachers_learn(name):
    series = moving_blob(dims=(10, 9, 8), n_steps=3)
    limits = (float(min(series.read(i, ["density"]).min() for i in range(3))), 10.0)

    def error(samples):
        teacher = create(name, series, "density")
        teacher.learning_rate = max(teacher.learning_rate, 2e-4)  # the paper's 1e-5 is for hours
        teacher.batch_points = 400
        teacher.fit(FitSettings(samples=samples))
        return np.mean(
            [psnr(teacher.evaluate(t), series.read(i, ["density"]), limits) for i, t in enumerate(series.thetas)]
        )

    assert error(24_000) > error(1) + 3


@pytest.mark.parametrize("name", NEURAL)
def test_a_grid_holds_what_the_network_says_at_its_points(name):
    series = moving_blob(dims=(7, 6, 5), n_steps=3)
    teacher = create(name, series, "motion")
    teacher.fit(FitSettings(samples=1))
    network, field = teacher._fitted
    values = teacher.evaluate(np.array([0.7]))
    x, y, z = (2 * np.array([4, 1, 3]) / (np.array([7, 6, 5]) - 1) - 1).tolist()
    with torch.no_grad():
        found = network(torch.tensor([[x, y, z, 2 * 0.7 / 2 - 1]]))[0].numpy()
    low, high = np.array(field.value_range).T
    np.testing.assert_allclose(values[3, 1, 4], 0.5 * (found + 1) * (high - low) + low, rtol=1e-3, atol=1e-4)


def test_a_killed_fit_goes_on_to_the_same_network(tmp_path, monkeypatch):
    series = moving_blob(dims=(10, 9, 8), n_steps=3)
    monkeypatch.setattr(Neural, "batch_points", 1000)
    whole, cut = create("siren", series, "density"), create("siren", series, "density")
    whole.fit(FitSettings(samples=20_000))
    draw, state = SampleStream.draw, tmp_path / "s" / "state"

    def draw_and_die(self, iteration):
        if iteration == 11:
            raise RuntimeError("killed")
        return draw(self, iteration)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(SampleStream, "draw", draw_and_die)
        cut.fit(FitSettings(samples=20_000, state=state))
    cut = create("siren", series, "density")
    cut.fit(FitSettings(samples=20_000, state=state))
    theta = np.array([0.4])
    np.testing.assert_array_equal(cut.evaluate(theta), whole.evaluate(theta))
    with pytest.raises(DataError, match="other data or settings"):
        create("coordx", series, "density").fit(FitSettings(samples=10, state=state))


def test_sizes_of_the_networks_are_the_papers():
    def n_params(name):
        teacher = create(name, moving_blob(dims=(4, 4, 4), n_steps=2), "density")
        teacher.fit(FitSettings(samples=1))
        return teacher.n_params

    assert width_for(2_150_000) == 327
    assert 2.1e6 < n_params("neurcomp") < 2.2e6
    assert 2.1e6 < n_params("hash_inr") < 3.0e6


def test_a_network_must_be_fitted_first():
    with pytest.raises(ParameterError, match="fit before evaluate"):
        create("siren", moving_blob(), "density").evaluate(np.array([0.0]))


@pytest.mark.parametrize("name", ["hyperinr", "hyperinr_direct", "hyperinr_separate"])
def test_hyperinr_takes_part_in_comparisons(name):
    series = moving_blob(n_steps=3)
    student = create(name, series, "density")
    student.config = student.config.replace(encoding={"n_levels": 4, "log2_hashmap_size": 10})
    student.fit(FitSettings(samples=600_000))
    for step, theta in enumerate(series.thetas):
        assert psnr(student.evaluate(theta), series.read(step, ["density"]), (0, 10)) > 25
    assert student.evaluate(np.array([0.7])).shape == (12, 14, 16, 1)
    assert student.n_bytes > 3 * 2 * 1000


def test_a_budget_of_seconds_ends():
    for name in ("siren", "hyperinr_direct"):
        teacher = create(name, moving_blob(n_steps=2), "density")
        teacher.fit(FitSettings(seconds=0.3))
        assert np.isfinite(teacher.evaluate(np.array([1.0]))).all()
