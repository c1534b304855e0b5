"""ParaView's extracts by phi and theta: what its camera saw upside down is turned, and is there once."""

from __future__ import annotations

import numpy as np
import pytest
from view_models import balls_picture

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.filters.readers.picture_files import write_picture
from hyperinr_core.errors import DataError
from hyperinr_core.pictures.picture_set import Optics


def extracts(folder, phis, thetas, header="phi,producer,theta,time,FILE_png"):
    """A database as ParaView 5.11 writes it, whose y is up: the camera starts at +z and goes over the pole with theta."""
    folder.mkdir()
    lines = [header]
    for phi in phis:
        for theta in thetas:
            view = (phi + 180, 180 - theta) if 90 < theta < 270 else (phi, theta if theta <= 90 else theta - 360)
            picture = balls_picture(view, 24)
            name = f"RenderView1_p={phi:06.2f}t={theta:06.2f}.png"
            write_picture(folder / name, picture[::-1, ::-1] if 90 < theta < 270 else picture)
            lines.append(
                f"{phi:06.2f},PNG1,{theta:06.2f},0,{name}" if "producer" in header else f"{phi},{theta},{name}"
            )
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("header", ["phi,producer,theta,time,FILE_png", "phi,theta,FILE"])
def test_pictures_are_those_of_a_camera_on_its_feet(tmp_path, header):
    pictures = open_pictures(extracts(tmp_path / "e.cdb", (0, 90, 180, 270), (0, 60, 120, 180, 240, 300), header))
    assert pictures.roles == ("view_azimuth", "view_elevation") and pictures.optics == Optics(30.0, 1, 1)
    assert len(pictures) == 12  # each of 24 was seen twice
    for step, view in enumerate(pictures.thetas):
        np.testing.assert_array_equal(pictures.picture(step), balls_picture(view, 24))


def test_an_odd_number_of_turns_has_pictures_that_only_a_camera_on_its_head_saw(tmp_path):
    pictures = open_pictures(extracts(tmp_path / "e.cdb", (0, 120, 240), (0, 120, 240)))
    assert len(pictures) == 9
    for step, view in enumerate(pictures.thetas):
        np.testing.assert_array_equal(pictures.picture(step), balls_picture(view, 24))


def test_other_angles_beyond_a_pole_are_still_refused(tmp_path):
    with pytest.raises(DataError, match="take the pictures beyond out"):
        open_pictures(extracts(tmp_path / "e.cdb", (0, 90), (0, 60, 200), "phi,theta,FILE"))


def test_pictures_of_several_producers_are_refused_and_rows_without_any_are_left_out(tmp_path):
    folder = extracts(tmp_path / "e.cdb", (0, 90), (0, 60, 120, 180, 240, 300))
    table = folder / "data.csv"
    text = table.read_text()
    table.write_text(text.replace("FILE_png", "FILE_png,FILE_vtpd").replace(".png\n", ".png,\n") + ",,,0,,x.vtpd\n")
    assert len(open_pictures(folder)) == 12
    table.write_text(text.replace("PNG1", "PNG2", 1))
    with pytest.raises(DataError, match="of the producers PNG1, PNG2; expected one"):
        open_pictures(folder)
