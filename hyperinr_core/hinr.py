"""Reading and writing `.hinr` files. `docs/hinr-format.md` is the specification; this is its implementation."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core import bound_coding, mask_coding, motion_coding
from hyperinr_core.architecture import Architecture
from hyperinr_core.bound import Bound
from hyperinr_core.bricks import Bricks
from hyperinr_core.errors import FormatError, ParameterError
from hyperinr_core.files import replacing
from hyperinr_core.hinr_document import (
    COMPACT_VERSION,
    INDEX_VERSION,
    MAX_DOCUMENT,
    document_of,
    parse,
    read_document,
    require,
)
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.index_document import read_index
from hyperinr_core.level_coding import LevelCoding, check_sizes
from hyperinr_core.light.guide import GUIDE_TENSOR, Guide
from hyperinr_core.mask import Mask
from hyperinr_core.mask_coding import CODES_TENSOR as MASK_TENSOR
from hyperinr_core.mask_coding import OWNERS_TENSOR, POSITIONS_TENSOR, decode_mask
from hyperinr_core.model import Model
from hyperinr_core.motion.motion import Motion
from hyperinr_core.spline_base import SUPPORT, Base
from hyperinr_core.stored_tables import CODES_TENSOR, TABLES_TENSOR, WORTH_IT, CodedTables, StoredTables
from hyperinr_core.table_coding import Coding, decode, levels
from hyperinr_core.volume import Grid

#: Bytes of what the document says of a coded level and of each of its frames, and of the header of a tensor, at most about.
PER_LEVEL, PER_FRAME, PER_TENSOR = 54, 10, 100


def save(model: HyperINR, path: str | os.PathLike, coded: tuple[Coding, np.ndarray] | None = None) -> None:
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
    parts = document_of(model)
    if coded:
        coding, codes = coded
        parts["tables"] = coding.to_dict()
        if isinstance(coding, LevelCoding):
            parts["version"] = COMPACT_VERSION
    document = text_of(path, parts)
    read_document(path, json.loads(document))
    tensors = _beside_tables(model, parts["version"] == COMPACT_VERSION)
    if coded:
        tensors[CODES_TENSOR] = codes
    else:
        tensors[TABLES_TENSOR] = np.ascontiguousarray(model.encoder_params, np.float16)
    for name, tensor in tensors.items():
        require(_all_finite(tensor), path, f"{name} is not finite as {tensor.dtype}", "train again with a lower rate")
    write(path, tensors, document)


def bytes_beside(model: HyperINR) -> int:
    """About what a file of a model with tables coded level by level takes besides them."""
    text = json.dumps(document_of(model))
    n_frames = len(model.encoder_params) if 2 * model.encoder_params.size >= WORTH_IT else 1
    document = len(json.dumps(text)) + (PER_LEVEL + PER_FRAME * n_frames) * model.encoding.n_levels + PER_TENSOR
    return document + sum(tensor.nbytes + PER_TENSOR for tensor in _beside_tables(model, True).values())


def _beside_tables(model: HyperINR, is_compact: bool) -> dict[str, np.ndarray]:
    """What a file holds of a model, of the compact version or an older one, in addition to its tables."""
    tensors: dict[str, np.ndarray] = {
        "encoder_positions": np.ascontiguousarray(model.encoder_positions, np.float64),
        "mlp_params": _network_of(model, is_compact),
    }
    if model.base is not None:
        tensors["base_positions"] = np.ascontiguousarray(model.base.positions, np.float64)
        tensors["base_coefficients"] = np.ascontiguousarray(model.base.coefficients, np.uint16)
    if model.guide:
        tensors[GUIDE_TENSOR] = np.ascontiguousarray(model.guide.extinction, np.float16)
    if model.mask is not None:
        tensors.update(mask_coding.tensors_of(model.mask))
    if model.motion is not None:
        tensors.update(motion_coding.tensors_of(model.motion, is_compact))
    if model.bound is not None:
        tensors.update(bound_coding.tensors_of(model.bound))
    return tensors


def _network_of(model: HyperINR, may_be_half: bool) -> np.ndarray:
    """The network's numbers, as float16 where a file may hold these and they are no others."""
    network = np.ascontiguousarray(model.mlp_params, np.float32)
    with np.errstate(over="ignore"):
        half = network.astype(np.float16)
    return half if may_be_half and (half == network).all() else network


