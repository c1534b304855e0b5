"""The JSON document of an index of bricks, format version 4, and every check of one that cannot be trusted."""

from __future__ import annotations

import os
from typing import Any

from hyperinr_core.cuts import Cuts
from hyperinr_core.errors import FormatError, HyperINRError
from hyperinr_core.hinr_document import MAX_DIM, check_names, list_of, name_of, number_of, told, typed
from hyperinr_core.volume import Grid


def read_index(path: str | os.PathLike, document: dict[str, Any]) -> dict[str, Any]:
    """What the document of an index of bricks holds, each checked: the arguments of `Bricks` but for its path."""
    try:
        parts = told(document)
        parts |= _bricks(document["bricks"], parts["grid"])
        parts["mask"] = _shares(document["mask"], len(parts["fields"]))
        parts["motion"] = _motion_of_bricks(document["motion"], len(parts["fields"]))
    except (HyperINRError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise FormatError(f"{path} has a document that does not hold together: {error}") from None
    check_names(path, parts)
    return parts


def _bricks(item: Any, grid: Grid) -> dict[str, Any]:
    """The folder, its files, and how the grid is cut."""
    if not isinstance(item, dict) or set(item) != {"folder", "files", "counts", "overlap"}:
        raise ValueError("bricks have other keys than folder, files, counts and overlap; expected these")
    counts, overlap = list_of(item["counts"], 3, 3), item["overlap"]
    if not all(type(n) is int and 1 <= n <= MAX_DIM for n in (*counts, overlap)):
        raise ValueError(f"bricks have counts {counts} and overlap {overlap!r}; expected numbers from 1 to {MAX_DIM}")
    cuts = Cuts(grid.dims, (counts[0], counts[1], counts[2]), overlap)
    files = list_of(item["files"], len(cuts), len(cuts))
    if not any(files):
        raise ValueError("no brick has a file; expected one at least")
    names = [None if name is None else _file_name(name) for name in files]
    return {"folder": _file_name(item["folder"]), "files": names, "cuts": cuts}


def _file_name(item: Any) -> str:
    """A name that cannot lead out of the folder that it is in, on any system."""
    if name_of(item) in (".", "..") or set(item) & set("/\\:\0"):
        raise ValueError(f"bricks lie in {item[:60]!r}; expected the name of a file or folder, without a path")
    return item


def _shares(item: Any, n_fields: int) -> list[float] | None:
    if item is None:
        return None
    if not isinstance(item, dict) or set(item) != {"shares"}:
        raise ValueError("a mask of bricks has other keys than shares; expected null or these")
    shares = [number_of(share) for share in list_of(item["shares"], n_fields, n_fields)]
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"masked shares are {shares[:16]}; expected numbers from 0 to 1")
    return shares


def _motion_of_bricks(item: Any, n_fields: int) -> dict[str, Any] | None:
    if item is None:
        return None
    if not isinstance(item, dict) or set(item) != {"anchored", "bytes"}:
        raise ValueError("a motion of bricks has other keys than anchored and bytes; expected null or these")
    anchored = tuple(typed(flag, bool) for flag in list_of(item["anchored"], 1, n_fields))
    if not 0 <= typed(item["bytes"], int) < 1 << 63:
        raise ValueError(f"the motion of bricks has {item['bytes']} bytes; expected a number from 0 on")
    return {"anchored": anchored, "bytes": item["bytes"]}
