"""Damaged and malicious `.hinr` files, and what becomes of them.

`python tests/hostile.py FIRST COUNT FOLDER` opens that many mutations of good files in one process and prints one JSON object.
A mutation is a number: the same number is the same file, so that a file that brought a process down can be made again.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import struct
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
from bound_models import bounded_model
from masked import masked_model, wall
from models import based_model, random_model
from moving_models import moving_model
from radiance_models import ball_model

from hyperinr_core import hinr
from hyperinr_core.config import EncodingConfig
from hyperinr_core.errors import FormatError
from hyperinr_core.lean import lean
from hyperinr_core.loading import load_any
from hyperinr_core.radiance import file
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.stored_tables import WORTH_IT
from hyperinr_core.table_coding import encode_best
from hyperinr_core.volume import Field, Parameter

#: Seconds that opening a file and sampling it may take.
LONGEST = 2

#: Memory that opening a file may take: so many times its size, and so many bytes besides.
MOST_TIMES, MOST_BESIDES = 6, 4 << 20

LIGHTS = (
    Parameter("azimuth", "light_azimuth", (0.0, 360.0), "deg"),
    Parameter("polar", "light_polar", (0.0, 180.0), "deg"),
)
VIEWS = (
    Parameter("phi", "view_azimuth", (0.0, 360.0), "deg", (0.0, 100.0)),
    Parameter("theta", "view_elevation", (-90.0, 90.0), "deg", (-10.0, 40.0)),
)
SMALL = {"n_levels": 3, "log2_hashmap_size": 6}

#: What stands in for a value of the header or of the document.
ABSURD = (
    -1, 0, 1, 1.5, 2**31, 2**63, 2**64 + 1, 10**400, -(10**18), 1e308, float("nan"), float("inf"), "", "x" * 5000, "F64", "\0",
    None, True, [], {}, [[]] * 50, [1e30] * 3,
)  # fmt: skip


def good_files(folder: Path) -> list[bytes]:
    """A small file of every kind."""
    vector = (Field("a", 1, ((0.0, 1.0),)), Field("v", 3, ((-1.0, 1.0),) * 3, "m/s"))
    models = [
        random_model((6, 5, 4), encoding=EncodingConfig(**SMALL)),
        random_model((6, 5, 4), fields=vector, encoding=EncodingConfig(**SMALL)),
        based_model((6, 5, 4), encoding=EncodingConfig(**SMALL)),
        random_model((6, 5, 4), LIGHTS, encoding=EncodingConfig(**SMALL), interpolation="barycentric", n_encoders=9),
        random_model((6, 5, 4), LIGHTS, encoding=EncodingConfig(**SMALL, guide_resolution=8), n_encoders=9),
        random_model((8, 6, 1), VIEWS, (Field("rgb", 3, ((0.0, 255.0),) * 3),), 6, encoding=EncodingConfig(2, **SMALL)),
        masked_model(wall, dims=(6, 5, 4), encoding=EncodingConfig(**SMALL)),
        moving_model(dims=(9, 8, 7), periodic=(True, False, False), encoding=EncodingConfig(**SMALL)),
        moving_model(masked_model(wall, names=("a",), dims=(6, 5, 4), fields=vector, encoding=EncodingConfig(**SMALL))),
        bounded_model(dims=(9, 8, 7), fields=vector, encoding=EncodingConfig(**SMALL)),
        bounded_model(moving_model(masked_model(wall, 5, dims=(9, 8, 7), encoding=EncodingConfig(**SMALL)))),
    ]
    files = []
    for number, model in enumerate([*models, models[0], lean(models[-2], 20), lean(models[-1], 20)]):
        model = dataclasses.replace(model, provenance={"source": "here", "training": {"samples": 3}})
        path = folder / f"good{number}.hinr"
        tables, grid = model.encoder_params, model.architecture.hash_grid
        coded = encode_best(tables, grid, [0.05] * 3, True, alone=number > len(models))
        hinr.save(model, path, coded if number >= len(models) else None)
        files.append(path.read_bytes())
    for number, times in enumerate((False, True)):
        path = folder / f"ball{number}.hinr"
        file.save(ball_model(times, opacity=times, n=8), path)
        files.append(path.read_bytes())
    return files


def mutation(number: int, files: list[bytes]) -> bytes:
    """The damaged file of a number."""
    rng = np.random.default_rng(number)
    data = files[rng.integers(len(files))]
    return WAYS[number % len(WAYS)](bytearray(data), rng)


def flip_bits(data: bytearray, rng: np.random.Generator) -> bytes:
    for place in rng.integers(0, len(data), rng.integers(1, 9)):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def flip_bits_of_the_header(data: bytearray, rng: np.random.Generator) -> bytes:
    for place in rng.integers(0, 8 + _header_size(data), rng.integers(1, 4)):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def cut(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data[: rng.integers(0, len(data))])


def append(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data) + rng.bytes(int(rng.integers(1, 4000)))


def lie_about_the_length(data: bytearray, rng: np.random.Generator) -> bytes:
    lengths = (0, 1, 7, _header_size(data) + int(rng.integers(-9, 9)), len(data), 2**31, 2**63, 2**64 - 1)
    data[:8] = struct.pack("<Q", max(lengths[rng.integers(len(lengths))], 0))
    return bytes(data)


def spoil_numbers(data: bytearray, rng: np.random.Generator) -> bytes:
    """NaN, infinity, huge or any bytes in the place of tensors."""
    start = 8 + _header_size(data)
    place = int(rng.integers(start, len(data)))
    kinds = (b"\x00\x7e", b"\x00\x7c", b"\xff\xff\x7f\x7f", b"\x00\x00\xc0\x7f", rng.bytes(64), b"\0" * 64)
    spoiled = kinds[rng.integers(len(kinds))]
    place -= (place - start) % 8
    data[place : place + len(spoiled)] = spoiled[: len(data) - place]
    return bytes(data)


def change_the_header(data: bytearray, rng: np.random.Generator) -> bytes:
    """Another type, shape or place of a tensor, so that tensors overlap, or lie outside, or are others."""
    header = _header(data)
    names = [name for name in header if name != "__metadata__"]
    name = names[rng.integers(len(names))]
    other = names[rng.integers(len(names))]
    kind = int(rng.integers(6))
    if kind == 0:
        header[name]["data_offsets"] = header[other]["data_offsets"]
    elif kind == 1:
        header[name]["shape"][int(rng.integers(len(header[name]["shape"])))] = int(rng.choice([0, 1, 2**31, 2**40]))
    elif kind == 2:
        header[name]["dtype"] = str(rng.choice(["F64", "F32", "F16", "U8", "BF16", "I64", "BOOL", "F8_E4M3"]))
    elif kind == 3:
        header[f"{name}{'x' * int(rng.integers(2))}"] = header.pop(name)
    elif kind == 4:
        header[name]["data_offsets"] = [int(x) for x in rng.integers(0, 2 * len(data), 2)]
    else:
        header[name][str(rng.choice(["dtype", "shape", "data_offsets"]))] = ABSURD[rng.integers(len(ABSURD))]
    return _with_header(data, json.dumps(header))


def change_the_document(data: bytearray, rng: np.random.Generator) -> bytes:
    """One value of the document replaced by something absurd, or left out."""
    header = _header(data)
    document = json.loads(header["__metadata__"]["hinr"])
    places = list(_places(document))
    owner, key = places[rng.integers(len(places))]
    if rng.random() < 0.1:
        del owner[key]
    else:
        owner[key] = ABSURD[rng.integers(len(ABSURD))]
    header["__metadata__"]["hinr"] = json.dumps(document)
    return _with_header(data, json.dumps(header))


def repeat_a_key(data: bytearray, rng: np.random.Generator) -> bytes:
    header = _header(data)
    text = header["__metadata__"]["hinr"]
    if rng.random() < 0.5:
        keys = list(json.loads(text))
        header["__metadata__"]["hinr"] = f'{{"{keys[rng.integers(len(keys))]}": 1, ' + text[1:]
        return _with_header(data, json.dumps(header))
    names = list(header)
    name = names[rng.integers(len(names))]
    return _with_header(data, f'{{"{name}": {json.dumps(header[name])}, ' + json.dumps(header)[1:])


def nest_deeply(data: bytearray, rng: np.random.Generator) -> bytes:
    depth = int(rng.choice([100, 2000, 100_000]))
    opening, closing = (("[", "]"), ('{"a":', "}"))[rng.integers(2)]
    nested = opening * depth + "1" + closing * depth
    header = _header(data)
    if rng.random() < 0.3:
        return _with_header(data, json.dumps(header)[:-1] + f', "deep": {nested}}}')
    text = header["__metadata__"]["hinr"]
    key = str(rng.choice(["provenance", "quality", "grid", "base"]))
    document = json.loads(text)
    document[key] = "HERE"
    header["__metadata__"]["hinr"] = json.dumps(document).replace('"HERE"', nested)
    return _with_header(data, json.dumps(header))


WAYS = (
    flip_bits, flip_bits_of_the_header, cut, append, lie_about_the_length, spoil_numbers, change_the_header,
    change_the_document, change_the_document, repeat_a_key, nest_deeply,
)  # fmt: skip


def _header_size(data: bytearray) -> int:
    return struct.unpack("<Q", data[:8])[0]


def _header(data: bytearray) -> dict:
    return json.loads(bytes(data[8 : 8 + _header_size(data)]))


def _with_header(data: bytearray, text: str) -> bytes:
    header = text.encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + bytes(data[8 + _header_size(data) :])


def _places(value) -> list[tuple]:
    """Every (owner, key) in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, part in items for place in ((value, key), *_places(part))]


