"""Bricks that were trained apart become one model, if they belong together."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from brick_models import bricked
from click.testing import CliRunner
from safetensors.numpy import save_file

from hyperinr.plugin.cli import hyperinr
from hyperinr_core import hinr
from hyperinr_core.errors import DataError, FormatError
from hyperinr_core.joining import brick_path, folder_of, join


@pytest.fixture
def path(tmp_path):
    bricked(tmp_path / "m.hinr")
    return tmp_path / "m.hinr"


def rewrite(path, number, **changes):
    """Change a brick's provenance."""
    model = hinr.load_one(brick_path(path, number))
    told = {**model.provenance["brick"], **changes.pop("brick", {})}
    hinr.save(
        dataclasses.replace(model, provenance={**model.provenance, **changes, "brick": told}), brick_path(path, number)
    )


def test_an_index_says_what_its_bricks_say(path):
    document = hinr.read_header(path)
    assert document["version"] == 4 and document["grid"]["dims"] == [24, 20, 18]
    assert document["bricks"] == {
        "folder": "m.bricks", "files": [f"000{n}.hinr" for n in (1, 2, 3, 4)], "counts": [2, 2, 1], "overlap": 3,
    }  # fmt: skip
    assert document["mask"] is None and document["motion"] is None
    assert document["provenance"]["software"] == "hyperinr 1"
    np.testing.assert_allclose(document["quality"]["training_psnr_db"]["density"], [40, 30], atol=1e-3)


def test_quality_is_that_of_all_points_over_the_whole_range(path):
    model = hinr.load_one(brick_path(path, 1))
    wider = dataclasses.replace(model.fields[0], value_range=((-1.0, 7.0),))
    hinr.save(dataclasses.replace(model, fields=(wider,)), brick_path(path, 1))
    document = join(path)
    assert document["fields"][0]["value_range"] == [[-1.0, 7.0]]
    points = [hinr.load_one(brick_path(path, n)).grid.n_points for n in range(4)]
    errors = [(8 if n == 1 else 4) ** 2 * 1e-4 for n in range(4)]
    expected = -10 * np.log10(np.average(errors, weights=points) / 64)
    assert document["quality"]["training_psnr_db"]["density"][0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"software": "hyperinr 0"}, r"different versions: hyperinr 0 and hyperinr 1"),
        ({"source": "other.npy"}, r"different series: other\.npy and flow\.npy"),
        ({"brick": {"settings": "f" * 16}}, r"different settings or steps: ffff"),
        ({"brick": {"overlap": 4}}, r"different cuts"),
        ({"brick": {"grid": {}}}, r"different grids"),
    ],
)
def test_bricks_that_do_not_belong_together_are_refused(path, changes, said):
    rewrite(path, 2, **changes)
    with pytest.raises(DataError, match=rf"0003\.hinr and .*0001\.hinr have {said}"):
        join(path)


def test_missing_and_damaged_bricks_are_named_in_one_sentence_or_left_out(path):
    brick_path(path, 1).unlink()
    brick_path(path, 2).write_bytes(b"nothing")
    before = path.read_bytes()
    with pytest.raises(
        DataError, match=r"^bricks 2, 3 of 4 are missing or damaged in .*0003\.hinr.*--brick 2/4"
    ) as error:
        join(path)
    assert "\n" not in str(error.value) and path.read_bytes() == before
    document = join(path, partial=True)
    assert document["bricks"]["files"] == ["0001.hinr", None, None, "0004.hinr"]
    assert document["mask"]["shares"] == [0.5]
    result = CliRunner().invoke(hyperinr, ["info", str(path)])
    assert "without bricks 2, 3" in result.output and "50.0% masked" in result.output


def test_no_brick_at_all_and_a_model_that_is_none(path, tmp_path):
    with pytest.raises(DataError, match=r"other\.bricks holds no whole brick; expected 0001\.hinr"):
        join(tmp_path / "other.hinr")
    model = hinr.load_one(brick_path(path, 1))
    hinr.save(dataclasses.replace(model, provenance={}), brick_path(path, 1))
    with pytest.raises(DataError, match=r"0002\.hinr is a model and no brick of one"):
        join(path)
    for number in range(4):
        rewrite_all = dataclasses.replace(model, provenance={"brick": {**model.provenance["brick"], "counts": [9, 9]}})
        hinr.save(rewrite_all, brick_path(path, number))
    with pytest.raises(DataError, match=r"0001\.hinr says wrongly of what it is a brick"):
        join(path)


