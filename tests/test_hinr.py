"""`.hinr` files: what is written is read back; what is wrong with a file is said in one sentence."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from masked import masked_model, wall
from models import based_model, random_model
from moving_models import moving_model
from rewritten import refused, rewrite
from safetensors.numpy import load_file, save_file

from hyperinr_core import hinr
from hyperinr_core.config import EncodingConfig
from hyperinr_core.errors import DataError, FormatError
from hyperinr_core.hinr_document import check_limits
from hyperinr_core.volume import Field, Parameter


@pytest.fixture
def path(tmp_path):
    hinr.save(random_model(), tmp_path / "m.hinr")
    return tmp_path / "m.hinr"


def test_round_trip(tmp_path):
    parameters = (
        Parameter("time", "time", (0.0, 3.0), "s", (0.0, 3.0)),
        Parameter("azimuth", "light_azimuth", (0.0, 360.0), "deg"),
    )
    fields = (Field("b", 1, ((0.0, 1.0),)), Field("a", 3, ((-1.0, 1.0), (0.0, 2.0), (5.0, 5.0)), "m/s"))
    facts = {"provenance": {"source": "here"}, "quality": {"training_psnr_db": {"b": [40.5, None]}}}
    model = random_model(parameters=parameters, fields=fields, **facts)
    hinr.save(model, tmp_path / "m.hinr")
    loaded = hinr.load(tmp_path / "m.hinr")
    for name in ("encoding", "network", "parameters", "grid", "fields", "interpolation", "provenance", "quality"):
        assert getattr(loaded, name) == getattr(model, name), name
    for name in ("encoder_positions", "encoder_params", "mlp_params"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    theta = {"azimuth": 100.0, "time": 1.0}
    np.testing.assert_array_equal(
        loaded.generate(theta, "reference").sample_grid(), model.generate(theta, "reference").sample_grid()
    )


@pytest.mark.parametrize(
    "fields, found",
    [
        ((Field("a", 17, ((0.0, 1.0),) * 17),), "17 components"),
        ((Field("a" * 257, 1, ((0.0, 1.0),)),), "1 to 256 characters"),
        ((Field("a", 1, ((0.0, 1e301),)),), "finite number"),
        (tuple(Field(f"f{i}", 1, ((0.0, 1.0),)) for i in range(1025)), "to 1024 items"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(tmp_path, fields, found):
    model = random_model()
    with pytest.raises(DataError, match=found):
        check_limits(model.parameters, model.grid, fields)
    with pytest.raises(FormatError, match=found):
        hinr.save(dataclasses.replace(model, fields=fields), tmp_path / "m.hinr")
    assert not (tmp_path / "m.hinr").exists()


LIGHTS = (
    Parameter("azimuth", "light_azimuth", (0.0, 360.0), "deg"),
    Parameter("polar", "light_polar", (0.0, 180.0), "deg"),
)


def guided_model():
    return random_model(parameters=LIGHTS, encoding=EncodingConfig(n_levels=3, log2_hashmap_size=8, guide_resolution=6))


@pytest.mark.parametrize("make", [random_model, based_model, guided_model])
def test_the_size_of_a_model_is_that_of_its_tensors_in_the_file(tmp_path, make):
    hinr.save(make(), tmp_path / "m.hinr")
    sizes = {name: tensor.nbytes for name, tensor in load_file(tmp_path / "m.hinr").items()}
    expected = sum(size for name, size in sizes.items() if not name.endswith("positions"))
    assert hinr.load(tmp_path / "m.hinr").n_bytes == make().n_bytes == expected


@pytest.fixture
def masked(tmp_path):
    """A file with a mask of three sheets, at three times."""
    hinr.save(masked_model(wall), tmp_path / "k.hinr")
    return tmp_path / "k.hinr"


def test_round_trip_with_a_mask(masked):
    model, loaded = masked_model(wall), hinr.load(masked)
    for name in ("positions", "sheets", "owners", "shape"):
        np.testing.assert_array_equal(getattr(loaded.mask, name), getattr(model.mask, name))
    found, expected = (m.generate(0.7, "reference").sample_grid() for m in (loaded, model))
    assert np.isnan(found).any() and np.isfinite(found).any()
    np.testing.assert_array_equal(found, expected)
    document = hinr.read_header(masked)
    assert document["version"] == 2 and document["mask"] == {"sheets": 3, "shares": model.mask.shares().tolist()}


def test_without_a_mask_a_file_is_of_version_1(path):
    assert hinr.read_header(path)["version"] == 1 and hinr.load(path).mask is None


MASKS = {
    "version 1": (lambda d: d.update(version=1), None, "its document has keys"),
    "no mask": (lambda d: d.update(mask=None), None, "the mask is 'None'"),
    "another key": (lambda d: d["mask"].update(more=1), None, "the mask is"),
    "no sheets": (lambda d: d["mask"].update(sheets=0), None, "the mask has 0 sheets"),
    "half a sheet": (lambda d: d["mask"].update(sheets=1.5), None, "the mask has 1.5 sheets"),
    "more sheets": (lambda d: d["mask"].update(sheets=4), None, "is not the .* bytes of its 4 sheets"),
    "absurdly many": (lambda d: d["mask"].update(sheets=2**31), None, "claim to be"),
    "fewer sheets": (lambda d: d["mask"].update(sheets=2), None, "name sheet 2; expected one below 2"),
    "shares of more fields": (
        lambda d: d["mask"].update(shares=[0.1, 0.2]),
        None,
        "2 masked shares are given; expected 1",
    ),
    "more than all": (lambda d: d["mask"].update(shares=[1.1]), None, "masked shares are"),
    "another grid": (lambda d: d["grid"].update(dims=[12, 10, 9]), None, "is not the .* bytes"),
    "an absurd grid": (lambda d: d["grid"].update(dims=[1 << 20] * 3), None, "claim to be"),
    "no codes": (None, lambda t: t.pop("mask_codes"), "it holds tensors"),
    "owners of more fields": (None, lambda t: t.update(mask_owners=np.zeros((3, 2), np.uint32)), "mask_owners is U32"),
    "signed owners": (None, lambda t: t.update(mask_owners=t["mask_owners"].astype(np.int32)), "mask_owners is I32"),
    "fewer owners": (None, lambda t: t.update(mask_owners=t["mask_owners"][:2]), "masks"),
    "nobody": (
        None,
        lambda t: t.update(mask_owners=t["mask_owners"][:0], mask_positions=t["mask_positions"][:0]),
        "masks",
    ),
    "unordered": (None, lambda t: t.update(mask_positions=t["mask_positions"][::-1].copy()), "do not increase"),
    "nowhere": (None, lambda t: t["mask_positions"].__setitem__((0, 0), np.nan), "mask_positions holds NaN"),
    "damaged": (None, lambda t: t.update(mask_codes=t["mask_codes"][:-8]), "the mask is damaged|claim to be"),
}


@pytest.mark.parametrize("case", MASKS)
def test_wrong_mask(masked, case):
    refused(masked, MASKS[case])


@pytest.fixture
def moved(tmp_path):
    """A file of two fields that are carried, of which one has a mask."""
    hinr.save(moving_model(masked_model(wall, fields=MOVED), (True, False, False), (True, False)), tmp_path / "c.hinr")
    return tmp_path / "c.hinr"


MOVED = (Field("density", 1, ((0.0, 1.0),)), Field("v", 3, ((-1.0, 1.0),) * 3))


@pytest.mark.parametrize("is_masked", [False, True])
def test_round_trip_with_a_motion(tmp_path, is_masked):
    model = moving_model(masked_model(wall) if is_masked else None, (False, False, True))
    hinr.save(model, tmp_path / "c.hinr")
    loaded = hinr.load(tmp_path / "c.hinr")
    for attribute in dataclasses.fields(model.motion):
        np.testing.assert_array_equal(getattr(loaded.motion, attribute.name), getattr(model.motion, attribute.name))
    for theta in (0.3, 0.5, 1.9):
        found, expected = (m.generate(theta, "reference").sample_grid() for m in (loaded, model))
        np.testing.assert_array_equal(found, expected)
    document = hinr.read_header(tmp_path / "c.hinr")
    assert document["version"] == 3 and ("mask" in document) == is_masked
    assert document["motion"]["periodic"] == [True, False, False], "x first"
    assert document["motion"]["nodes"] == list(model.motion.nodes[::-1])


MOTIONS = {
    "version 2": (lambda d: d.update(version=2), None, "its document has keys"),
    "no motion": (lambda d: d.update(motion=None), None, "the motion has NoneType"),
    "nodes too many": (lambda d: d["motion"].update(nodes=[4, 4, 9]), None, "the motion has nodes"),
    "other nodes": (lambda d: d["motion"].update(nodes=[5, 4, 4]), None, "is not the .* bytes of its settings"),
    "another grid": (lambda d: d["grid"].update(dims=[3, 10, 8]), None, "the motion has nodes"),
    "an owner out of range": (lambda d: d["motion"].update(owners=[0, 2]), None, "fields have the motions"),
    "one motion less": (lambda d: d["motion"].update(owners=[0, 0], anchored=[True]), None, "is not the .* bytes"),
    "a bomb": (
        lambda d: (d["grid"].update(dims=[1 << 20] * 3), d["motion"].update(nodes=[1 << 20] * 3), d.pop("mask")),
        lambda t: [t.pop(name) for name in ("mask_codes", "mask_owners", "mask_positions")],
        "claim to be",
    ),
    "no paths": (None, lambda t: t.pop("motion_paths"), "it holds tensors"),
    "paths of another type": (
        None, lambda t: t.update(motion_paths=t["motion_paths"].astype(np.int16)), "motion_paths is I16"
    ),
    "paths of another shape": (None, lambda t: t.update(motion_paths=t["motion_paths"][None]), "motion_paths is U8"),
    "damaged paths": (None, lambda t: t.update(motion_paths=t["motion_paths"][:-9]), "is damaged"),
    "damaged trust": (None, lambda t: t["motion_trust"].__setitem__(slice(0, 4), 0), "is damaged"),
    "one encoder": (
        None,
        lambda t: t.update({name: t[name][:1] for name in ("encoder_params", "encoder_positions")}),
        "beside one encoder",
    ),
    "one encoder less": (
        None,
        lambda t: t.update({name: t[name][:4] for name in ("encoder_params", "encoder_positions")}),
        "is not the .* bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MOTIONS)
def test_wrong_motion(moved, case):
    refused(moved, MOTIONS[case])


def test_a_motion_that_could_not_be_read_again_is_not_written(tmp_path):
    model = moving_model()
    model = dataclasses.replace(model, motion=dataclasses.replace(model.motion, bend=(1.5,)))
    with pytest.raises(FormatError, match="bend of the motion"):
        hinr.save(model, tmp_path / "m.hinr")
    assert os.listdir(tmp_path) == []


@pytest.fixture
def guided(tmp_path):
    hinr.save(guided_model(), tmp_path / "g.hinr")
    return tmp_path / "g.hinr"


def test_round_trip_with_a_guide(guided):
    model, loaded = guided_model(), hinr.load(guided)
    assert (loaded.guide.grid, loaded.guide.diameter) == (model.grid, 5.0)
    np.testing.assert_array_equal(loaded.guide.extinction, model.guide.extinction)
    found, expected = (m.generate((30.0, 70.0), "reference").sample_grid() for m in (loaded, model))
    np.testing.assert_array_equal(found, expected)


GUIDES = {
    "guide without a level": (lambda d: d["encoding"].update(guide_resolution=0), None, "expected both or none"),
    "level without a guide": (lambda d: d.update(guide=None), None, "expected both or none"),
    "odd resolution": (lambda d: d["encoding"].update(guide_resolution=7), None, "guide_resolution is 7"),
    "absurd resolution": (lambda d: d["encoding"].update(guide_resolution=10**6), None, "expected 0 to 256"),
    "other resolution": (lambda d: d["encoding"].update(guide_resolution=8), None, "guide_extinction is F16"),
    "diameter beyond": (lambda d: d["guide"].update(diameter=181), None, "diameter of 0 to 180"),
    "diameter as text": (lambda d: d["guide"].update(diameter="5"), None, "expected a finite number"),
    "unknown key": (lambda d: d["guide"].update(more=1), None, "the guide is"),
    "guide as list": (lambda d: d.update(guide=[5]), None, "the guide is"),
    "of no light": (lambda d: d["parameters"][0].update(role="free"), None, "a guide stands with the roles"),
    "on a plane": (lambda d: d["grid"].update(dims=[4, 4, 1]), None, "and a volume"),
    "in a sheared box": (lambda d: d["grid"].update(direction=[1, 0.5, 0, 0, 1, 0, 0, 0, 1]), None, "and a rotation"),
    "no extinction": (None, lambda t: t.pop("guide_extinction"), "it holds tensors"),
    "another type": (
        None,
        lambda t: t.update(guide_extinction=t["guide_extinction"].astype(np.float32)),
        "guide_extinction is F32",
    ),
    "extinction with NaN": (None, lambda t: t["guide_extinction"].__setitem__((1, 2, 3), np.nan), "holds NaN"),
    "extinction below 0": (None, lambda t: t["guide_extinction"].__setitem__((1, 2, 3), -1), "holds numbers below 0"),
}


@pytest.mark.parametrize("case", GUIDES)
def test_wrong_guide(guided, case):
    refused(guided, GUIDES[case])


def test_a_guide_stands_in_a_box_that_is_turned_or_mirrored(guided):
    for direction in ([0, -1, 0, 1, 0, 0, 0, 0, 1], [-1, 0, 0, 0, 1, 0, 0, 0, 1]):
        rewrite(guided, lambda d, direction=direction: d["grid"].update(direction=direction), None)
        assert hinr.load(guided).guide.grid.direction == tuple(direction)


def test_same_model_gives_same_bytes(tmp_path):
    for name in ("a", "b"):
        hinr.save(random_model(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


DOCUMENTS = {
    "newer version": (lambda d: d.update(version=7), "version is 7; expected at most 6; update HyperINR"),
    "radiance fields": (lambda d: d.update(version=5), "it holds radiance fields; expected a HyperINR"),
    "version of a mask without one": (lambda d: d.update(version=2), "its document has keys"),
    "version of a motion without one": (lambda d: d.update(version=3), "its document has keys"),
    "motion in version 1": (lambda d: d.update(motion={}), "its document has keys"),
    "mask in version 1": (lambda d: d.update(mask={"sheets": 1, "shares": [0.5]}), "its document has keys"),
    "no version": (lambda d: d.pop("version"), "version is None"),
    "boolean version": (lambda d: d.update(version=True), "version is True"),
    "other format": (lambda d: d.update(format="png"), "format is not 'hinr'"),
    "unknown key": (lambda d: d.update(more=1), "expected exactly"),
    "missing key": (lambda d: d.pop("grid"), "expected exactly"),
    "absurd dims": (lambda d: d["grid"].update(dims=[2**40, 2, 2]), "grid dims are"),
    "negative dims": (lambda d: d["grid"].update(dims=[4, -2, 2]), "grid dims are"),
    "dims as text": (lambda d: d["grid"].update(dims="444"), "expected a list of 3"),
    "absurd levels": (lambda d: d["encoding"].update(n_levels=10**9), "n_levels is 1000000000; expected 1 to 32"),
    "absurd growth": (lambda d: d["encoding"].update(per_level_scale=16.0, n_levels=30), "finest level"),
    "unknown setting": (lambda d: d["encoding"].update(n_bins=3), r"unknown keys \['n_bins'\]"),
    "huge number": (lambda d: d["grid"].update(origin=[10**400, 0, 0]), "expected a finite number"),
    "no parameters": (lambda d: d.update(parameters=[]), "expected a list of 1 to 64"),
    "unknown role": (lambda d: d["parameters"][0].update(role="mood"), "role is 'mood'"),
    "bounds reversed": (lambda d: d["parameters"][0].update(bounds=[2, 1]), "expected the smaller number first"),
    "unknown interpolation": (lambda d: d.update(interpolation="magic"), "interpolation is 'magic'"),
    "interpolation of another kind": (lambda d: d.update(interpolation=["linear"]), "interpolation is"),
    "two fields of one name": (lambda d: d["fields"].append(d["fields"][0]), "share a name"),
    "more fields than outputs": (lambda d: d["fields"].append({**d["fields"][0], "name": "b"}), "mlp_params is F32"),
    "plane on a volume": (lambda d: d["encoding"].update(n_pos_dims=2), "plane's encoding"),
    "document is a list": (lambda d: d.update(fields={"a": 1}), "expected a list"),
    "provenance is a list": (lambda d: d.update(provenance=[]), "expected a dict"),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_wrong_document(path, case):
    change, message = DOCUMENTS[case]
    rewrite(path, change)
    for read in (hinr.load, hinr.read_header):
        with pytest.raises(FormatError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value) and "expected" in str(caught.value)
        assert "\n" not in str(caught.value)


TEXTS = {
    "no JSON": ("{", "not valid JSON"),
    "a list": ("[]", "format is not 'hinr'"),
    "NaN": ('{"format": NaN}', "it holds NaN"),
    "repeated key": ('{"format": "hinr", "format": "hinr"}', "appears twice"),
    "deep": ("[" * 100_000, "not valid JSON"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_wrong_text(path, case):
    text, message = TEXTS[case]
    rewrite(path, text=text)
    with pytest.raises(FormatError, match=message):
        hinr.load(path)


TENSORS = {
    "missing": (lambda t: t.pop("mlp_params"), "it holds tensors"),
    "surplus": (lambda t: t.update(extra=np.zeros(3)), "it holds tensors"),
    "wrong size": (lambda t: t.update(mlp_params=t["mlp_params"][:-1]), "mlp_params is F32"),
    "wrong type": (lambda t: t.update(encoder_params=t["encoder_params"].astype(np.int16)), "encoder_params is I16"),
    "no encoder": (lambda t: t.update(encoder_params=t["encoder_params"][:0]), "encoders"),
    "one position short": (lambda t: t.update(encoder_positions=t["encoder_positions"][:-1]), "encoders"),
    "positions flat": (
        lambda t: t.update(encoder_positions=t["encoder_positions"].ravel()),
        "encoder_positions is F64",
    ),
    "positions unordered": (
        lambda t: t.update(encoder_positions=t["encoder_positions"][::-1].copy()),
        "do not increase",
    ),
    "NaN in a table": (lambda t: t["encoder_params"].__setitem__((1, 7), np.nan), "encoder_params holds NaN"),
    "infinity in the network": (lambda t: t["mlp_params"].__setitem__(5, np.inf), "mlp_params holds NaN"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_wrong_tensors(path, case):
    change, message = TENSORS[case]
    rewrite(path, change_tensors=change)
    with pytest.raises(FormatError, match=message):
        hinr.load(path)


def change_base(**changes):
    return lambda document: document["base"].update(changes)


BASES = {
    "other keys": (change_base(more=1), None, "a base has other keys"),
    "a list": (lambda d: d.update(base=[]), None, "a base has other keys"),
    "component too high": (change_base(components=[1]), None, "increasing numbers below 1"),
    "component twice": (change_base(components=[0, 0]), None, "expected a list"),
    "limits reversed": (change_base(limits=[[1.0, 0.0]]), None, "expected the smaller number first"),
    "unknown interpolation": (change_base(interpolation="idw"), None, "interpolation is 'idw'"),
    "several parameters": (
        lambda d: d["parameters"].append({**d["parameters"][0], "name": "b"}), None, "interpolation is 'linear'"
    ),
    "no document": (lambda d: d.update(base=None), None, "it holds tensors"),
    "too few coefficients": (
        None, lambda t: t.update(base_coefficients=t["base_coefficients"][:, :3].copy()), "at least 4 each"
    ),
    "one position short": (None, lambda t: t.update(base_positions=t["base_positions"][:-1]), r"it has \[3, 4\] bases"),
    "positions unordered": (
        None, lambda t: t.update(base_positions=t["base_positions"][::-1].copy()), "base_positions do not increase"
    ),
    "wrong type": (
        None, lambda t: t.update(base_coefficients=t["base_coefficients"].astype(np.float32)), "base_coefficients is F32"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BASES)
def test_wrong_base(tmp_path, case):
    document, tensors, message = BASES[case]
    model = based_model()
    hinr.save(model, tmp_path / "m.hinr")
    rewrite(tmp_path / "m.hinr", document, tensors)
    with pytest.raises(FormatError, match=message):
        hinr.load(tmp_path / "m.hinr")


def test_missing_file(tmp_path):
    with pytest.raises(FormatError, match="is not there"):
        hinr.load(tmp_path / "m.hinr")
    with pytest.raises(FormatError, match="is not there"):
        hinr.load(tmp_path)


def test_every_truncation_is_noticed(path):
    content = path.read_bytes()
    for length in [0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(FormatError, match=r"not a whole \.hinr file"):
            hinr.load(path)


def test_other_safetensors_file(tmp_path):
    save_file({"a": np.zeros(3)}, tmp_path / "m.hinr")
    with pytest.raises(FormatError, match="no 'hinr' document"):
        hinr.load(tmp_path / "m.hinr")


def test_unwritable_folder_leaves_nothing(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        hinr.save(random_model(), tmp_path / "no" / "m.hinr")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_full_disk_keeps_the_old_file(path):
    """/dev/full cannot take a rename, so the limit on the size of a file stands in for the disk's end."""
    before = path.read_bytes()
    code = f"""
import resource, signal, sys
sys.path[:0] = {[os.path.dirname(__file__), *sys.path]!r}
from models import random_base, random_model
from hyperinr_core import hinr
from hyperinr_core.errors import DataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    hinr.save(random_model(seed=1), {str(path)!r})
except DataError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "cannot be written" in result.stdout, result.stderr
    assert path.read_bytes() == before and os.listdir(path.parent) == ["m.hinr"]


def test_model_with_nan_is_not_written(tmp_path):
    model = random_model()
    model.mlp_params[3] = np.nan
    with pytest.raises(FormatError, match="mlp_params is not finite"):
        hinr.save(model, tmp_path / "m.hinr")
    assert os.listdir(tmp_path) == []