def save_index(document: dict[str, Any], path: str | os.PathLike) -> None:
    """Write the document of an index of bricks, whole or not at all; FormatError for one that could not be read again."""
    text = text_of(path, document)
    read_index(path, json.loads(text))
    write(path, {}, text)


def text_of(path: str | os.PathLike, document: dict[str, Any]) -> str:
    """The JSON of a document; FormatError for one that is too long to be read again."""
    text = json.dumps(document, allow_nan=False)
    require(len(text) <= MAX_DOCUMENT, path, f"its document has {len(text)} characters", f"at most {MAX_DOCUMENT}")
    return text


def write(path: str | os.PathLike, tensors: dict[str, np.ndarray], document: str) -> None:
    """Write a file, whole or not at all; DataError when it cannot be written."""
    from safetensors.numpy import save_file

    with replacing(path) as part:
        try:
            save_file(tensors, part, metadata={"hinr": document})
        except Exception as error:  # the library has an exception of its own for a full disk
            raise OSError(str(error)) from error


def load(path: str | os.PathLike) -> Model:
    """Read a model, checking everything before memory is taken for it.

    Tables that are large stay in the file, which is kept open, until an encoder is asked for; then they are checked. Of an index
    a brick is read when a region touches it.

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
    with opened(path) as file:
        document = parse(path, file.metadata())
        if document["version"] != INDEX_VERSION:
            return _model_of(path, file, document)
        parts = read_index(path, document)
        _check_tensors(path, file, None)
    return Bricks(path, open_one=load_one, **parts)


def load_one(path: str | os.PathLike) -> HyperINR:
    """Read a model that has one file: what `load` gives but for an index of bricks, which raises FormatError."""
    model = load(path)
    if not isinstance(model, HyperINR):
        raise FormatError(
            f"{path} is an index of {model.parts[0]} bricks; expected a model of one file, name a brick's"
        )
    return model


def _model_of(path: str | os.PathLike, file: Any, document: dict[str, Any]) -> HyperINR:
    parts = read_document(path, document)
    _check_tensors(path, file, parts)
    coding, architecture, is_compact = (parts.pop(name) for name in ("tables", "architecture", "is_compact"))
    stored = _stored(path, file, architecture, coding)
    later = {TABLES_TENSOR, CODES_TENSOR} if stored else set()
    tensors = {name: file.get_tensor(name) for name in file.keys() if name not in later}
    if CODES_TENSOR in tensors:
        tensors[TABLES_TENSOR] = _decoded(path, tensors.pop(CODES_TENSOR), tensors, architecture, coding)
    for name, tensor in tensors.items():
        _check_finite(path, name, tensor)
    tensors["mlp_params"] = tensors["mlp_params"].astype(np.float32, copy=False)
    if parts["mask"] is not None:
        parts["mask"] = _mask_of(path, tensors, parts["grid"], parts["mask"])
    if tensors["encoder_positions"].shape[1] == 1:
        _check_increasing(path, "encoder_positions", tensors["encoder_positions"][:, 0])
    if parts["base"] is not None:
        parts["base"] = Base(tensors.pop("base_positions"), tensors.pop("base_coefficients"), **parts["base"])
        _check_increasing(path, "base_positions", parts["base"].positions)
    if parts["motion"] is not None:
        parts["motion"] = _motion_of(path, tensors, parts["motion"], is_compact)
    if parts["bound"] is not None:
        parts["bound"] = _bound_of(path, tensors, parts["bound"])
    if parts["guide"] is not None:
        extinction = tensors.pop(GUIDE_TENSOR)
        require((extinction >= 0).all(), path, f"{GUIDE_TENSOR} holds numbers below 0", "none; get the file again")
        parts["guide"] = Guide(extinction, parts["grid"], **parts["guide"])
    model = HyperINR(**parts, **tensors, **stored)
    try:
        _ = model.space
    except ParameterError as error:
        raise FormatError(f"{path} cannot be used: {error}; train it again") from None
    return model


def _stored(path: str | os.PathLike, file: Any, architecture: Architecture, coding: Coding | None) -> dict[str, Any]:
    """The tables, by their name, where they are large: an encoder's is read, and checked, when it is asked for.

    Coded ones are where encoders have frames of their own.
    """
    n_encoders, length = file.get_slice("encoder_positions").get_shape()[0], architecture.n_table
    check, parts = partial(_check_finite, path, TABLES_TENSOR), levels(architecture.hash_grid)
    if coding is None:
        found = file.get_slice(TABLES_TENSOR).get_dtype()
        dtype = np.dtype({"F16": np.float16, "F32": np.float32}[found])
        if n_encoders * length * dtype.itemsize < WORTH_IT:
            return {}
        return {TABLES_TENSOR: StoredTables(path, n_encoders, parts, dtype, check)}
    if not isinstance(coding, LevelCoding) or len(coding.sizes) != n_encoders * len(coding.steps):
        return {}
    if 2 * n_encoders * length < WORTH_IT:
        return {}
    n_bytes = file.get_slice(CODES_TENSOR).get_shape()[0]
    try:
        check_sizes(n_bytes, n_encoders, length, coding)
    except FormatError as error:
        raise FormatError(f"{path} cannot be used: {error}") from None
    return {TABLES_TENSOR: CodedTables(path, n_encoders, parts, coding, check)}


def _check_finite(path: str | os.PathLike, name: str, tensor: np.ndarray) -> None:
    require(_all_finite(tensor), path, f"{name} holds NaN or infinity", "finite numbers; get the file again")


def _decoded(
    path: str | os.PathLike,
    codes: np.ndarray,
    tensors: dict[str, Any],
    architecture: Architecture,
    coding: Coding,
) -> np.ndarray:
    try:
        return decode(codes, len(tensors["encoder_positions"]), architecture.hash_grid, coding)
    except FormatError as error:
        raise FormatError(f"{path} cannot be used: {error}") from None


def _mask_of(path: str | os.PathLike, tensors: dict[str, Any], grid: Grid, n_sheets: int) -> Mask:
    codes, owners, positions = (tensors.pop(name) for name in (MASK_TENSOR, OWNERS_TENSOR, POSITIONS_TENSOR))
    require(owners.max() < n_sheets, path, f"{OWNERS_TENSOR} name sheet {owners.max()}", f"one below {n_sheets}")
    if positions.shape[1] == 1:
        _check_increasing(path, POSITIONS_TENSOR, positions[:, 0])
    try:
        return Mask(grid.shape, positions, decode_mask(codes, grid.shape, n_sheets), owners)
    except FormatError as error:
        raise FormatError(f"{path} cannot be used: {error}") from None


def _motion_of(path: str | os.PathLike, tensors: dict[str, Any], parts: dict[str, Any], mirrored: bool) -> Motion:
    codes = {name: tensors.pop(name) for name in (motion_coding.PATHS_TENSOR, motion_coding.TRUST_TENSOR)}
    try:
        return motion_coding.motion_of(codes, parts, tensors["encoder_positions"][:, 0], mirrored)
    except FormatError as error:
        raise FormatError(f"{path} cannot be used: {error}") from None


def _bound_of(path: str | os.PathLike, tensors: dict[str, Any], parts: dict[str, Any]) -> Bound:
    names = (bound_coding.POSITIONS_TENSOR, bound_coding.CODES_TENSOR, bound_coding.ENDS_TENSOR)
    held = {name: tensors.pop(name) for name in names}
    _check_increasing(path, bound_coding.POSITIONS_TENSOR, held[bound_coding.POSITIONS_TENSOR])
    try:
        return bound_coding.bound_of(held, parts, os.fspath(path))
    except FormatError as error:
        raise FormatError(f"{path} cannot be used: {error}") from None


def read_header(path: str | os.PathLike) -> dict[str, Any]:
    """The JSON document of a file, checked, without reading its tensors.

    Examples
    --------
    >>> read_header("flow.hinr")["fields"][0]["units"]
    'kg/m^3'
    """
    with opened(path) as file:
        document = parse(path, file.metadata())
        is_index = document["version"] == INDEX_VERSION
        _check_tensors(path, file, None if is_index else read_document(path, document))
        if is_index:
            read_index(path, document)
    return document


def motion_bytes(path: str | os.PathLike) -> int:
    """Bytes that a file's motion takes in it; 0 without one."""
    with opened(path) as file:
        names = {motion_coding.PATHS_TENSOR, motion_coding.TRUST_TENSOR} & set(file.keys())
        return sum(file.get_slice(name).get_shape()[0] for name in names)


