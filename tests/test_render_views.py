"""`hyperinr render-views` in real ParaView: a database whose pictures show the volume from where the table says."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.plugin.commands.render_views import render_views
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.pictures.background import before_white
from hyperinr_core.spaces.sphere import camera_frames


def call(*arguments):
    return CliRunner().invoke(render_views, [str(a) for a in arguments], standalone_mode=False, catch_exceptions=False)


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """A ball off the middle of a box; specks in two opposite corners keep the middle of the surface that of the box."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, 24)] * 3, indexing="ij")
    ball = np.exp(-8 * ((x - 0.5) ** 2 + y**2 + (z - 0.3) ** 2))
    for corner in (-0.8, 0.8):
        ball += 3 * np.exp(-400 * ((x - corner) ** 2 + (y - corner) ** 2 + (z - corner) ** 2))
    path = tmp_path_factory.mktemp("volume") / "ball.npy"
    np.save(path, ball.astype(np.float32))
    return path


@pytest.mark.parametrize("options", [["--isovalue", 0.5, "--transparent"], ["--volume-rendering"]])
def test_the_ball_is_seen_where_the_camera_looks(volume, tmp_path, options):
    output = tmp_path / "ball.cdb"
    call(volume, "-o", output, "--views", 5, "--size", 48, *options)
    pictures = open_pictures(output)
    assert pictures.field_info == ({"rgba": 4} if "--transparent" in options else {"rgb": 3})
    assert len(pictures) == 5 and pictures.roles == ("view_azimuth", "view_elevation")
    assert pictures.optics.view_angle == 30
    for step, view in enumerate(pictures.thetas):
        dark = 255.0 - before_white(pictures.picture(step)).min(axis=-1)
        assert dark.max() > 60
        row, column = (np.average(np.arange(48), weights=dark.sum(axis=axis)) - 23.5 for axis in (1, 0))
        right, up, _ = camera_frames(view)
        place = np.array([0.5, 0.0, 0.3])
        length = np.hypot(right @ place, up @ place)
        if length > 0.25:
            cosine = (column * (right @ place) + row * (up @ place)) / (np.hypot(row, column) * length)
            assert cosine > 0.8, f"view {view} shows the ball at {column:.1f}, {row:.1f}"


def test_what_cannot_be_drawn_is_said_before_paraview_starts(volume, tmp_path):
    with pytest.raises(ParameterError, match="isovalue is 7; expected one between"):
        call(volume, "-o", tmp_path / "a.cdb", "--isovalue", 7)
    (tmp_path / "b.cdb").mkdir()
    with pytest.raises(DataError, match="is there already"):
        call(volume, "-o", tmp_path / "b.cdb")
    with pytest.raises(DataError, match="cannot be written"):
        call(volume, "-o", tmp_path / "none" / "c.cdb")
    assert [path.name for path in tmp_path.iterdir()] == ["b.cdb"]
