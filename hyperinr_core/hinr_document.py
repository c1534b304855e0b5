"""The JSON document of a `.hinr` file: what it says of a model, and every check of one that cannot be trusted."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hyperinr_core import bound_coding, mask_coding, motion_coding
from hyperinr_core.architecture import Architecture
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import DataError, FormatError, HyperINRError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.shift import columns, shifts_of
from hyperinr_core.spaces import check_interpolation
from hyperinr_core.spaces.sphere import LIGHT_ROLES
from hyperinr_core.spline_base import Base
from hyperinr_core.table_coding import coding_in
from hyperinr_core.volume import Field, Grid, Parameter

#: The version of an index of bricks, and that of a file that holds radiance fields in place of a HyperINR (radiance/file.py).
#: A file of one model with a bound, or whose tables are coded level by level, is of version 6; another is of version 3 where it
#: holds a motion, else of 2 where it holds a mask, else of 1.
INDEX_VERSION, RADIANCE_VERSION, COMPACT_VERSION = 4, 5, 6

#: The newest version that this reads.
NEWEST_VERSION = COMPACT_VERSION

#: Most points a stored grid may have along an axis, and most bytes of the JSON document.
MAX_DIM = 1 << 20
MAX_DOCUMENT = 1 << 24

#: Most fields of a file.
MAX_FIELDS = 1024

#: Largest magnitude of any number, and of the values of fields, which are float64 where float32 has no room for them.
MAX_NUMBER, MAX_VALUE = float(np.finfo(np.float32).max), 1e300

#: How many times as long as the shortest the longest side of a box with a guide may be.
MOST_SIDES = 1e6

_KEYS = {
    "format", "version", "parameters", "grid", "fields", "encoding", "network", "interpolation", "base", "guide",
    "provenance", "quality",
}  # fmt: skip
_INDEX_KEYS = {"format", "version", "parameters", "grid", "fields", "bricks", "mask", "motion", "provenance", "quality"}
_ROLES = ("time", "light_azimuth", "light_polar", "free")


def check_limits(parameters: Sequence[Parameter], grid: Grid, fields: Sequence[Field]) -> None:
    """Raise DataError for what no file can hold, before a model of it is trained."""
    try:
        for items, read in ((parameters, parameter_of), ((grid,), _grid), (fields, _field)):
            for item in items:
                read(json.loads(json.dumps(dataclasses.asdict(item))))
        list_of(list(fields), 0, MAX_FIELDS)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"the data does not fit into a .hinr file: {error}; leave out or rename what does not"
        ) from None


def document_of(model: HyperINR) -> dict[str, Any]:
    """What a file says of a model."""
    document = {
        "format": "hinr",
        "version": 1,
        "parameters": [dataclasses.asdict(parameter) for parameter in model.parameters],
        "grid": dataclasses.asdict(model.grid),
        "fields": [dataclasses.asdict(field) for field in model.fields],
        "encoding": model.encoding.to_dict(),
        "network": model.network.to_dict(),
        "interpolation": model.interpolation,
        "base": None if model.base is None else _base_document(model.base),
        "guide": {"diameter": model.guide.diameter} if model.guide else None,
        "provenance": model.provenance,
        "quality": model.quality,
    }
    if model.mask is not None:
        document |= {"version": 2, "mask": mask_coding.document_of(model.mask)}
    if model.motion is not None:
        document |= {"version": 3, "motion": motion_coding.document_of(model.motion)}
    if model.bound is not None:
        document |= {"version": COMPACT_VERSION, "bound": bound_coding.document_of(model.bound)}
    return document


def _base_document(base: Base) -> dict[str, Any]:
    return {
        "components": list(base.components),
        "limits": base.limits.tolist(),
        "residual": base.residual.tolist(),
        "interpolation": base.interpolation,
    }


def document_in(path: str | os.PathLike, metadata: dict[str, str] | None) -> dict[str, Any]:
    """The document that a file's metadata hold, of whatever version; FormatError for anything else."""
    text = (metadata or {}).get("hinr", "")
    require(text, path, "it has no 'hinr' document", "a .hinr file, not any safetensors file")
    require(len(text) <= MAX_DOCUMENT, path, f"its document has {len(text)} characters", f"at most {MAX_DOCUMENT}")
    try:
        document = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(
            f"{path}: its document is not valid JSON ({error}); expected one written by HyperINR"
        ) from None
    require(isinstance(document, dict) and document.get("format") == "hinr", path, "format is not 'hinr'", "'hinr'")
    version = document.get("version")
    require(type(version) is int and version >= 1, path, f"version is {version!r}", "a whole number")
    newest = f"at most {NEWEST_VERSION}; update HyperINR to open it"
    require(version <= NEWEST_VERSION, path, f"format version is {version}", newest)
    return document


