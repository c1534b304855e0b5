"""Reading and writing `.hinr` files of radiance fields. `docs/hinr-format.md` is the specification."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from hyperinr_core.errors import FormatError, HyperINRError
from hyperinr_core.hinr import opened, text_of, write
from hyperinr_core.hinr_document import (
    RADIANCE_VERSION,
    document_in,
    list_of,
    number_of,
    parameter_of,
    require,
    typed,
)
from hyperinr_core.packing import MOST_EXPANSION, packed, unpacked
from hyperinr_core.pictures.picture_set import Optics
from hyperinr_core.radiance import carrying, coding
from hyperinr_core.radiance.field import RadianceField
from hyperinr_core.radiance.grids import MOST_DIM
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.radiance.voxels import VOXELS

#: Most pixels along a side, and most scenes of a file.
MOST_PIXELS, MOST_SCENES = 1 << 14, 1 << 16

#: Largest coordinate and spacing of a scene, and magnitude of a colour.
MOST_LENGTH, MOST_COLOR = 1e6, 1e6

#: The tensor of paths between scenes.
MOTION = "motion"

#: Decoded scenes that are kept.
N_KEPT = 3

_KEYS = {"format", "version", "parameters", "size", "optics", "background", "scenes", "limits", "provenance", "quality"}


class CodedScenes(Sequence[RadianceField]):
    """Fields that are decoded when they are asked for; FormatError then for one that is damaged.

    Attributes
    ----------
    entries : what the document says of each. codes : which blocks of each are stored, and their numbers.
    limits : what the numbers stand for.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        entries: list[dict[str, Any]],
        codes: list[tuple[np.ndarray, np.ndarray]],
        limits: np.ndarray,
    ) -> None:
        self._path, self.entries, self.codes, self.limits = path, entries, codes, limits
        self._decoded = lru_cache(N_KEPT)(self._decode)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        return self._decoded(number % len(self))

    def _decode(self, number: int) -> RadianceField:
        entry, (blocks, numbers) = self.entries[number], self.codes[number]
        try:
            index = coding.decode_index(blocks, entry["dims"], entry["n_blocks"])
            values = coding.decode_values(numbers, entry["n_blocks"], self.limits)
        except FormatError as error:
            raise FormatError(f"{self._path} cannot be used: {error}") from None
        light = entry.get("light", 0.0)
        return RadianceField(entry["origin"], entry["spacing"], entry["dims"], index, values, light)


def coded(model: RadianceModel, path: str | os.PathLike) -> RadianceModel:
    """The model as a file gives it, its numbers rounded to 64 steps."""
    return dataclasses.replace(model, scenes=_coded(model, path))


def _coded(model: RadianceModel, path: str | os.PathLike) -> CodedScenes:
    if isinstance(model.scenes, CodedScenes):
        return model.scenes
    fields = [coding.tidied(field) for field in model.scenes]
    limits = coding.limits_of(fields)
    entries = [
        {"origin": f.origin, "spacing": f.spacing, "dims": f.dims, "n_blocks": len(f.values)}
        | ({"light": f.light} if f.light else {})
        for f in fields
    ]
    return CodedScenes(path, entries, [coding.encode(field, limits) for field in fields], limits)


def save(model: RadianceModel, path: str | os.PathLike) -> None:
    """Write a model, as `coded` has it. The name holds the old file or the new one, never half.

    Raises
    ------
    DataError when the file cannot be written; FormatError for a model that could not be read again.
    """
    scenes = _coded(model, path)
    parts = {
        "format": "hinr",
        "version": RADIANCE_VERSION,
        "parameters": [dataclasses.asdict(parameter) for parameter in model.parameters],
        "size": list(model.size),
        "optics": dataclasses.asdict(model.optics),
        "background": model.background is not None,
        "scenes": scenes.entries,
        "limits": scenes.limits.tolist(),
        "provenance": model.provenance,
        "quality": model.quality,
    }
    if model.paths is not None:
        parts["motion"] = carrying.document_of(model.paths)
    document = text_of(path, parts)
    _read(path, json.loads(document))
    tensors = {"scene_positions": np.ascontiguousarray(model.positions, np.float64)}
    for number, codes in enumerate(scenes.codes):
        tensors[f"blocks_{number}"], tensors[f"numbers_{number}"] = codes
    if model.paths is not None:
        tensors[MOTION] = carrying.codes_of(model.paths)
    if model.background is not None:
        tensors["background"] = packed(model.background, "background is")
    write(path, tensors, document)