def test_the_command_joins(path):
    path.unlink()
    result = CliRunner().invoke(hyperinr, ["join", str(path)])
    assert result.exit_code == 0 and result.output.startswith(f"{path}: 4 bricks of 24 x 20 x 18 points")
    assert hinr.load(path).parts == (4, "bricks")


def test_a_folder_and_its_index_can_be_moved(path, tmp_path):
    (tmp_path / "new").mkdir()
    folder_of(path).rename(tmp_path / "new" / "m.bricks")
    moved = path.rename(tmp_path / "new" / "called_otherwise.hinr")
    assert np.isfinite(hinr.load(moved).generate(0.5).sample_grid()).all()


# Index files that nobody wrote with join.

HOSTILE = {
    "folder above": (lambda d: d["bricks"].update(folder=".."), "without a path"),
    "folder elsewhere": (lambda d: d["bricks"].update(folder="/etc"), "without a path"),
    "folder of a drive": (lambda d: d["bricks"].update(folder="C:"), "without a path"),
    "file above": (lambda d: d["bricks"]["files"].__setitem__(0, "../m.hinr"), "without a path"),
    "file with a backslash": (lambda d: d["bricks"]["files"].__setitem__(0, "..\\m.hinr"), "without a path"),
    "file with a zero": (lambda d: d["bricks"]["files"].__setitem__(0, "a\0b"), "without a path"),
    "file of no name": (lambda d: d["bricks"]["files"].__setitem__(0, ""), "expected 1 to 256 characters"),
    "file that is a number": (lambda d: d["bricks"]["files"].__setitem__(0, 7), "expected a str"),
    "no file": (lambda d: d["bricks"].update(files=[None] * 4), "no brick has a file"),
    "too few files": (lambda d: d["bricks"]["files"].pop(), "expected a list of 4 to 4 items"),
    "huge counts": (lambda d: d["bricks"].update(counts=[1 << 20] * 3), "expected at least 6"),
    "counts beyond": (lambda d: d["bricks"].update(counts=[1 << 70, 1, 1]), "expected numbers from 1 to"),
    "counts of truth": (lambda d: d["bricks"].update(counts=[True, 2, 1]), "expected numbers from 1 to"),
    "two counts": (lambda d: d["bricks"].update(counts=[2, 2]), "expected a list of 3 to 3 items"),
    "no overlap": (lambda d: d["bricks"].update(overlap=0), "expected numbers from 1 to"),
    "overlap beyond": (lambda d: d["bricks"].update(overlap=9), "expected at least 18"),
    "bricks of text": (lambda d: d.update(bricks="m.bricks"), "other keys than folder"),
    "more keys": (lambda d: d["bricks"].update(more=1), "other keys than folder"),
    "encoding": (lambda d: d.update(encoding={}), "its document has keys"),
    "mask of text": (lambda d: d.update(mask="land"), "other keys than shares"),
    "share beyond": (lambda d: d.update(mask={"shares": [1.5]}), "expected numbers from 0 to 1"),
    "shares of others": (lambda d: d.update(mask={"shares": [0.5, 0.5]}), "expected a list of 1 to 1 items"),
    "motion of text": (lambda d: d.update(motion="fast"), "other keys than anchored"),
    "motion of numbers": (lambda d: d.update(motion={"anchored": [1], "bytes": 3}), "expected a bool"),
    "motion of bytes below 0": (lambda d: d.update(motion={"anchored": [True], "bytes": -1}), "from 0 on"),
    "quality of text": (lambda d: d.update(quality="good"), "expected a dict"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_index_gets_one_sentence(path, name):
    change, said = HOSTILE[name]
    document = hinr.read_header(path)
    change(document)
    save_file({}, path, metadata={"hinr": json.dumps(document)})
    for read in (hinr.load, hinr.read_header):
        with pytest.raises(FormatError, match=said) as error:
            read(path)
        assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_an_index_holds_no_tensors(path):
    save_file({"mlp_params": np.zeros(3, np.float32)}, path, metadata={"hinr": json.dumps(hinr.read_header(path))})
    with pytest.raises(FormatError, match=r"it holds tensors \['mlp_params'\]; expected exactly \[\]"):
        hinr.load(path)