def parse(path: str | os.PathLike, metadata: dict[str, str] | None) -> dict[str, Any]:
    """The document of a HyperINR that a file's metadata hold, with the keys of its version; FormatError for another."""
    document = document_in(path, metadata)
    version = document["version"]
    require(
        version != RADIANCE_VERSION,
        path,
        "it holds radiance fields",
        "a HyperINR; `hyperinr view` and ParaView show these",
    )
    keys = sorted(map(str, document))
    # version 2 always has a mask, version 3 a motion and perhaps a mask, version 6 perhaps these and a bound
    expected = _KEYS | {name for name, since in (("mask", 2), ("motion", 3)) if version == since}
    optional = {"tables"} | {3: {"mask"}, 6: {"mask", "motion", "bound"}}.get(version, set())
    if version == INDEX_VERSION:
        expected, optional = _INDEX_KEYS, set()
    require(
        set(keys) - optional == expected,
        path, f"its document has keys {keys}", f"exactly {sorted(expected)}",
    )  # fmt: skip
    return document


def read_document(path: str | os.PathLike, document: dict[str, Any]) -> dict[str, Any]:
    """The arguments of HyperINR that the document holds, each checked, its tables' coding, its architecture, and its newness."""
    is_compact = document["version"] == COMPACT_VERSION
    try:
        parts = {
            "encoding": EncodingConfig.from_dict(document["encoding"]),
            "network": NetworkConfig.from_dict(document["network"]),
            **told(document),
            "interpolation": document["interpolation"],
            "tables": coding_in(document.get("tables"), document["encoding"]["n_levels"], is_compact),
            "guide": _guide(document["guide"]),
            "mask": mask_coding.n_sheets_of(document["mask"], len(document["fields"])) if "mask" in document else None,
            "motion": None,
            "bound": None,
            "is_compact": is_compact,
        }
        roles = [parameter.role for parameter in parts["parameters"]]
        check_interpolation(parts["interpolation"], roles)
        if "motion" in document:
            parts["motion"] = motion_coding.checked(document["motion"], parts["grid"], parts["fields"], len(roles))
        if "bound" in document:
            parts["bound"] = bound_coding.checked(document["bound"], parts["grid"], parts["fields"], len(roles))
        architecture = Architecture.of(parts["encoding"], parts["network"], parts["fields"])
        parts["base"] = _base(document["base"], roles, architecture.n_outputs)
        _check_base(parts)
        _check_guide(parts, roles)
        _ = architecture.hash_grid  # refuses levels finer than an index can reach
        parts["architecture"] = architecture
    except (HyperINRError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise FormatError(f"{path} has a document that does not hold together: {error}") from None
    check_names(path, parts)
    require(
        parts["encoding"].n_pos_dims == 3 or parts["grid"].dims[2] == 1,
        path, f"a plane's encoding stands on a grid of dims {parts['grid'].dims}", "nz = 1",
    )  # fmt: skip
    return parts


def told(document: dict[str, Any]) -> dict[str, Any]:
    """What the documents of models and of indices have in common."""
    return {
        "parameters": tuple(parameter_of(item) for item in list_of(document["parameters"], 1, 64)),
        "grid": _grid(document["grid"]),
        "fields": tuple(_field(item) for item in list_of(document["fields"], 1, MAX_FIELDS)),
        "provenance": typed(document["provenance"], dict),
        "quality": typed(document["quality"], dict),
    }


def check_names(path: str | os.PathLike, parts: dict[str, Any]) -> None:
    for kind, items in (("parameter", parts["parameters"]), ("field", parts["fields"])):
        names = [item.name for item in items]
        require(len(set(names)) == len(names), path, f"two {kind}s share a name in {names}", "different names")


def parameter_of(item: Any) -> Parameter:
    """A parameter that the document holds; KeyError, TypeError or ValueError for anything else."""
    _keys(item, Parameter)
    low, high = _pair(item["bounds"])
    values = tuple(number_of(value) for value in list_of(item["values"], 0, 1 << 20))
    role = typed(item["role"], str)
    if role not in _ROLES and not role.startswith("view_"):
        raise ValueError(f"parameter role is {role!r}; expected one of {', '.join(_ROLES)}, or view_...")
    return Parameter(name_of(item["name"]), role, (low, high), typed(item["units"], str), values)


def _field(item: Any) -> Field:
    _keys(item, Field)
    n_components = item["n_components"]
    if type(n_components) is not int or not 1 <= n_components <= 16:
        raise ValueError(f"a field has {n_components!r} components; expected 1 to 16")
    limits = tuple(_pair(pair, MAX_VALUE) for pair in list_of(item["value_range"], n_components, n_components))
    return Field(name_of(item["name"]), n_components, limits, typed(item["units"], str))


def _guide(item: Any) -> dict[str, float] | None:
    if item is None:
        return None
    if not isinstance(item, dict) or set(item) != {"diameter"} or not 0 <= number_of(item["diameter"]) <= 180:
        raise ValueError(f"the guide is {str(item)[:60]!r}; expected null, or a diameter of 0 to 180 degrees")
    return {"diameter": float(item["diameter"])}


def _check_guide(parts: dict[str, Any], roles: list[str]) -> None:
    resolution = parts["encoding"].guide_resolution
    if (parts["guide"] is None) != (resolution == 0):
        raise ValueError(f"guide_resolution is {resolution} and guide {parts['guide']}; expected both or none")
    if resolution and (tuple(roles) != LIGHT_ROLES or min(parts["grid"].dims) < 2):
        raise ValueError(f"a guide stands with the roles {roles}; expected {list(LIGHT_ROLES)} and a volume")
    grid = parts["grid"]
    sides = np.abs(np.multiply(grid.spacing, np.subtract(grid.dims, 1)))
    turned = np.reshape(grid.direction, (3, 3))
    if resolution and not (
        sides.max() <= MOST_SIDES * sides.min() and sides.min() > 0 and abs(turned.T @ turned - np.eye(3)).max() < 1e-3
    ):
        raise ValueError(
            f"a guide's box has sides {sides.tolist()} and direction {list(grid.direction)}; expected sides above 0, the longest "
            f"at most {MOST_SIDES:g} times the shortest, and a rotation or reflection"
        )


def _grid(item: Any) -> Grid:
    _keys(item, Grid)
    dims = list_of(item["dims"], 3, 3)
    if not all(type(n) is int and 1 <= n <= MAX_DIM for n in dims):
        raise ValueError(f"grid dims are {dims}; expected three whole numbers from 1 to {MAX_DIM}")
    numbers = {
        name: [number_of(value) for value in list_of(item[name], length, length)]
        for name, length in (("origin", 3), ("spacing", 3), ("direction", 9))
    }
    return Grid(dims, **numbers)


def _base(item: Any, roles: list[str], n_outputs: int) -> dict[str, Any] | None:
    """The arguments of Base that the document holds."""
    if item is None:
        return None
    if not isinstance(item, dict) or set(item) != {"components", "limits", "residual", "interpolation"}:
        raise ValueError("a base has other keys than components, limits, residual and interpolation; expected these")
    if len(roles) != 1:
        raise ValueError(f"a base stands beside {len(roles)} parameters; expected one, which it is blended in")
    check_interpolation(item["interpolation"], roles)
    components = list_of(item["components"], 1, n_outputs)
    if not all(type(c) is int and 0 <= c < n_outputs for c in components) or components != sorted(set(components)):
        raise ValueError(f"a base has the components {components[:16]}; expected increasing numbers below {n_outputs}")
    pairs = {
        name: np.array([_pair(pair, MAX_VALUE) for pair in list_of(item[name], len(components), len(components))])
        for name in ("limits", "residual")
    }
    return {"components": tuple(components), **pairs, "interpolation": item["interpolation"]}


def _check_base(parts: dict[str, Any]) -> None:
    """ValueError for a base that float32 has no room for, after its fields' shifts."""
    if parts["base"] is None:
        return
    offset, scale = columns(parts["fields"], shifts_of(parts["fields"]))
    own = list(parts["base"]["components"])
    with np.errstate(over="ignore"):
        limits = (parts["base"]["limits"] - offset[own, None]) / scale[own, None]
        largest = max(np.abs(limits).max(), np.abs(parts["base"]["residual"] / scale[own, None]).max())
    if not largest <= MAX_NUMBER:
        raise ValueError(f"a base has limits up to {largest:g} in its fields' extents; expected at most {MAX_NUMBER:g}")


def _keys(item: Any, owner: type) -> None:
    names = {field.name for field in dataclasses.fields(owner)}
    if not isinstance(item, dict) or set(item) != names:
        found = sorted(map(str, item)) if isinstance(item, dict) else type(item).__name__
        raise ValueError(f"a {owner.__name__.lower()} has {found}; expected exactly {sorted(names)}")


def list_of(item: Any, shortest: int, longest: int) -> list:
    """A list of so many items; ValueError for anything else."""
    if not isinstance(item, list) or not shortest <= len(item) <= longest:
        raise ValueError(f"found {str(item)[:60]!r}; expected a list of {shortest} to {longest} items")
    return item


def _pair(item: Any, most: float = MAX_NUMBER) -> tuple[float, float]:
    low, high = (number_of(value, most) for value in list_of(item, 2, 2))
    if low > high:
        raise ValueError(f"a range goes from {low} to {high}; expected the smaller number first")
    return low, high


def number_of(item: Any, most: float = MAX_NUMBER) -> float:
    # an int may be too large for a float, so it is compared as it is
    if type(item) not in (int, float) or not -most <= item <= most:
        raise ValueError(f"found {str(item)[:60]!r}; expected a finite number")
    return float(item)


def name_of(item: Any) -> str:
    if not typed(item, str) or len(item) > 256:
        raise ValueError(f"found the name {str(item)[:60]!r}; expected 1 to 256 characters")
    return item


def typed(item: Any, kind: type) -> Any:
    """What is of a type; ValueError for anything else."""
    if type(item) is not kind:
        raise ValueError(f"found {str(item)[:60]!r}; expected a {kind.__name__}")
    return item


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key appears twice")
    return dict(pairs)


def _no_constant(text: str) -> Callable:
    raise ValueError(f"it holds {text}")


def require(condition: Any, path: str | os.PathLike, found: str, expected: str) -> None:
    """Raise FormatError, what was found and expected of a file, unless a condition holds."""
    if not condition:
        raise FormatError(f"{path} cannot be used: {found}; expected {expected}")
