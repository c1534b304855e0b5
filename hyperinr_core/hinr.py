"""Reading and writing `.hinr` files. `docs/hinr-format.md` is the specification; this is its implementation."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core import mask_coding, motion_coding
from hyperinr_core.architecture import Architecture
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import DataError, FormatError, HyperINRError, ParameterError
from hyperinr_core.files import replacing
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.light.guide import GUIDE_TENSOR, Guide
from hyperinr_core.mask import Mask
from hyperinr_core.mask_coding import CODES_TENSOR as MASK_TENSOR
from hyperinr_core.mask_coding import OWNERS_TENSOR, POSITIONS_TENSOR, decode_mask
from hyperinr_core.motion.motion import Motion
from hyperinr_core.shift import columns, shifts_of
from hyperinr_core.spaces import check_interpolation
from hyperinr_core.spaces.sphere import LIGHT_ROLES
from hyperinr_core.spline_base import SUPPORT, Base
from hyperinr_core.table_coding import CODES_TENSOR, TableCoding, decode
from hyperinr_core.volume import Field, Grid, Parameter

#: The newest format version, which a file has that holds a motion. One without is of version 2 where it holds a mask, else of 1.
VERSION = 3

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
_ROLES = ("time", "light_azimuth", "light_polar", "free")


def save(model: HyperINR, path: str | os.PathLike, coded: tuple[TableCoding, np.ndarray] | None = None) -> None:
    """Write a model. The name holds the old file or the new one, never half.

    Parameters
    ----------
    coded : what to store in place of the encoder tables as float16, from `table_coding`.

    Raises
    ------
    DataError when the file cannot be written; FormatError for a model that could not be read again.

    Examples
    --------
    >>> import dataclasses
    >>> model = load("flow.hinr")
    >>> save(dataclasses.replace(model, interpolation="catmull_rom"), "smooth.hinr")
    >>> load("smooth.hinr").interpolation
    'catmull_rom'
    """
    from safetensors.numpy import save_file

    parts = _document(model)
    if coded:
        coding, codes = coded
        parts["tables"] = coding.to_dict()
    document = json.dumps(parts, allow_nan=False)
    _require(
        len(document) <= MAX_DOCUMENT, path, f"its document has {len(document)} characters", f"at most {MAX_DOCUMENT}"
    )
    _read_document(path, json.loads(document))
    tensors: dict[str, np.ndarray] = {
        "encoder_positions": np.ascontiguousarray(model.encoder_positions, np.float64),
        "mlp_params": np.ascontiguousarray(model.mlp_params, np.float32),
    }
    if coded:
        tensors[CODES_TENSOR] = codes
    else:
        tensors["encoder_params"] = np.ascontiguousarray(model.encoder_params, np.float16)
    if model.base is not None:
        tensors["base_positions"] = np.ascontiguousarray(model.base.positions, np.float64)
        tensors["base_coefficients"] = np.ascontiguousarray(model.base.coefficients, np.uint16)
    if model.guide:
        tensors[GUIDE_TENSOR] = np.ascontiguousarray(model.guide.extinction, np.float16)
    if model.mask is not None:
        tensors.update(mask_coding.tensors_of(model.mask))
    if model.motion is not None:
        tensors.update(motion_coding.tensors_of(model.motion))
    for name, tensor in tensors.items():
        _require(_all_finite(tensor), path, f"{name} is not finite as {tensor.dtype}", "train again with a lower rate")
    with replacing(path) as part:
        try:
            save_file(tensors, part, metadata={"hinr": document})
        except Exception as error:  # the library has an exception of its own for a full disk
            raise OSError(str(error)) from error


def check_limits(parameters: Sequence[Parameter], grid: Grid, fields: Sequence[Field]) -> None:
    """Raise DataError for what no file can hold, before a model of it is trained."""
    try:
        for items, read in ((parameters, _parameter), ((grid,), _grid), (fields, _field)):
            for item in items:
                read(json.loads(json.dumps(dataclasses.asdict(item))))
        _list(list(fields), 0, MAX_FIELDS)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"the data does not fit into a .hinr file: {error}; leave out or rename what does not"
        ) from None


def load(path: str | os.PathLike) -> HyperINR:
    """Read a model, checking everything before memory is taken for it.

    Parameters
    ----------
    path : of a `.hinr` file.

    Raises
    ------
    FormatError with one sentence: the path, what was found, what was expected.

    Examples
    --------
    >>> model = load("flow.hinr")
    >>> [(parameter.name, parameter.bounds) for parameter in model.parameters]
    [('time', (0.0, 2.0))]
    >>> model.grid.dims, [field.name for field in model.fields]
    ((12, 10, 8), ['density'])
    """
    with _open(path) as file:
        document = _parse(path, file.metadata())
        parts = _read_document(path, document)
        _check_tensors(path, file, parts)
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    coding, architecture = parts.pop("tables"), parts.pop("architecture")
    if coding is not None:
        tensors["encoder_params"] = _decoded(path, tensors.pop(CODES_TENSOR), tensors, architecture, coding)
    for name, tensor in tensors.items():
        _require(_all_finite(tensor), path, f"{name} holds NaN or infinity", "finite numbers; get the file again")
    if parts["mask"] is not None:
        parts["mask"] = _mask_of(path, tensors, parts["grid"], parts["mask"])
    if tensors["encoder_positions"].shape[1] == 1:
        _check_increasing(path, "encoder_positions", tensors["encoder_positions"][:, 0])
    if parts["base"] is not None:
        parts["base"] = Base(tensors.pop("base_positions"), tensors.pop("base_coefficients"), **parts["base"])
        _check_increasing(path, "base_positions", parts["base"].positions)
    if parts["motion"] is not None:
        parts["motion"] = _motion_of(path, tensors, parts["motion"])
    if parts["guide"] is not None:
        extinction = tensors.pop(GUIDE_TENSOR)
        _require((extinction >= 0).all(), path, f"{GUIDE_TENSOR} holds numbers below 0", "none; get the file again")
        parts["guide"] = Guide(extinction, parts["grid"], **parts["guide"])
    model = HyperINR(**parts, **tensors)
    try:
        _ = model.space
    except ParameterError as error:
        raise FormatError(f"{path} cannot be used: {error}; train it again") from None
    return model


def _decoded(
    path: str | os.PathLike,
    codes: np.ndarray,
    tensors: dict[str, Any],
    architecture: Architecture,
    coding: TableCoding,
) -> np.ndarray:
    try:
        return decode(codes, len(tensors["encoder_positions"]), architecture.hash_grid, coding)
    except FormatError as error:
        raise FormatError(f"{path} cannot be used: {error}") from None


def _mask_of(path: str | os.PathLike, tensors: dict[str, Any], grid: Grid, n_sheets: int) -> Mask:
    codes, owners, positions = (tensors.pop(name) for name in (MASK_TENSOR, OWNERS_TENSOR, POSITIONS_TENSOR))
    _require(owners.max() < n_sheets, path, f"{OWNERS_TENSOR} name sheet {owners.max()}", f"one below {n_sheets}")
    if positions.shape[1] == 1:
        _check_increasing(path, POSITIONS_TENSOR, positions[:, 0])
    try:
        return Mask(grid.shape, positions, decode_mask(codes, grid.shape, n_sheets), owners)
    except FormatError as error:
        raise FormatError(f"{path} cannot be used: {error}") from None


def _motion_of(path: str | os.PathLike, tensors: dict[str, Any], parts: dict[str, Any]) -> Motion:
    codes = {name: tensors.pop(name) for name in (motion_coding.PATHS_TENSOR, motion_coding.TRUST_TENSOR)}
    try:
        return motion_coding.motion_of(codes, parts, tensors["encoder_positions"][:, 0])
    except FormatError as error:
        raise FormatError(f"{path} cannot be used: {error}") from None


def read_header(path: str | os.PathLike) -> dict[str, Any]:
    """The JSON document of a file, checked, without reading its tensors.

    Examples
    --------
    >>> read_header("flow.hinr")["fields"][0]["units"]
    'kg/m^3'
    """
    with _open(path) as file:
        document = _parse(path, file.metadata())
        _check_tensors(path, file, _read_document(path, document))
    return document


def motion_bytes(path: str | os.PathLike) -> int:
    """Bytes that a file's motion takes in it; 0 without one."""
    with _open(path) as file:
        names = {motion_coding.PATHS_TENSOR, motion_coding.TRUST_TENSOR} & set(file.keys())
        return sum(file.get_slice(name).get_shape()[0] for name in names)


