"""Tables that stay in their file until they are needed."""

from __future__ import annotations

import dataclasses
import json
import os

import numpy as np
import pytest
from models import random_model

from hyperinr_core import hinr, table_coding
from hyperinr_core.errors import FormatError
from hyperinr_core.stored_tables import CodedTables, StoredTables


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


@pytest.fixture
def coded_path(tmp_path, monkeypatch):
    """A model whose encoders have frames of their own."""
    monkeypatch.setattr(table_coding, "WORTH_IT", 0)
    monkeypatch.setattr(hinr, "WORTH_IT", 0)
    model = random_model()
    coded = table_coding.encode_best(model.encoder_params, model.architecture.hash_grid, STEPS, True)
    assert len(coded[0].sizes) == len(STEPS) * len(model.encoder_params) and not any(coded[0].differences)
    hinr.save(model, tmp_path / "c.hinr", coded)
    return tmp_path / "c.hinr"


STEPS = [0.01] * random_model().encoding.n_levels


def coded_tables():
    return table_coding.rounded(random_model().encoder_params, random_model().architecture.hash_grid, STEPS)


@pytest.mark.parametrize("worth_it", [0, 1 << 25])
def test_coded_ones_are_what_was_rounded(coded_path, monkeypatch, worth_it):
    monkeypatch.setattr(hinr, "WORTH_IT", worth_it)
    found = hinr.load(coded_path).encoder_params
    assert isinstance(found, CodedTables) == (worth_it == 0)
    np.testing.assert_array_equal(found, coded_tables())
    hinr.save(hinr.load(coded_path), coded_path)
    np.testing.assert_array_equal(hinr.load(coded_path).encoder_params, coded_tables())


def test_a_time_decodes_the_encoders_around_it_once(coded_path, monkeypatch):
    decoded, original = [], CodedTables._read
    monkeypatch.setattr(CodedTables, "_read", lambda self, index: (decoded.append(index), original(self, index)))
    model = hinr.load(coded_path)
    assert decoded == []
    for _ in range(2):
        found = model.generate(0.6).sample_grid()
    assert decoded == [1, 2]
    truth = dataclasses.replace(random_model(), encoder_params=coded_tables())
    np.testing.assert_array_equal(found, truth.generate(0.6).sample_grid())


def test_a_damaged_frame_is_found_where_it_is_used(coded_path):
    content = bytearray(coded_path.read_bytes())
    content[-3000:] = bytes(3000)
    coded_path.write_bytes(content)
    model = hinr.load(coded_path)
    model.generate(0.0)
    with pytest.raises(FormatError, match=r"c.hinr cannot be used: the tables are .*; get the file again"):
        model.generate(2.0)


@pytest.mark.parametrize(
    "spoil, said",
    [
        ("fewer", r"the tables have \d+ frames; expected 4 or \d+"),
        ("differences", "beside frames of one encoder each"),
        ("bytes", r"the tables have \d+ bytes; expected the \d+ of its levels"),
    ],
)
def test_frames_that_are_none_of_the_encoders_are_refused(coded_path, spoil, said):
    whole = coded_path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    document = json.loads(header["__metadata__"]["hinr"])
    tables = document["tables"]
    if spoil == "fewer":
        *others, last = tables["sizes"]
        tables["sizes"] = [*others[:-4], sum(others[-4:]) + last]
    elif spoil == "differences":
        tables["differences"][1] = True
    else:
        tables["sizes"][3] += 1
    header["__metadata__"]["hinr"] = json.dumps(document)
    text = json.dumps(header).encode()
    coded_path.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])
    with pytest.raises(FormatError, match=said):
        hinr.load(coded_path)