def opened(path: str | os.PathLike) -> Any:
    """The safetensors file at a path; FormatError where there is none."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FormatError(f"{path} is not there; expected a .hinr file, check the path")
    try:
        return safe_open(os.fspath(path), framework="numpy")
    except (SafetensorError, OSError, ValueError) as error:
        raise FormatError(
            f"{path} is not a whole .hinr file ({error}); expected one written by HyperINR, get or train it again"
        ) from error


def _expected_tensors(parts: dict[str, Any]) -> dict[str, tuple[tuple[str, ...], list[int | None]]]:
    """Types and shape of every tensor of a document; None for any length."""
    architecture, encoding = parts["architecture"], parts["encoding"]
    expected: dict[str, Any] = {"encoder_positions": (("F64",), [None, len(parts["parameters"])])}
    if parts["tables"] is None:
        expected["encoder_params"] = (("F16", "F32"), [None, architecture.n_table])
    else:
        expected[CODES_TENSOR] = (("U8",), [None])
    expected["mlp_params"] = (("F16", "F32") if parts["is_compact"] else ("F32",), [architecture.n_mlp])
    if parts["base"] is not None:
        axes = [1 if encoding.n_pos_dims == 2 else None, None, None]
        expected["base_positions"] = (("F64",), [None])
        expected["base_coefficients"] = (("U16",), [None, *axes, len(parts["base"]["components"])])
    if encoding.guide_resolution:
        expected[GUIDE_TENSOR] = (("F16",), [encoding.guide_resolution] * 3)
    if parts["motion"] is not None:
        expected[motion_coding.PATHS_TENSOR] = expected[motion_coding.TRUST_TENSOR] = (("U8",), [None])
    if parts["bound"] is not None:
        expected[bound_coding.POSITIONS_TENSOR] = (("F64",), [None])
        expected[bound_coding.CODES_TENSOR] = (("U8",), [None])
        expected[bound_coding.ENDS_TENSOR] = (("U64",), [None, architecture.n_outputs])
    if parts["mask"] is not None:
        expected[MASK_TENSOR] = (("U8",), [None])
        expected[OWNERS_TENSOR] = (("U32",), [None, len(parts["fields"])])
        expected[POSITIONS_TENSOR] = (("F64",), [None, len(parts["parameters"])])
    return expected


def _check_tensors(path: str | os.PathLike, file: Any, parts: dict[str, Any] | None) -> None:
    expected, names = _expected_tensors(parts) if parts else {}, set(file.keys())
    require(names == set(expected), path, f"it holds tensors {sorted(names)}", f"exactly {sorted(expected)}")
    shapes = {}
    for name, (dtypes, shape) in expected.items():
        part = file.get_slice(name)
        found = shapes[name] = part.get_shape()
        fits = len(found) == len(shape) and all(want in (None, have) for want, have in zip(shape, found))
        require(
            fits and part.get_dtype() in dtypes,
            path, f"{name} is {part.get_dtype()} {found}", f"{' or '.join(dtypes)} {shape}",
        )  # fmt: skip
    pairs = {
        "encoders": ("encoder_positions", "encoder_params"),
        "bases": ("base_positions", "base_coefficients"),
        "masks": (POSITIONS_TENSOR, OWNERS_TENSOR),
        "steps of a bound": (bound_coding.POSITIONS_TENSOR, bound_coding.ENDS_TENSOR),
    }
    for what, pair in pairs.items():
        counts = sorted({shapes[name][0] for name in pair if name in shapes})
        require(not counts or counts[0] >= 1 == len(counts), path, f"it has {counts} {what}", "one per position")
    if parts is None:
        return
    axes = [n for n in shapes.get("base_coefficients", [])[1:4] if n > 1 or parts["encoding"].n_pos_dims == 3]
    require(all(n >= SUPPORT for n in axes), path, f"base_coefficients has axes of {axes}", f"at least {SUPPORT} each")


def _check_increasing(path: str | os.PathLike, name: str, positions: np.ndarray) -> None:
    require((np.diff(positions) > 0).all(), path, f"{name} do not increase", "increasing positions")


def _all_finite(tensor: np.ndarray) -> bool:
    if tensor.dtype != np.float16:
        return bool(np.isfinite(tensor).all())
    # All exponent bits set means NaN or infinity; integers are compared many times faster than halves.
    return not ((tensor.view(np.uint16) & 0x7C00) == 0x7C00).any()
