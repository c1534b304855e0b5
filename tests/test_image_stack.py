"""Cinema databases, specification A."""

from __future__ import annotations

import json

import numpy as np
import pytest
from view_models import balls_picture

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.filters.readers.picture_files import write_picture
from hyperinr_core.errors import DataError
from hyperinr_core.pictures.picture_set import Optics

DOCUMENT = {
    "arguments": {
        "phi": {"default": 0, "label": "phi", "type": "range", "values": [0, 120, 240]},
        "theta": {"default": 30, "label": "theta", "type": "range", "values": [15, 45]},
    },
    "associations": {},
    "metadata": {
        "camera_angle": [40.0],
        "camera_model": "phi-theta",
        "type": "parametric-image-stack",
        "version": "0.0",
    },
    "name_pattern": "{phi}/{theta}.png",
}


def stack(folder, **changes):
    for phi in (0, 120, 240):
        (folder / str(phi)).mkdir(parents=True)
        for theta in (15, 45):
            write_picture(folder / str(phi) / f"{theta}.png", balls_picture((phi, theta), 16))
    (folder / "info.json").write_text(json.dumps({**DOCUMENT, **changes}))
    return folder


def test_pictures_are_found_by_the_pattern_and_theta_is_paraviews_elevation(tmp_path):
    pictures = open_pictures(stack(tmp_path / "a"))
    assert pictures.roles == ("view_azimuth", "view_elevation") and pictures.optics == Optics(40.0)
    assert len(pictures) == 6 and open_pictures(tmp_path / "a" / "info.json").files == pictures.files
    for step, view in enumerate(pictures.thetas):
        np.testing.assert_array_equal(pictures.picture(step), balls_picture(view, 16))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metadata": {"type": "composite-image-stack"}}, "pictures in layers .composite-image-stack"),
        ({"name_pattern": "{phi}/{tehta}.png"}, "has the name_pattern .*KeyError.*expected the names phi, theta"),
        ({"name_pattern": "{phi}/{theta}.jpg"}, "is not there but the table names it"),
        ({"arguments": 3}, "is no Cinema database"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path, changes, message):
    with pytest.raises(DataError, match=message) as caught:
        open_pictures(stack(tmp_path / "a", **changes))
    assert "\n" not in str(caught.value)