def _document(model: HyperINR) -> dict[str, Any]:
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
        document |= {"version": VERSION, "motion": motion_coding.document_of(model.motion)}
    return document


def _base_document(base: Base) -> dict[str, Any]:
    return {
        "components": list(base.components),
        "limits": base.limits.tolist(),
        "residual": base.residual.tolist(),
        "interpolation": base.interpolation,
    }


def _open(path: str | os.PathLike) -> Any:
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FormatError(f"{path} is not there; expected a .hinr file, check the path")
    try:
        return safe_open(os.fspath(path), framework="numpy")
    except (SafetensorError, OSError, ValueError) as error:
        raise FormatError(
            f"{path} is not a whole .hinr file ({error}); expected one written by HyperINR, get or train it again"
        ) from error


def _parse(path: str | os.PathLike, metadata: dict[str, str] | None) -> dict[str, Any]:
    text = (metadata or {}).get("hinr", "")
    _require(text, path, "it has no 'hinr' document", "a .hinr file, not any safetensors file")
    _require(len(text) <= MAX_DOCUMENT, path, f"its document has {len(text)} characters", f"at most {MAX_DOCUMENT}")
    try:
        document = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(
            f"{path}: its document is not valid JSON ({error}); expected one written by HyperINR"
        ) from None
    _require(isinstance(document, dict) and document.get("format") == "hinr", path, "format is not 'hinr'", "'hinr'")
    version = document.get("version")
    _require(type(version) is int and version >= 1, path, f"version is {version!r}", "a whole number")
    _require(version <= VERSION, path, f"format version is {version}", f"at most {VERSION}; update HyperINR to open it")
    keys = sorted(map(str, document))
    # version 2 always has a mask, version 3 a motion and perhaps a mask
    expected = _KEYS | {name for name, since in (("mask", 2), ("motion", 3)) if version == since}
    optional = {"tables"} | ({"mask"} if version == 3 else set())
    _require(
        set(keys) - optional == expected,
        path, f"its document has keys {keys}", f"exactly {sorted(expected)}",
    )  # fmt: skip
    return document


