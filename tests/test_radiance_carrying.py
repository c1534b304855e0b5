"""Radiance fields carried between scenes: what lies half way, where they are read, and the file."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from radiance_models import ball_model

from hyperinr_core.errors import FormatError
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.pictures.picture_set import PictureSet
from hyperinr_core.radiance import carrying, file
from hyperinr_core.radiance.carrying import Paths
from hyperinr_core.radiance.field import RadianceField
from hyperinr_core.training.views.carrying import carried, paths_between

SIZE = (32, 24)


def moving_model(shifts=(0.0, 0.3, 0.6)):
    """A ball that goes along x and y, at three times."""
    model = ball_model(times=True)
    still = model.scenes[1]

    def moved(shift):
        x, y, z = still.origin
        return RadianceField((x + shift, y - shift / 2, z), still.spacing, still.dims, still.index, still.values)

    background = np.full((*SIZE[::-1], 3), 255, np.uint8)
    return dataclasses.replace(model, size=SIZE, background=background, scenes=[moved(shift) for shift in shifts])


def pictures_of(model, times):
    """Pictures of a model at some times, from three sides each."""
    thetas = np.array([(phi, time, 20.0) for time in times for phi in (10.0, 130.0, 250.0)])
    return PictureSet(
        model.grid, thetas, {"rgb": 3}, lambda step, name, z: model.picture(thetas[step])[None], "a ball",
        ("phi", "time", "theta"), model.roles, {},
    )  # fmt: skip


def test_what_moved_is_half_way_between():
    model = moving_model()
    apart = dataclasses.replace(model, positions=np.array([[0.0], [2.0]]), scenes=[model.scenes[0], model.scenes[2]])
    paths = paths_between(apart.scenes)
    for time, shift in ((0.5, 0.15), (1.0, 0.3), (1.6, 0.48)):
        there = dataclasses.replace(apart, scenes=moving_model((shift, shift, shift)).scenes)
        truth = there.picture([40.0, 0.0, 20.0])
        seen = dataclasses.replace(apart, paths=paths).picture([40.0, time, 20.0])
        assert psnr(seen, truth, (0.0, 255.0)) > psnr(apart.picture([40.0, time, 20.0]), truth, (0.0, 255.0)) + 6


def test_scenes_themselves_are_not_moved():
    model = moving_model()
    with_paths = dataclasses.replace(model, paths=paths_between(model.scenes))
    for time in (0.0, 1.0, 2.0):
        theta = [40.0, time, 20.0]
        np.testing.assert_array_equal(with_paths.picture(theta), model.picture(theta))


def test_carrying_is_taken_where_it_predicts_scenes_left_out():
    model = moving_model()
    found, scores = carried(model, pictures_of(model, (0.0, 1.0, 2.0)), lambda done: None)
    assert found.paths is not None and scores["carried"] > scores["blended"] + 3
    # a ball that is somewhere else in the middle
    astray = moving_model((0.0, -0.5, 0.0))
    found, scores = carried(astray, pictures_of(astray, (0.0, 1.0, 2.0)), lambda done: None)
    assert found.paths is None and scores["carried"] <= scores["blended"]
    assert carried(ball_model(), pictures_of(model, (0.0,)), lambda done: None)[1] == {}


def test_a_file_keeps_the_paths(tmp_path):
    model = moving_model()
    model = dataclasses.replace(model, paths=paths_between(model.scenes))
    model.scenes[0] = dataclasses.replace(model.scenes[0], light=40.0)
    file.save(model, tmp_path / "m.hinr")
    loaded = file.load(tmp_path / "m.hinr")
    np.testing.assert_array_equal(loaded.paths.shifts, model.paths.shifts)
    assert [scene.light for scene in loaded.scenes] == [40.0, 0.0, 0.0]
    points = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    np.testing.assert_array_equal(loaded.paths.at(1, points), model.paths.at(1, points))
    file.save(loaded, tmp_path / "again.hinr")
    assert (tmp_path / "again.hinr").read_bytes() == (tmp_path / "m.hinr").read_bytes()


def test_paths_are_trilinear_and_go_on_at_the_border():
    shifts = np.arange(2 * 3 * 2 * 2 * 2).reshape(2, 3, 2, 2, 2).astype(np.int16)
    paths = Paths((0.0, 0.0, 0.0), 2.0, shifts, 0.5)
    np.testing.assert_allclose(
        paths.at(1, np.array([[1.0, 0.0, 0.0], [9.0, 0.0, 0.0]])), [[12.25, 16.25, 20.25], [12.5, 16.5, 20.5]]
    )


def test_a_damaged_motion_is_refused():
    paths = Paths((0.0, 0.0, 0.0), 2.0, np.zeros((2, 3, 2, 2, 2), np.int16), 0.5)
    with pytest.raises(FormatError, match="its 3 gaps"):
        carrying.decoded(carrying.codes_of(paths), 3, (0.0, 0.0, 0.0), 2.0, (2, 2, 2), 0.5)
    with pytest.raises(FormatError, match="beside one scene"):
        carrying.decoded(carrying.codes_of(paths), 0, (0.0, 0.0, 0.0), 2.0, (2, 2, 2), 0.5)
