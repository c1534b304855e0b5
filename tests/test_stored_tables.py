"""Tables that stay in their file until they are needed."""

from __future__ import annotations

import os

import numpy as np
import pytest
from models import random_model

from hyperinr_core import hinr
from hyperinr_core.errors import FormatError
from hyperinr_core.stored_tables import StoredTables


@pytest.fixture
def path(tmp_path, monkeypatch):
    hinr.save(random_model(), tmp_path / "m.hinr")
    monkeypatch.setattr(hinr, "WORTH_IT", 0)
    return tmp_path / "m.hinr"


@pytest.fixture
def read(monkeypatch):
    """The encoders whose tables are read from now on."""
    numbers, original = [], StoredTables._read

    def noted(tables, index):
        numbers.append(index)
        original(tables, index)

    monkeypatch.setattr(StoredTables, "_read", noted)
    return numbers


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_time_reads_the_encoders_around_it_once(path, read, backend):
    model = hinr.load(path)
    assert read == []
    for _ in range(2):
        found = model.generate(0.6, backend).sample_grid()
    assert read == [1, 2]
    np.testing.assert_array_equal(found, random_model().generate(0.6, backend).sample_grid())


def test_for_all_else_they_are_an_array(path):
    tables, truth = hinr.load(path).encoder_params, random_model().encoder_params
    assert (tables.shape, tables.dtype, tables.nbytes, len(tables)) == (
        truth.shape,
        truth.dtype,
        truth.nbytes,
        len(truth),
    )
    np.testing.assert_array_equal(tables[:, 3:9], truth[:, 3:9])
    np.testing.assert_array_equal(tables[[2, -1]], truth[[2, -1]])
    np.testing.assert_array_equal(tables.astype(np.float32).mean(axis=0), truth.astype(np.float32).mean(axis=0))
    hinr.save(hinr.load(path), path)
    np.testing.assert_array_equal(hinr.load(path).encoder_params, truth)


def test_a_model_that_another_replaces_goes_on(path):
    model = hinr.load(path)
    hinr.save(random_model(seed=9), path)
    np.testing.assert_array_equal(model.generate(1.7).sample_grid(), random_model().generate(1.7).sample_grid())


def test_a_file_that_is_cut_off_meanwhile_is_an_error(path):
    model = hinr.load(path)
    start = path.read_bytes().find(np.ascontiguousarray(random_model().encoder_params[3]).tobytes())
    os.truncate(path, start + 8)
    with pytest.raises(FormatError, match="was cut off while it was in use"):
        model.generate(1.5)


def test_what_is_not_finite_is_found_where_it_is_used(path):
    content = bytearray(path.read_bytes())
    start = content.find(np.ascontiguousarray(random_model().encoder_params[3]).tobytes())
    content[start : start + 2] = np.float16(np.nan).tobytes()
    path.write_bytes(content)
    model = hinr.load(path)
    model.generate(0.2)
    with pytest.raises(FormatError, match="encoder_params holds NaN"):
        model.generate(1.4)
