"""A bound in a file: what its document says, and the stored steps beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hyperinr_core.bound import Bound
from hyperinr_core.errors import FormatError
from hyperinr_core.volume import Field, Grid

#: What a file calls the places of the steps in parameter space, the steps, and where each of their frames ends.
POSITIONS_TENSOR, CODES_TENSOR, ENDS_TENSOR = "bound_positions", "bound_codes", "bound_ends"

#: Largest number that the document may name.
MOST_NUMBER = 1e300


def document_of(bound: Bound) -> dict[str, Any]:
    """What a file's document says of a bound."""
    return {"largest_errors": list(bound.largest_errors), "units": list(bound.units)}


def checked(item: Any, grid: Grid, fields: Sequence[Field], n_parameters: int) -> dict[str, Any]:
    """The arguments of Bound that an untrusted document holds; ValueError, without a file's name, for others."""
    if not isinstance(item, dict) or set(item) != {"largest_errors", "units"}:
        raise ValueError(f"the bound is {str(item)[:60]!r}; expected largest_errors and units")
    if n_parameters != 1:
        raise ValueError(f"a bound stands beside {n_parameters} parameters; expected one, along which its steps are")
    numbers = {}
    for name, found in item.items():
        fits = isinstance(found, list) and len(found) == len(fields)
        if not fits or not all(type(each) in (int, float) and 0 < each <= MOST_NUMBER for each in found):
            raise ValueError(f"{name} of the bound are {str(found)[:60]}; expected {len(fields)} numbers above 0")
        numbers[name] = tuple(map(float, found))
    return {"shape": grid.shape, **numbers}


def tensors_of(bound: Bound) -> dict[str, np.ndarray]:
    """What a file holds of a bound beside its document."""
    return {
        POSITIONS_TENSOR: np.ascontiguousarray(bound.positions, np.float64),
        CODES_TENSOR: np.ascontiguousarray(bound.codes),
        ENDS_TENSOR: bound.ends.astype(np.uint64),
    }


def bound_of(tensors: dict[str, np.ndarray], parts: dict[str, Any], path: str) -> Bound:
    """A bound of what `checked` gave and the tensors of a file; its steps are decoded when they are asked for.

    Raises FormatError, without a file's name, where frames do not follow one another up to the last byte.
    """
    codes, ends = tensors[CODES_TENSOR], tensors[ENDS_TENSOR]
    in_order = ends.max() <= codes.size and (np.diff(ends.ravel().astype(np.int64), prepend=0) > 0).all()
    if not in_order or ends[-1, -1] != codes.size:
        raise FormatError(
            f"the frames of its bound do not follow one another up to byte {codes.size}; expected ends that increase to that, "
            "get the file again"
        )
    return Bound(positions=tensors[POSITIONS_TENSOR], codes=codes, ends=ends.astype(np.int64), path=path, **parts)
