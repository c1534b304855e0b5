"""Pictures of a radiance field: `hyperinr render-views` and `export-cinema` of a model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image
from radiance_models import ball_model
from view_models import call, picture_model

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.plugin.commands.export import export_cinema
from hyperinr.plugin.commands.render_views import render_views
from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError
from hyperinr_core.pictures.camera import Camera, camera_of
from hyperinr_core.radiance import file

#: The field at x, y, z is at 10 + 2 y, 20 + 2 z, 30 + 2 x of the cameras that it was given with.
WORLD = {"origin": [10.0, 20.0, 30.0], "unit": 2.0, "axes": [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]}


def saved(path, model=None):
    file.save(model or ball_model(times=True), path)
    return path


def test_pictures_from_all_around_can_be_learned_from_again(tmp_path):
    path = saved(tmp_path / "m.hinr")
    said = call(
        render_views, path, "-o", tmp_path / "d", "--views", 5, "--size", "24x16", "--at", "time=1", "--zoom", 2
    ).output
    assert "5 pictures of 24 x 16" in said
    pictures = open_pictures(tmp_path / "d")
    model = file.load(path)
    assert pictures.grid.dims == (24, 16, 1) and pictures.field_info == {"rgb": 3}
    for step, (phi, theta) in enumerate(pictures.thetas):
        camera = camera_of((phi, theta), model.optics).zoomed(2.0)
        np.testing.assert_allclose(pictures.picture(step), model.picture([0, 1, 0], (24, 16), camera), atol=1)
    assert pictures.optics.view_angle == pytest.approx(camera.view_angle)


def test_opacity_and_depth(tmp_path):
    path = saved(tmp_path / "m.hinr", ball_model())
    call(render_views, path, "-o", tmp_path / "d", "--views", 4, "--size", 33, "--transparent", "--depth")
    pictures = open_pictures(tmp_path / "d")
    assert pictures.field_info == {"rgba": 4}
    depth = np.array(Image.open(tmp_path / "d" / "depth" / "00002.tif"))
    opacity = pictures.picture(2)[::-1, :, 3]
    np.testing.assert_array_equal(np.isfinite(depth), opacity >= 127.5)
    distance = np.linalg.norm(camera_of((0, 0), file.load(path).optics).position)
    assert depth.dtype == np.float32 and depth[16, 16] == pytest.approx(distance - 0.62, abs=0.05)


def test_cameras_are_those_of_the_space_that_the_model_was_trained_in(tmp_path):
    model = dataclasses.replace(ball_model(), provenance={"held_out": [], "world": WORLD})
    path = saved(tmp_path / "m.hinr", model)
    names = [f"{point}_{axis}" for point in ("position", "focal_point", "view_up") for axis in "xyz"]
    # at x = 5 of the field, looking at its origin, z up
    (tmp_path / "c.csv").write_text(",".join([*names, "view_angle"]) + "\n10,20,40,10,20,30,0,1,0,25\n")
    call(render_views, path, "-o", tmp_path / "d", "--camera", tmp_path / "c.csv", "--depth", "--size", 17)
    expected = model.picture([0, 0], (17, 17), Camera((5.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0), 25.0))
    shown = np.array(Image.open(tmp_path / "d" / "image" / "00000.png"))[::-1]
    np.testing.assert_allclose(shown, expected, atol=4)  # the file's numbers are rounded
    assert np.array(Image.open(tmp_path / "d" / "depth" / "00000.tif"))[8, 8] == pytest.approx(2 * (5 - 0.62), abs=0.1)
    assert (tmp_path / "d" / "data.csv").read_text().splitlines()[0].startswith("position_x,position_y")


def test_a_database_of_a_field(tmp_path):
    path = saved(tmp_path / "m.hinr")
    call(
        export_cinema, path, "--grid", "phi=0,90", "--grid", "theta=-20,30", "--grid", "time=0,2", "-o", tmp_path / "d"
    )
    pictures, model = open_pictures(tmp_path / "d"), file.load(path)
    assert len(pictures) == 8 and pictures.optics == model.optics
    for step in (0, 5):
        theta = dict(zip(pictures.parameters, pictures.thetas[step]))
        np.testing.assert_array_equal(pictures.picture(step), model.picture(model.theta(theta)))


def test_what_does_not_belong_together_is_refused(tmp_path):
    field = saved(tmp_path / "m.hinr")
    hinr.save(picture_model(), tmp_path / "p.hinr")
    np.save(tmp_path / "v.npy", np.zeros((4, 4, 4), np.float32))
    cases = [
        ([field, "--isovalue", 2], "isovalue is set, and .* is a model; expected it with a volume only"),
        ([field, "--at", "time=1", "--at", "phi=2"], "--at gives phi; expected views by --views"),
        ([field, "--at", "time=1", "--size", "5x"], "--size is '5x'; expected a number"),
        ([tmp_path / "p.hinr"], "has no radiance fields; expected"),
        ([tmp_path / "v.npy", "--depth"], "depth is set, and .* is a volume"),
    ]
    for arguments, message in cases:
        with pytest.raises(ParameterError, match=message):
            call(render_views, *arguments, "-o", tmp_path / "d")
    assert not (tmp_path / "d").exists()
