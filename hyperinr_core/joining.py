"""Bricks that were trained apart become one model: an index that names them, once they are found to belong together."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core import hinr
from hyperinr_core.cuts import Cuts
from hyperinr_core.errors import DataError, FormatError, ParameterError
from hyperinr_core.hinr_document import INDEX_VERSION
from hyperinr_core.volume import Grid

#: What a brick's provenance has under "brick", all of which bricks that belong together have alike but for the number.
BRICK_KEYS = ("number", "counts", "overlap", "grid", "settings")

#: How many of several bricks a message names.
MOST_NAMED = 8


def folder_of(output: str | os.PathLike) -> Path:
    """Where the bricks of an index lie."""
    return Path(output).with_suffix(".bricks")


def brick_path(output: str | os.PathLike, number: int) -> Path:
    """The file of a brick, whose number is from 0; people count from 1."""
    return folder_of(output) / f"{number + 1:04d}.hinr"


def join(output: str | os.PathLike, partial: bool = False) -> dict[str, Any]:
    """Write the index of the bricks beside it.

    Parameters
    ----------
    output : the index; the bricks are in `folder_of` it.
    partial : do so although bricks are missing or damaged: points that no other has are masked.

    Returns
    -------
    The index's document.

    Raises
    ------
    DataError for bricks that do not belong together, or that are missing, and names them.
    """
    found, damaged = _headers(folder_of(output))
    if not found:
        raise DataError(
            f"{folder_of(output)} holds no whole brick{_because(damaged)}; expected 0001.hinr and so on, train them first"
        )
    first_path, first = next(iter(found.items()))
    grid, cuts = _cut_of(first_path, first)
    for path, document in found.items():
        check_alike(path, document, first_path, first)
    whole = {document["provenance"]["brick"]["number"] - 1: path for path, document in found.items()}
    missing = [number for number in range(len(cuts)) if whole.get(number) != brick_path(output, number)]
    if missing and not partial:
        raise DataError(
            f"{listed(missing)} of {len(cuts)} are missing or damaged in {folder_of(output)}{_because(damaged)}; expected all: "
            f"train them, such as with --brick {missing[0] + 1}/{len(cuts)}, or add --partial to join the others"
        )
    there = {number: found[path] for number, path in whole.items() if number not in missing}
    motion_bytes = sum(hinr.motion_bytes(brick_path(output, number)) for number in there)
    document = _document(folder_of(output).name, grid, cuts, there, motion_bytes)
    hinr.save_index(document, output)
    return document


def listed(numbers: Sequence[int]) -> str:
    """Bricks for people, who count from 1."""
    names = ", ".join(str(number + 1) for number in numbers[:MOST_NAMED])
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return f"brick{'s' * (len(numbers) > 1)} {names}{more}"


def check_alike(path: Path, document: Mapping[str, Any], first_path: Path, first: Mapping[str, Any]) -> None:
    """DataError where two bricks were not trained by the same version on the same series with the same settings."""
    for what, one, other in zip(_KINDS, _told(path, document), _told(first_path, first)):
        if one != other:
            raise DataError(
                f"{path} and {first_path} have different {what}: {_short(one)} and {_short(other)}; expected the same of all "
                "bricks, train again those that are wrong"
            )


#: What bricks must have alike, in the order of `_told`.
_KINDS = ("versions", "grids", "cuts", "settings or steps", "series", "parameters", "fields")


def _told(path: Path, document: Mapping[str, Any]) -> list[Any]:
    provenance = document["provenance"]
    brick = provenance.get("brick")
    if not isinstance(brick, dict) or not set(BRICK_KEYS) <= set(brick) or type(brick["number"]) is not int:
        raise DataError(
            f"{path} is a model and no brick of one; expected what `hyperinr train --bricks` wrote, move it away"
        )
    fields = [(field["name"], field["n_components"], field["units"]) for field in document["fields"]]
    parameters = [(each["name"], each["role"], each["bounds"], len(each["values"])) for each in document["parameters"]]
    return [
        provenance.get("software"), brick["grid"], (brick["counts"], brick["overlap"]), brick["settings"],
        provenance.get("source"), parameters, fields,
    ]  # fmt: skip


def _short(thing: Any) -> str:
    text = str(thing)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _headers(folder: Path) -> tuple[dict[Path, dict[str, Any]], dict[Path, str]]:
    """Documents of the bricks in a folder that can be read, and why others cannot."""
    found, damaged = {}, {}
    for path in sorted(folder.glob("[0-9]*.hinr")):
        document = _header(path)
        if isinstance(document, str):
            damaged[path] = document
        else:
            found[path] = document
    return found, damaged


def _header(path: Path) -> dict[str, Any] | str:
    try:
        return hinr.read_header(path)
    except FormatError as error:
        return str(error)


def _because(damaged: Mapping[Path, str]) -> str:
    return f" ({next(iter(damaged.values()))})" if damaged else ""


def _cut_of(path: Path, document: Mapping[str, Any]) -> tuple[Grid, Cuts]:
    """The whole grid, and how a brick says that it is cut."""
    _told(path, document)
    brick = document["provenance"]["brick"]
    try:
        grid = Grid(**brick["grid"])
        x, y, z = (int(n) for n in brick["counts"])
        return grid, Cuts(grid.dims, (x, y, z), int(brick["overlap"]))
    except (TypeError, ValueError, ParameterError) as error:
        raise DataError(f"{path} says wrongly of what it is a brick ({error}); train it again") from None


def _document(
    folder: str, grid: Grid, cuts: Cuts, bricks: Mapping[int, dict[str, Any]], motion_bytes: int
) -> dict[str, Any]:
    """Of the index of bricks by their numbers."""
    first = next(iter(bricks.values()))
    documents = [bricks[number] for number in sorted(bricks)]
    fields = [
        {**field, "value_range": _union([document["fields"][index]["value_range"] for document in documents])}
        for index, field in enumerate(first["fields"])
    ]
    provenance = {key: value for key, value in first["provenance"].items() if key in ("software", "source", "training")}
    return {
        "format": "hinr",
        "version": INDEX_VERSION,
        "parameters": first["parameters"],
        "grid": {name: list(getattr(grid, name)) for name in ("dims", "origin", "spacing", "direction")},
        "fields": fields,
        "bricks": {
            "folder": folder,
            "files": [f"{number + 1:04d}.hinr" if number in bricks else None for number in range(len(cuts))],
            "counts": list(cuts.counts),
            "overlap": cuts.overlap,
        },
        "mask": _mask(documents, len(cuts)),
        "motion": _motion(documents, motion_bytes),
        "provenance": {**provenance, **_periodic(documents), "training_steps": len(first["parameters"][0]["values"])},
        "quality": _quality(documents, fields),
    }


def _periodic(documents: Sequence[Mapping[str, Any]]) -> dict[str, list[bool]]:
    """Along x, y, z: whether all bricks that reach an axis's ends found that it goes on there; nothing where none looked."""
    told = [document["provenance"]["brick"].get("periodic") for document in documents]
    if not all(isinstance(each, list) and len(each) == 3 for each in told):
        return {}
    axes = [[meet for meet in axis if meet is not None] for axis in zip(*told)]
    return {"periodic": [bool(axis) and all(meet is True for meet in axis) for axis in axes]}