def load(path: str | os.PathLike) -> RadianceModel:
    """Read a model, checking everything before memory is taken for it; a scene is decoded when it is first seen.

    Raises
    ------
    FormatError with one sentence: the path, what was found, what was expected.
    """
    with opened(path) as file:
        parts = _read(path, document_in(path, file.metadata()))
        entries, limits, n_others = parts.pop("scenes"), parts.pop("limits"), len(parts["parameters"]) - 2
        motion = parts.pop("motion")
        optional = [name for name, there in (("background", parts["background"]), (MOTION, motion)) if there]
        _check_tensors(path, file, len(entries), n_others, optional)
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    positions = tensors["scene_positions"]
    require(np.isfinite(positions).all(), path, "scene_positions holds NaN or infinity", "finite numbers")
    increasing = n_others != 1 or (np.diff(positions[:, 0]) > 0).all()
    require(increasing, path, "scene_positions do not increase", "increasing positions")
    codes = [(tensors[f"blocks_{number}"], tensors[f"numbers_{number}"]) for number in range(len(entries))]
    for entry, (_, numbers) in zip(entries, codes):
        size = len(coding.USED) * VOXELS * entry["n_blocks"]
        require(size <= MOST_EXPANSION * numbers.size, path, f"a scene claims to be {size} bytes", "fewer")
    width, height = parts["size"]
    background = paths = None
    try:
        if parts["background"]:
            background = unpacked(tensors["background"], 3 * width * height, "background is", "its pixels")
        if motion:
            paths = carrying.decoded(tensors[MOTION], len(entries) - 1, **motion)
    except FormatError as error:
        raise FormatError(f"{path} cannot be used: {error}") from None
    parts["background"] = None if background is None else background.reshape(height, width, 3)
    try:
        return RadianceModel(
            **parts, positions=positions, scenes=CodedScenes(path, entries, codes, limits), paths=paths
        )
    except HyperINRError as error:
        raise FormatError(f"{path} cannot be used: {error}; train it again") from None


def read_header(path: str | os.PathLike) -> dict[str, Any]:
    """The JSON document of a file, checked, without reading its tensors."""
    with opened(path) as file:
        document = document_in(path, file.metadata())
    _read(path, document)
    return document


def is_radiance(path: str | os.PathLike) -> bool:
    """Whether a file holds radiance fields; FormatError for one that is no `.hinr` file."""
    with opened(path) as file:
        return document_in(path, file.metadata())["version"] == RADIANCE_VERSION


