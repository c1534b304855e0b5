"""Cinema databases: what is read from them, what is refused, and what is written."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from view_models import balls_database

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.filters.readers.picture_files import read_picture, write_picture
from hyperinr.filters.readers.tables import write_table
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.pictures.picture_set import picture_parameters, read_optics
from hyperinr_core.spaces.views import view_angles

VIEWS = [(0.0, -30.0), (90.0, 0.0), (180.0, 30.0), (270.0, 60.0)]


def database(folder, text=None, pictures=()):
    """A folder with a table, and pictures by (name, size)."""
    folder.mkdir(exist_ok=True)
    for name, size in pictures:
        Image.new("RGB", size, (10, 20, 30)).save(folder / name)
    if text is not None:
        (folder / "data.csv").write_text(text)
    return folder


def test_pictures_parameters_and_roles(tmp_path):
    pictures = open_pictures(balls_database(tmp_path / "a.cdb", VIEWS, size=20, times=(0.5, 1.0)))
    assert len(pictures) == 8 and pictures.grid.dims == (20, 20, 1) and pictures.field_info == {"rgb": 3}
    assert pictures.parameters == ("phi", "theta", "time")
    assert pictures.roles == ("view_azimuth", "view_elevation", "time")
    part = pictures.select([3, 5])
    assert part.thetas.tolist() == [[90, 0, 1], [180, 30, 1]] and part.files[1] == pictures.files[5]
    np.testing.assert_array_equal(part.picture(1), pictures.picture(5))
    bounds = [parameter.bounds for parameter in picture_parameters(pictures, part)]
    assert bounds == [(0, 360), (-30, 60), (0.5, 1)] and picture_parameters(pictures, part)[2].values == (1.0, 1.0)


def test_rows_go_from_the_lowest_up(tmp_path):
    pixels = np.zeros((8, 9, 3), np.uint8)
    pixels[0, 0] = 255
    write_picture(tmp_path / "a.png", pixels)
    assert Image.open(tmp_path / "a.png").getpixel((0, 7)) == (255, 255, 255)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), pixels)


def test_theta_without_negatives_counts_from_the_pole_and_roles_can_be_told(tmp_path):
    text = "phi,theta,mass,FILE\n0,10,1,a.png\n10,170,2,b.png\n"
    folder = database(tmp_path / "a", text, [("a.png", (8, 8)), ("b.png", (8, 8))])
    pictures = open_pictures(folder)
    assert pictures.roles == ("view_azimuth", "view_polar", "free")
    assert view_angles(pictures.thetas, pictures.roles).tolist() == [[0, 80], [10, -80]]
    assert open_pictures(folder, {"mass": "time"}).roles[2] == "time"
    with pytest.raises(ParameterError, match="no parameter 'size'"):
        open_pictures(folder, {"size": "time"})


def test_transparency_makes_four_components_of_all(tmp_path):
    folder = database(tmp_path / "a", "time,FILE\n0,a.png\n1,b.png\n", [("a.png", (8, 8))])
    Image.new("RGBA", (8, 8), (1, 2, 3, 40)).save(folder / "b.png")
    pictures = open_pictures(folder)
    assert pictures.field_info == {"rgba": 4}
    assert pictures.picture(0)[0, 0].tolist() == [10, 20, 30, 255] and pictures.picture(1)[0, 0].tolist() == [
        1,
        2,
        3,
        40,
    ]


def test_jpegs_and_columns_of_other_files_and_constants(tmp_path):
    text = "time,fixed,FILE_depth,FILE\n0,7,x.vti,a.jpg\n1,7,y.vti,a.jpg\n"
    pictures = open_pictures(database(tmp_path / "a", text, [("a.jpg", (16, 8))]))
    assert pictures.parameters == ("time",) and pictures.grid.dims == (16, 8, 1)


def test_tables_as_paraview_exports_them(tmp_path):
    text = "time,mass,producer,FILE\n2,7,PV 5.11,c.png\n0,7,PV 5.11,a.png\n1,7,PV 5.11,b.png\n"
    pictures = open_pictures(database(tmp_path / "a", text, [(f"{name}.png", (8, 8)) for name in "abc"]))
    assert (pictures.parameters, pictures.thetas.ravel().tolist()) == (("time",), [0, 1, 2])
    assert [file.name for file in pictures.files] == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize(
    "name, angles", [("theta", (0, 200)), ("theta", (-120, 10)), ("elevation", (0, 95)), ("polar", (-5, 10))]
)
def test_views_beyond_a_pole_are_refused_at_once(tmp_path, name, angles):
    text = f"phi,{name},FILE\n0,{angles[0]},a.png\n10,{angles[1]},b.png\n"
    folder = database(tmp_path / "a", text, GOOD)
    with pytest.raises(DataError, match=f"has {name} from {angles[0]} to {angles[1]}; expected"):
        open_pictures(folder)
    assert open_pictures(folder, {"phi": "free", name: "free"}).roles == ("free", "free")


GOOD = [("a.png", (8, 8)), ("b.png", (8, 8))]
BAD = {
    "unequal": (
        "time,FILE\n0,a.png\n1,b.png\n",
        [("a.png", (8, 8)), ("b.png", (9, 8))],
        "9 x 8 pixels.*8 x 8.*one size",
    ),
    "missing": ("time,FILE\n0,a.png\n1,c.png\n", GOOD, "c.png is not there but the table names it"),
    "words": ("time,FILE\nnoon,a.png\n1,b.png\n", GOOD, "line 2 has time 'noon'; expected a finite number"),
    "nan": ("time,FILE\nnan,a.png\n1,b.png\n", GOOD, "line 2 has time 'nan'"),
    "one": ("time,FILE\n0,a.png\n", GOOD, "1 picture.s. and no numeric column whose values differ"),
    "twice": ("time,mass,FILE\n0,1,a.png\n0,1,b.png\n1,2,b.png\n", GOOD, "2 pictures at time 0, mass 1"),
    "ragged": ("time,FILE\n0\n", GOOD, "line 2 has 1 cells; expected 2"),
    "no rows": ("time,FILE\n", GOOD, "a header and no rows"),
    "no pictures": ("time,name\n0,a\n1,b\n", GOOD, "none of them names a .png"),
    "empty": ("", GOOD, "no table with a header"),
    "no table": (None, GOOD, "0 CSV tables"),
    "tiny": ("time,FILE\n0,a.png\n1,a.png\n", [("a.png", (4, 4))], "at least 8 along each side"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path, case):
    text, pictures, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        open_pictures(database(tmp_path / "a", text, pictures))
    assert "\n" not in str(caught.value)


def test_what_is_no_picture_is_refused(tmp_path):
    folder = database(tmp_path / "a", "time,FILE\n0,a.png\n1,b.png\n", GOOD)
    whole = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"b\.png is no picture"):
        open_pictures(folder)
    (folder / "b.png").write_bytes(whole[: len(whole) - 30])
    with pytest.raises(DataError, match=r"b\.png is no whole picture"):
        open_pictures(folder).picture(1)
    with pytest.raises(DataError, match="is not there; expected a Cinema database"):
        open_pictures(tmp_path / "none")


def test_camera_files(tmp_path):
    path = tmp_path / "camera.json"
    assert read_optics(path) is None
    path.write_text('{"view_angle": 40, "turn": -1}')
    assert (read_optics(path).view_angle, read_optics(path).turn, read_optics(path).tilt) == (40, -1, 1)
    for text in ("[]", '{"turn": 1}', '{"view_angle": "wide"}'):
        path.write_text(text)
        with pytest.raises(DataError, match="is no camera file"):
            read_optics(path)
    path.write_text('{"view_angle": 190}')
    with pytest.raises(DataError, match=r"expected 0 .parallel. to 170"):
        read_optics(path)


def test_a_table_is_read_back(tmp_path):
    thetas = np.array([[0.125, -3.0], [1e-7, 12345.678]])
    write_table(tmp_path, ("time", "mass"), thetas, ["a.png", "a.png"])
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    np.testing.assert_allclose(open_pictures(tmp_path).thetas, thetas, rtol=1e-8)
