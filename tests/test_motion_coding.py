"""Motion in few bytes, documents of one, and bytes that are none."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import zstandard
from moving_models import random_motion

from hyperinr_core.errors import FormatError
from hyperinr_core.motion_coding import PATHS_TENSOR, TRUST_TENSOR, checked, document_of, motion_of, tensors_of
from hyperinr_core.packing import MOST_EXPANSION
from hyperinr_core.volume import Field, Grid

SHAPE = (20, 24, 32)
GRID = Grid(SHAPE[::-1])
FIELDS = tuple(Field(name, 1, ((0.0, 1.0),)) for name in "abc")


def motion(**changes):
    return random_motion(SHAPE, (True, False, False), n_fields=3, anchored=(True, False), **changes)


def read(coded):
    """What a reader makes of a motion's document and tensors."""
    document = json.loads(json.dumps(document_of(coded)))
    return motion_of(tensors_of(coded), checked(document, GRID, FIELDS, 1), coded.times)


def test_what_is_coded_is_the_same_again():
    coded = motion(bend=(0.0, 0.5, 1.0), largest_error=(0.0, 1e-300, 1e300))
    found = read(coded)
    for attribute in dataclasses.fields(coded):
        np.testing.assert_array_equal(getattr(found, attribute.name), getattr(coded, attribute.name))
        assert type(getattr(found, attribute.name)) is type(getattr(coded, attribute.name)), attribute.name