class TooLong(Exception):
    """A file took longer than it may."""


def verdict(path: Path, measured: bool = True) -> str:
    """ "refused", or "opened" when it could be sampled; AssertionError for anything else.

    A file whose change harms nothing, such as another bit in a table, is still a good one.

    Parameters
    ----------
    measured : whether memory is looked at, for which tracemalloc must have been started.
    """
    size = path.stat().st_size
    hinr.WORTH_IT = 0 if size % 2 else WORTH_IT  # the tables of every other file stay in it until they are used
    if measured:
        tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        sampled(load_any(path))
    except FormatError as error:
        assert str(path) in str(error) and "\n" not in str(error).strip(), f"no clear sentence: {error}"
        found = "refused"
    else:
        found = "opened"
    peak = tracemalloc.get_traced_memory()[1] - before
    assert peak <= MOST_TIMES * size + MOST_BESIDES, f"{peak} bytes of memory for a file of {size}"
    return found


def sampled(model) -> None:
    """Values at a few points and of a few grid points, in the middle of the parameters and at their ends."""
    if isinstance(model, RadianceModel):  # its scenes are checked when they are seen
        bounds = np.array([parameter.bounds for parameter in model.parameters])
        for theta in (bounds[:, 0], bounds.mean(axis=1), bounds[:, 1]):
            assert model.picture(np.clip(theta, *bounds.T), (8, 6)).shape[:2] == (6, 8)
        return
    bounds = model.theta_bounds
    grid = model.grid.with_dims(tuple(min(n, 4) for n in model.grid.dims))
    for theta in (bounds[:, 0], bounds.mean(axis=1), bounds[:, 1]):
        inr = model.generate(np.clip(theta, *bounds.T), "native")
        assert inr.sample_grid(grid).shape[:3] == grid.shape
        assert len(inr.sample(np.random.default_rng(0).random((5, model.encoding.n_pos_dims)))) == 5


def main(first: int, count: int, folder: Path) -> None:
    """Open mutations and say what became of them."""
    import resource  # which Windows has not, where the files alone are used

    files = good_files(folder)
    path, numbers = folder / "mutation.hinr", folder / "number.txt"
    found, longest = Counter(), 0.0

    def too_long(*_):
        raise TooLong(f"more than {LONGEST} s")

    for good in files:  # what is loaded and compiled at the first use is not a file's doing
        path.write_bytes(good)
        sampled(load_any(path))
    signal.signal(signal.SIGALRM, too_long)
    tracemalloc.start()
    for good in files:
        path.write_bytes(good)
        assert verdict(path) == "opened"
    for number in range(first, first + count):
        numbers.write_text(str(number))  # which one it was, should the process die
        path.write_bytes(mutation(number, files))
        signal.setitimer(signal.ITIMER_REAL, LONGEST)
        begin = time.perf_counter()
        with np.errstate(all="ignore"):  # numbers that overflow harm nobody
            found[verdict(path)] += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        longest = max(longest, time.perf_counter() - begin)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**found, "slowest_s": round(longest, 3), "resident_mb": round(resident)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
