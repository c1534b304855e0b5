"""One door for every model."""

from __future__ import annotations

import pytest
from models import random_model
from radiance_models import ball_model

import hyperinr_core
from hyperinr_core import hinr
from hyperinr_core.errors import FormatError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.radiance import file
from hyperinr_core.radiance.model import RadianceModel


def test_each_kind_of_file_gives_its_kind_of_model(tmp_path):
    hinr.save(random_model(), tmp_path / "a.hinr")
    file.save(ball_model(), tmp_path / "b.hinr")
    (tmp_path / "c.hinr").write_bytes(b"nothing")
    assert isinstance(hyperinr_core.load_any(tmp_path / "a.hinr"), HyperINR)
    assert isinstance(hyperinr_core.load_any(tmp_path / "b.hinr"), RadianceModel)
    for name in ("c.hinr", "none.hinr"):
        with pytest.raises(FormatError, match=rf"{name} is not"):
            hyperinr_core.load_any(tmp_path / name)