def _read(path: str | os.PathLike, document: dict[str, Any]) -> dict[str, Any]:
    """What a document holds, each part checked."""
    version = document["version"]
    require(version == RADIANCE_VERSION, path, f"format version is {version}", f"{RADIANCE_VERSION}, radiance fields")
    keys = set(document) - {"motion"}  # which only some have
    require(keys == _KEYS, path, f"its document has keys {sorted(map(str, document))}", f"exactly {sorted(_KEYS)}")
    try:
        parts = {
            "parameters": tuple(parameter_of(item) for item in list_of(document["parameters"], 2, 64)),
            "size": tuple(_whole(n, 1, MOST_PIXELS) for n in list_of(document["size"], 2, 2)),
            "optics": _optics(document["optics"]),
            "background": typed(document["background"], bool),
            "scenes": [_scene(item) for item in list_of(document["scenes"], 1, MOST_SCENES)],
            "limits": _limits(document["limits"]),
            "provenance": typed(document["provenance"], dict),
            "quality": typed(document["quality"], dict),
            "motion": _motion(document["motion"]) if "motion" in document else None,
        }
    except (HyperINRError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise FormatError(f"{path} has a document that does not hold together: {error}") from None
    names = [parameter.name for parameter in parts["parameters"]]
    require(len(set(names)) == len(names), path, f"two parameters share a name in {names}", "different names")
    alone = len(names) > 2 or len(parts["scenes"]) == 1
    along = parts["motion"] is None or len(names) == 3
    require(along, path, f"a motion stands beside {len(names) - 2} parameters besides the view's", "one")
    require(alone, path, f"it has {len(parts['scenes'])} scenes and no parameter besides the view", "one scene")
    return parts


def _whole(item: Any, least: int, most: int) -> int:
    if type(item) is not int or not least <= item <= most:
        raise ValueError(f"found {str(item)[:60]!r}; expected a whole number from {least} to {most}")
    return item


def _keyed(item: Any, keys: set[str]) -> dict[str, Any]:
    if not isinstance(item, dict) or set(item) != keys:
        raise ValueError(f"found {str(item)[:60]!r}; expected an object with {sorted(keys)}")
    return item


def _optics(item: Any) -> Optics:
    item = _keyed(item, {"view_angle", "turn", "tilt"})
    angle, turn, tilt = number_of(item["view_angle"]), item["turn"], item["tilt"]
    if not 0 <= angle < 170 or (type(turn), type(tilt)) != (int, int) or abs(turn) != 1 or abs(tilt) != 1:
        raise ValueError(f"the optics are {str(item)[:80]}; expected 0 to 170 degrees, and 1 or -1")
    return Optics(angle, turn, tilt)


def _scene(item: Any) -> dict[str, Any]:
    keys = {"origin", "spacing", "dims", "n_blocks"}
    item = _keyed(item, keys | {"light"} if "light" in item else keys)
    light = number_of(item.get("light", 0.0))
    if abs(light) > 90:
        raise ValueError(f"a scene's light is {light:g}; expected -90 to 90 degrees")
    spacing, dims = number_of(item["spacing"]), [_whole(n, 2, MOST_DIM) for n in list_of(item["dims"], 3, 3)]
    if not 1 / MOST_LENGTH <= spacing <= MOST_LENGTH:
        raise ValueError(f"a scene's spacing is {spacing:g}; expected {1 / MOST_LENGTH:g} to {MOST_LENGTH:g}")
    return {
        "origin": tuple(number_of(n, MOST_LENGTH) for n in list_of(item["origin"], 3, 3)),
        "spacing": spacing,
        "dims": tuple(dims),
        "n_blocks": _whole(item["n_blocks"], 0, coding.n_blocks_of(dims)),
        **({"light": light} if "light" in item else {}),
    }


def _motion(item: Any) -> dict[str, Any]:
    item = _keyed(item, {"origin", "spacing", "dims", "step"})
    spacing, step = number_of(item["spacing"]), number_of(item["step"])
    if not (1 / MOST_LENGTH <= spacing <= MOST_LENGTH and 0 < step <= MOST_LENGTH):
        raise ValueError(f"the motion is {str(item)[:80]}; expected a spacing and a step above 0, to {MOST_LENGTH:g}")
    return {
        "origin": tuple(number_of(n, MOST_LENGTH) for n in list_of(item["origin"], 3, 3)),
        "spacing": spacing,
        "dims": tuple(_whole(n, 1, MOST_DIM) for n in list_of(item["dims"], 3, 3)),
        "step": step,
    }


def _limits(item: Any) -> np.ndarray:
    pairs = [list_of(pair, 2, 2) for pair in list_of(item, len(coding.USED), len(coding.USED))]
    limits = np.array([[number_of(n, MOST_COLOR) for n in pair] for pair in pairs])
    if (limits[:, 1] < limits[:, 0]).any():
        raise ValueError("limits go from larger to smaller numbers; expected the smaller number first")
    return limits


def _check_tensors(path: str | os.PathLike, file: Any, n_scenes: int, n_others: int, optional: Sequence[str]) -> None:
    coded = [f"{what}_{number}" for number in range(n_scenes) for what in ("blocks", "numbers")]
    names = set(file.keys())
    expected = {"scene_positions", *coded, *optional}
    require(names == expected, path, f"it holds tensors {sorted(names)[:8]}", f"exactly {sorted(expected)[:8]}")
    for name in sorted(names):
        part = file.get_slice(name)
        kind, shape = ("F64", [n_scenes, n_others]) if name == "scene_positions" else ("U8", None)
        fits = part.get_dtype() == kind and (part.get_shape() == shape if shape else len(part.get_shape()) == 1)
        require(fits, path, f"{name} is {part.get_dtype()} {part.get_shape()}", f"{kind} {shape or '[bytes]'}")