def _union(ranges: Sequence[Sequence[Sequence[float]]]) -> list[list[float]]:
    """Of each component from the smallest to the largest value of any brick."""
    return [[min(low for low, _ in pairs), max(high for _, high in pairs)] for pairs in zip(*ranges)]


def _mask(documents: Sequence[Mapping[str, Any]], n_bricks: int) -> dict[str, Any] | None:
    """The masked share of each field, where bricks that are missing are masked and others count by their points."""
    n_fields = len(documents[0]["fields"])
    shares = [document["mask"]["shares"] if document.get("mask") else [0.0] * n_fields for document in documents]
    points = np.array([math.prod(document["grid"]["dims"]) for document in documents], np.float64)
    there = len(documents) / n_bricks
    masked = 1 - there + there * (points @ np.array(shares)) / points.sum()
    return {"shares": masked.tolist()} if masked.any() else None


def _motion(documents: Sequence[Mapping[str, Any]], n_bytes: int) -> dict[str, Any] | None:
    """What kinds of motion bricks have, no more than there are fields, and their bytes; None where one has none."""
    if not all("motion" in document for document in documents):
        return None
    anchored = sorted({flag for document in documents for flag in document["motion"]["anchored"]})
    return {"anchored": anchored[: len(documents[0]["fields"])], "bytes": n_bytes}


def _quality(documents: Sequence[Mapping[str, Any]], fields: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """PSNR in dB of each training step over the whole field's range: of the bricks' errors, each by its points."""
    per_field = {}
    for index, field in enumerate(fields):
        per_brick = [document["quality"].get("training_psnr_db", {}).get(field["name"]) for document in documents]
        if not all(isinstance(values, list) and len(values) == len(per_brick[0] or ()) for values in per_brick):
            return {}
        errors = [_errors(document, index, values) for document, values in zip(documents, per_brick)]
        points = [math.prod(document["grid"]["dims"]) for document in documents]
        mean = np.average(errors, axis=0, weights=points)
        per_field[field["name"]] = [_decibels(error, _extent(field["value_range"])) for error in mean]
    return {"training_psnr_db": per_field}


def _errors(document: Mapping[str, Any], index: int, decibels: Sequence[float | None]) -> list[float]:
    """Mean squared errors of a brick's field on its training steps, of PSNR over its own range."""
    extent = _extent(document["fields"][index]["value_range"])
    return [0.0 if value is None else extent**2 * 10 ** (-value / 10) for value in decibels]


def _extent(ranges: Sequence[Sequence[float]]) -> float:
    return max(high for _, high in ranges) - min(low for low, _ in ranges)


def _decibels(error: float, extent: float) -> float | None:
    return round(-10 * math.log10(error / extent**2), 3) if error > 0 < extent else None