def test_the_largest_differences_come_back():
    coded = motion()
    ends = np.array([-32768, 32767], np.int16)
    paths = np.tile(ends, coded.paths.size // 2 + 1)[: coded.paths.size].reshape(coded.paths.shape)
    trust = np.tile(np.array([0, 255], np.uint8), coded.trust.size)[: coded.trust.size].reshape(coded.trust.shape)
    found = read(dataclasses.replace(coded, paths=paths, trust=trust))
    np.testing.assert_array_equal(found.paths, paths)
    np.testing.assert_array_equal(found.trust, trust)


def test_smooth_paths_take_few_bytes_and_none_are_believed():
    coded = motion()
    x = np.arange(coded.paths.shape[-1])
    smooth = dataclasses.replace(
        coded, paths=np.broadcast_to((300 * np.sin(x / 5)).astype(np.int16), coded.paths.shape)
    )
    still = dataclasses.replace(coded, paths=np.zeros_like(coded.paths))
    sizes = [tensors_of(each)[PATHS_TENSOR].size for each in (coded, smooth, still)]
    assert sizes[0] > 0.5 * coded.paths.nbytes > 20 * sizes[1]
    assert sizes[2] == -(-coded.paths.nbytes // MOST_EXPANSION)
    np.testing.assert_array_equal(read(still).paths, still.paths)


def without(name):
    return lambda document: document.pop(name)


def having(**changes):
    return lambda document: document.update(changes)


DOCUMENTS = {
    "another key": (having(more=1), "the motion has .*'more'.*expected exactly"),
    "a missing key": (without("bend"), "expected exactly"),
    "nodes as text": (having(nodes="444"), "the motion has nodes 444"),
    "two axes of nodes": (having(nodes=[4, 4]), "the motion has nodes"),
    "half a node": (having(nodes=[4.5, 8, 5]), "the motion has nodes"),
    "true nodes": (having(nodes=[True, 8, 5]), "the motion has nodes"),
    "no nodes": (having(nodes=[0, 8, 5]), "the motion has nodes"),
    "one node on an axis of points": (having(nodes=[1, 8, 5]), "the motion has nodes"),
    "more nodes than points": (having(nodes=[33, 8, 5]), "the motion has nodes"),
    "absurdly many nodes": (having(nodes=[2**63, 8, 5]), "the motion has nodes"),
    "periodic as numbers": (having(periodic=[0, 0, 1]), "the motion is periodic"),
    "periodic with two nodes": (having(nodes=[2, 8, 5], periodic=[True] * 3), "true from 3 nodes on"),
    "no motions": (having(anchored=[]), "motions are anchored"),
    "more motions than fields": (having(anchored=[True] * 4), "motions are anchored"),
    "anchored as a number": (having(anchored=[1, 0]), "motions are anchored"),
    "an owner too high": (having(owners=[0, 1, 2]), "fields have the motions"),
    "an owner below": (having(owners=[0, -1, 1]), "fields have the motions"),
    "an owner too few": (having(owners=[0, 1]), "fields have the motions"),
    "true owners": (having(owners=[True, False, True]), "fields have the motions"),
    "a bend beyond": (having(bend=[0, 1.01, 0]), "bend of the motion"),
    "a bend that is no number": (having(bend=[0, float("nan"), 0]), "bend of the motion"),
    "a bend too many": (having(bend=[0, 0, 0, 0]), "bend of the motion"),
    "an error below": (having(largest_error=[0, -1, 0]), "largest_error of the motion"),
    "a huge error": (having(largest_error=[0, 10**400, 0]), "largest_error of the motion"),
    "an infinite error": (having(largest_error=[0, float("inf"), 0]), "largest_error of the motion"),
    "no step": (having(step=0), "the step of the motion is 0"),
    "a step that is no number": (having(step=float("nan")), "the step of the motion is nan"),
    "a huge step": (having(step=1e7), "the step of the motion"),
    "true step": (having(step=True), "the step of the motion is True"),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_wrong_document(case):
    change, message = DOCUMENTS[case]
    document = document_of(motion())
    change(document)
    with pytest.raises(ValueError, match=message) as caught:
        checked(document, GRID, FIELDS, 1)
    assert "expected" in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("document", [None, [], 3, {}])
def test_what_is_no_document_at_all(document):
    with pytest.raises(ValueError, match="expected exactly"):
        checked(document, GRID, FIELDS, 1)


def test_a_motion_is_along_one_parameter_and_has_a_gap():
    with pytest.raises(ValueError, match="beside 2 parameters; expected one"):
        checked(document_of(motion()), GRID, FIELDS, 2)
    with pytest.raises(FormatError, match="beside one encoder; expected two"):
        motion_of(tensors_of(motion()), checked(document_of(motion()), GRID, FIELDS, 1), np.zeros(1))


TENSORS = {
    "no bytes": (lambda codes: codes[:0], "claim to be"),
    "cut": (lambda codes: codes[: len(codes) // 2], "is damaged"),
    "no frame": (lambda codes: np.zeros_like(codes), "is damaged"),
    "a smaller frame": (lambda codes: padded(zstandard.compress(b"x" * 3000), len(codes)), "is not the"),
    "a larger frame": (lambda codes: padded(zstandard.compress(b"x" * 10_000_000), len(codes)), "is not the"),
    "a frame that does not say its size": (lambda codes: padded(silent(), len(codes)), "is not the|is damaged"),
}


def padded(frame, size):
    return np.frombuffer(frame.ljust(size, b"\0"), np.uint8)


def silent():
    return zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 3000)


@pytest.mark.parametrize("name", [PATHS_TENSOR, TRUST_TENSOR])
@pytest.mark.parametrize("case", TENSORS)
def test_what_is_no_motion_is_refused(name, case):
    spoil, message = TENSORS[case]
    coded = motion()
    tensors = tensors_of(coded)
    tensors[name] = spoil(tensors[name])
    with pytest.raises(FormatError, match=message):
        motion_of(tensors, checked(document_of(coded), GRID, FIELDS, 1), coded.times)


def test_no_memory_is_taken_for_what_is_only_claimed():
    grid = Grid((1 << 20,) * 3)
    document = {**document_of(motion()), "nodes": [1 << 20] * 3}
    with pytest.raises(FormatError, match="claim to be"):
        motion_of(tensors_of(motion()), checked(document, grid, FIELDS, 1), np.arange(1e6))