def _read_document(path: str | os.PathLike, document: dict[str, Any]) -> dict[str, Any]:
    """The arguments of HyperINR that the document holds, each checked, its tables' coding and its architecture."""
    try:
        parts = {
            "encoding": EncodingConfig.from_dict(document["encoding"]),
            "network": NetworkConfig.from_dict(document["network"]),
            "parameters": tuple(_parameter(item) for item in _list(document["parameters"], 1, 64)),
            "grid": _grid(document["grid"]),
            "fields": tuple(_field(item) for item in _list(document["fields"], 1, MAX_FIELDS)),
            "interpolation": document["interpolation"],
            "tables": TableCoding.from_dict(document.get("tables"), document["encoding"]["n_levels"]),
            "guide": _guide(document["guide"]),
            "mask": mask_coding.n_sheets_of(document["mask"], len(document["fields"])) if "mask" in document else None,
            "motion": None,
            "provenance": _typed(document["provenance"], dict),
            "quality": _typed(document["quality"], dict),
        }
        roles = [parameter.role for parameter in parts["parameters"]]
        check_interpolation(parts["interpolation"], roles)
        if "motion" in document:
            parts["motion"] = motion_coding.checked(document["motion"], parts["grid"], parts["fields"], len(roles))
        architecture = Architecture.of(parts["encoding"], parts["network"], parts["fields"])
        parts["base"] = _base(document["base"], roles, architecture.n_outputs)
        _check_base(parts)
        _check_guide(parts, roles)
        _ = architecture.hash_grid  # refuses levels finer than an index can reach
        parts["architecture"] = architecture
    except (HyperINRError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise FormatError(f"{path} has a document that does not hold together: {error}") from None
    for kind, items in (("parameter", parts["parameters"]), ("field", parts["fields"])):
        names = [item.name for item in items]
        _require(len(set(names)) == len(names), path, f"two {kind}s share a name in {names}", "different names")
    _require(
        parts["encoding"].n_pos_dims == 3 or parts["grid"].dims[2] == 1,
        path, f"a plane's encoding stands on a grid of dims {parts['grid'].dims}", "nz = 1",
    )  # fmt: skip
    return parts


def _expected_tensors(parts: dict[str, Any]) -> dict[str, tuple[tuple[str, ...], list[int | None]]]:
    """Types and shape of every tensor of a document; None for any length."""
    architecture, encoding = parts["architecture"], parts["encoding"]
    expected: dict[str, Any] = {"encoder_positions": (("F64",), [None, len(parts["parameters"])])}
    if parts["tables"] is None:
        expected["encoder_params"] = (("F16", "F32"), [None, architecture.n_table])
    else:
        expected[CODES_TENSOR] = (("U8",), [None])
    expected["mlp_params"] = (("F32",), [architecture.n_mlp])
    if parts["base"] is not None:
        axes = [1 if encoding.n_pos_dims == 2 else None, None, None]
        expected["base_positions"] = (("F64",), [None])
        expected["base_coefficients"] = (("U16",), [None, *axes, len(parts["base"]["components"])])
    if encoding.guide_resolution:
        expected[GUIDE_TENSOR] = (("F16",), [encoding.guide_resolution] * 3)
    if parts["motion"] is not None:
        expected[motion_coding.PATHS_TENSOR] = expected[motion_coding.TRUST_TENSOR] = (("U8",), [None])
    if parts["mask"] is not None:
        expected[MASK_TENSOR] = (("U8",), [None])
        expected[OWNERS_TENSOR] = (("U32",), [None, len(parts["fields"])])
        expected[POSITIONS_TENSOR] = (("F64",), [None, len(parts["parameters"])])
    return expected


def _check_tensors(path: str | os.PathLike, file: Any, parts: dict[str, Any]) -> None:
    expected, names = _expected_tensors(parts), set(file.keys())
    _require(names == set(expected), path, f"it holds tensors {sorted(names)}", f"exactly {sorted(expected)}")
    shapes = {}
    for name, (dtypes, shape) in expected.items():
        part = file.get_slice(name)
        found = shapes[name] = part.get_shape()
        fits = len(found) == len(shape) and all(want in (None, have) for want, have in zip(shape, found))
        _require(
            fits and part.get_dtype() in dtypes,
            path, f"{name} is {part.get_dtype()} {found}", f"{' or '.join(dtypes)} {shape}",
        )  # fmt: skip
    pairs = {
        "encoders": ("encoder_positions", "encoder_params"),
        "bases": ("base_positions", "base_coefficients"),
        "masks": (POSITIONS_TENSOR, OWNERS_TENSOR),
    }
    for what, pair in pairs.items():
        counts = sorted({shapes[name][0] for name in pair if name in shapes})
        _require(not counts or counts[0] >= 1 == len(counts), path, f"it has {counts} {what}", "one per position")
    axes = [n for n in shapes.get("base_coefficients", [])[1:4] if n > 1 or parts["encoding"].n_pos_dims == 3]
    _require(all(n >= SUPPORT for n in axes), path, f"base_coefficients has axes of {axes}", f"at least {SUPPORT} each")


def _parameter(item: Any) -> Parameter:
    _keys(item, Parameter)
    low, high = _pair(item["bounds"])
    values = tuple(_number(value) for value in _list(item["values"], 0, 1 << 20))
    role = _typed(item["role"], str)
    if role not in _ROLES and not role.startswith("view_"):
        raise ValueError(f"parameter role is {role!r}; expected one of {', '.join(_ROLES)}, or view_...")
    return Parameter(_name(item["name"]), role, (low, high), _typed(item["units"], str), values)


def _field(item: Any) -> Field:
    _keys(item, Field)
    n_components = item["n_components"]
    if type(n_components) is not int or not 1 <= n_components <= 16:
        raise ValueError(f"a field has {n_components!r} components; expected 1 to 16")
    limits = tuple(_pair(pair, MAX_VALUE) for pair in _list(item["value_range"], n_components, n_components))
    return Field(_name(item["name"]), n_components, limits, _typed(item["units"], str))


def _guide(item: Any) -> dict[str, float] | None:
    if item is None:
        return None
    if not isinstance(item, dict) or set(item) != {"diameter"} or not 0 <= _number(item["diameter"]) <= 180:
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
    dims = _list(item["dims"], 3, 3)
    if not all(type(n) is int and 1 <= n <= MAX_DIM for n in dims):
        raise ValueError(f"grid dims are {dims}; expected three whole numbers from 1 to {MAX_DIM}")
    numbers = {
        name: [_number(value) for value in _list(item[name], length, length)]
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
    components = _list(item["components"], 1, n_outputs)
    if not all(type(c) is int and 0 <= c < n_outputs for c in components) or components != sorted(set(components)):
        raise ValueError(f"a base has the components {components[:16]}; expected increasing numbers below {n_outputs}")
    pairs = {
        name: np.array([_pair(pair, MAX_VALUE) for pair in _list(item[name], len(components), len(components))])
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


def _check_increasing(path: str | os.PathLike, name: str, positions: np.ndarray) -> None:
    _require((np.diff(positions) > 0).all(), path, f"{name} do not increase", "increasing positions")


def _keys(item: Any, owner: type) -> None:
    names = {field.name for field in dataclasses.fields(owner)}
    if not isinstance(item, dict) or set(item) != names:
        found = sorted(map(str, item)) if isinstance(item, dict) else type(item).__name__
        raise ValueError(f"a {owner.__name__.lower()} has {found}; expected exactly {sorted(names)}")


def _list(item: Any, shortest: int, longest: int) -> list:
    if not isinstance(item, list) or not shortest <= len(item) <= longest:
        raise ValueError(f"found {str(item)[:60]!r}; expected a list of {shortest} to {longest} items")
    return item


def _pair(item: Any, most: float = MAX_NUMBER) -> tuple[float, float]:
    low, high = (_number(value, most) for value in _list(item, 2, 2))
    if low > high:
        raise ValueError(f"a range goes from {low} to {high}; expected the smaller number first")
    return low, high


def _number(item: Any, most: float = MAX_NUMBER) -> float:
    # an int may be too large for a float, so it is compared as it is
    if type(item) not in (int, float) or not -most <= item <= most:
        raise ValueError(f"found {str(item)[:60]!r}; expected a finite number")
    return float(item)


def _name(item: Any) -> str:
    if not _typed(item, str) or len(item) > 256:
        raise ValueError(f"found the name {str(item)[:60]!r}; expected 1 to 256 characters")
    return item


def _typed(item: Any, kind: type) -> Any:
    if type(item) is not kind:
        raise ValueError(f"found {str(item)[:60]!r}; expected a {kind.__name__}")
    return item


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key appears twice")
    return dict(pairs)


def _no_constant(text: str) -> Callable:
    raise ValueError(f"it holds {text}")


def _all_finite(tensor: np.ndarray) -> bool:
    if tensor.dtype != np.float16:
        return bool(np.isfinite(tensor).all())
    # All exponent bits set means NaN or infinity; integers are compared many times faster than halves.
    return not ((tensor.view(np.uint16) & 0x7C00) == 0x7C00).any()


def _require(condition: Any, path: str | os.PathLike, found: str, expected: str) -> None:
    if not condition:
        raise FormatError(f"{path} cannot be used: {found}; expected {expected}")
