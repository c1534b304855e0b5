"""The CPU kernel: the reference's values at the machine's speed. NumPy and ctypes, no torch.

The kernel picks the processor's best instruction set; the environment variable HYPERINR_ISA (generic, avx2, avx512,
avx512_bf16, amx_bf16, neon) forces one, HYPERINR_NUM_THREADS limits the threads.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Mapping, Sequence
from ctypes import POINTER, c_double, c_int, c_int32, c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

import hyperinr_core
from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.base import Backend
from hyperinr_core.errors import BackendError, HyperINRError, ParameterError
from hyperinr_core.stored_tables import StoredTables

#: Instruction sets, in the order of hyperinr_native.h.
ISAS = ("generic", "avx2", "avx512", "avx512_bf16", "neon", "amx_bf16")

PRECISIONS = ("auto", "float32", "bfloat16", "mixed")

_ABI_VERSION = 10
_ALIGNMENT = 64
_ROW_TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1}
_MESSAGES = {
    1: (BackendError, "the CPU kernel was given a null pointer"),
    2: (ParameterError, "an array has the wrong length for this model; expected the sizes of its configuration"),
    3: (ParameterError, "a coordinate is outside [0, 1] or not a number; expected points within the unit cube"),
    4: (ParameterError, "an encoder index does not exist; expected 0 to the number of encoders - 1"),
    5: (BackendError, "the configuration is outside what the CPU kernel knows; use backend 'reference'"),
    6: (BackendError, "this processor or build lacks the instruction set or precision asked for; use 'auto'"),
    7: (BackendError, "the CPU kernel ran out of memory; sample fewer points at a time"),
    8: (ParameterError, "the number of threads is not 1 to 1024"),
    9: (BackendError, "the CPU kernel was built for another version; reinstall the package"),
}


class Shape(ctypes.Structure):
    """hinr_shape of hyperinr_native.h."""

    _fields_ = [
        ("abi_version", c_int32),
        ("n_pos_dims", c_int32),
        ("n_levels", c_int32),
        ("n_features_per_level", c_int32),
        ("n_neurons", c_int32),
        ("n_hidden_layers", c_int32),
        ("n_output_dims", c_int32),
        ("scales", c_void_p),
        ("resolutions", c_void_p),
        ("offsets", c_void_p),
        ("hashed", c_void_p),
    ]


# fmt: off
_SIGNATURES: dict[str, list[Any]] = {
    "hinr_abi_version": [],
    "hinr_isa_supported": [c_int],
    "hinr_bfloat16_pays": [c_int],
    "hinr_tiles_refused": [],
    "hinr_set_num_threads": [c_int],
    "hinr_num_threads": [],
    "hinr_model_create": [POINTER(Shape), c_void_p, c_int64, c_int, c_int, POINTER(c_void_p)],
    "hinr_model_set_mlp": [c_void_p, c_void_p, c_int64],
    "hinr_model_destroy": [c_void_p],
    "hinr_blend": [c_void_p, c_void_p, c_int, c_int64, c_int64, c_void_p, c_void_p, c_int64, c_void_p,
                   c_void_p, c_int64],
    "hinr_sample": [c_void_p, c_void_p, c_int64, c_void_p, c_int64, c_void_p],
    "hinr_sample_grid": [c_void_p, c_void_p, c_int64, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p],
    "hinr_backward": [c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_int64, c_void_p, c_void_p, c_int,
                      POINTER(c_double), c_void_p, c_void_p, c_int64],
    "hinr_peak": [c_int, c_int, POINTER(c_double)],
    "hinr_adam": [c_int, c_void_p, c_void_p, c_double, c_void_p, c_void_p, c_int64, c_int64, *[c_double] * 4],
}
# fmt: on


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled kernel; raises BackendError where it is missing or does not load."""
    name = "libhyperinr_native" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    named = os.environ.get("HYPERINR_NATIVE_LIBRARY")
    # An editable install keeps compiled files apart from the sources: the package has both folders.
    folders = [Path(folder) for folder in hyperinr_core.__path__]
    paths = [Path(named)] if named else [folder / "native" / name for folder in folders]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        raise BackendError(f"no CPU kernel at {paths[0]}; install the package, or use backend 'reference'")
    try:
        loaded = ctypes.CDLL(str(path))
        _declare(loaded, _SIGNATURES)
    except (OSError, AttributeError) as error:
        raise BackendError(f"the CPU kernel {path} does not load ({error}); reinstall the package") from error
    loaded.hinr_model_destroy.restype = None
    version = loaded.hinr_abi_version()
    if version != _ABI_VERSION:
        raise BackendError(
            f"the CPU kernel {path} has interface version {version}; expected {_ABI_VERSION}, reinstall the package"
        )
    return loaded


def _declare(loaded: ctypes.CDLL, signatures: Mapping[str, Sequence[Any]]) -> None:
    for function, arguments in signatures.items():
        getattr(loaded, function).argtypes = arguments
        getattr(loaded, function).restype = c_int


def declared(signatures: Mapping[str, Sequence[Any]], what: str) -> ctypes.CDLL:
    """The kernel with the arguments of some more of its functions, which give codes for `check`; threads as the environment says.

    Raises BackendError where it has no `what`.
    """
    loaded = library()
    try:
        _declare(loaded, signatures)
    except AttributeError as error:
        raise BackendError(f"the CPU kernel has no {what} ({error}); reinstall the package") from error
    set_threads_from_environment()
    return loaded


def check(code: int) -> None:
    """Raises what an error code of the kernel means."""
    if code:
        kind, message = _MESSAGES.get(code, (BackendError, f"the CPU kernel failed with code {code}"))
        raise kind(message)


def available() -> bool:
    """Whether the kernel loads here."""
    try:
        library()
    except HyperINRError:
        return False
    return True


def supported_isas() -> tuple[str, ...]:
    """Instruction sets that this processor and this build of the kernel have, the best last."""
    return tuple(name for index, name in enumerate(ISAS) if library().hinr_isa_supported(index))


def choose_isa() -> int:
    """Number of the instruction set to use: the best, or the one that HYPERINR_ISA names."""
    supported = supported_isas()
    name = os.environ.get("HYPERINR_ISA") or supported[-1]
    if name not in ISAS:
        raise ParameterError(f"HYPERINR_ISA is {name!r}; expected one of {', '.join(ISAS)}")
    if name not in supported:
        raise BackendError(f"HYPERINR_ISA is {name}, which this processor lacks; it has {', '.join(supported)}")
    return ISAS.index(name)


def chosen() -> tuple[int, str, str]:
    """Number of the instruction set to use, the precision that "auto" means with it here, and why that one.

    By the processor's maker and not by measuring, so that the ranks of a job choose alike.
    """
    isa = choose_isa()
    if not ISAS[isa].endswith("bf16"):
        return isa, "float32", "bfloat16 is not multiplied here"
    if os.environ.get("HYPERINR_ISA"):
        return isa, "bfloat16", "HYPERINR_ISA asks for it"
    if ISAS[isa] == "amx_bf16":
        return isa, "bfloat16", "tiles multiply it several times as fast as float32"
    if library().hinr_bfloat16_pays(isa):
        return isa, "bfloat16", "twice as fast as float32 on AMD's processors"
    refused = ", and the system refuses their tiles" if library().hinr_tiles_refused() else ""
    return isa, "float32", f"bfloat16 is slower on Intel's processors{refused}"


def needs_tiles(isa: int) -> None:
    """Raises BackendError where an instruction set has no tiles, which mixed precision is multiplied by."""
    if ISAS[isa] == "amx_bf16":
        return
    why = (
        "the system refuses this processor's"
        if library().hinr_tiles_refused()
        else f"the kernel has none with {ISAS[isa]}"
    )
    raise BackendError(f"precision 'mixed' needs tiles for bfloat16 (amx_bf16), and {why}; use 'float32'")


def set_threads_from_environment() -> None:
    """Use as many threads as `n_threads` says."""
    check(library().hinr_set_num_threads(n_threads()))


def n_threads() -> int:
    """HYPERINR_NUM_THREADS, or as many as this process has processors; ParameterError for another number than 1 to 1024."""
    text = os.environ.get("HYPERINR_NUM_THREADS", "")
    try:
        count = int(text) if text.strip() else _n_processors()
    except ValueError:
        count = 0
    if not 1 <= count <= 1024:
        raise ParameterError(f"HYPERINR_NUM_THREADS is {text!r}; expected 1 to 1024, or unset to use all processors")
    return count


def _n_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), 1024)
    return min(os.cpu_count() or 1, 1024)


class Model:
    """A handle of the kernel: sizes, geometry and the packed network.

    Parameters
    ----------
    mlp_params : (W,) float32.
    precision : "float32" or "bfloat16".
    """

    def __init__(self, architecture: Architecture, mlp_params: np.ndarray, isa: int, precision: str) -> None:
        hash_grid, config, network = architecture.hash_grid, architecture.encoding, architecture.network
        arrays = (
            np.ascontiguousarray(hash_grid.scales, np.float32),
            np.ascontiguousarray(hash_grid.resolutions, np.int64),
            np.ascontiguousarray(hash_grid.offsets, np.int64),
            np.ascontiguousarray(hash_grid.hashed, np.uint8),
        )
        shape = Shape(
            _ABI_VERSION,
            config.n_pos_dims,
            hash_grid.n_levels,
            config.n_features_per_level,
            network.n_neurons,
            network.n_hidden_layers,
            architecture.n_outputs,
            *(array.ctypes.data for array in arrays),
        )
        mlp_params = np.ascontiguousarray(mlp_params, np.float32)
        if mlp_params.size != architecture.n_mlp:
            raise ParameterError(f"mlp_params has {mlp_params.size} numbers; expected {architecture.n_mlp}")
        self.handle = c_void_p()
        self._library = library()
        precision_code = PRECISIONS.index(precision) - 1
        args = mlp_params.ctypes.data, mlp_params.size, isa, precision_code, ctypes.byref(self.handle)
        check(self._library.hinr_model_create(ctypes.byref(shape), *args))

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self._library.hinr_model_destroy(self.handle)


class NativeBackend(Backend):
    """Evaluates one model with the CPU kernel.

    A value depends on its coordinates alone: threads, slabs and sub-extents do not change a bit of it.

    Parameters
    ----------
    precision : "auto" (bfloat16 where the processor is faster with it, else float32; see `chosen`), "float32" or
        "bfloat16" (float16 tables and a bfloat16 network with float32 sums) or "mixed" (float32 tables and hidden layers in
        bfloat16; where there are tiles alone, "amx_bf16").
    """

    name = "native"

    def __init__(
        self,
        architecture: Architecture,
        encoder_params: np.ndarray,
        mlp_params: np.ndarray,
        precision: str = "auto",
    ) -> None:
        if precision not in PRECISIONS:
            raise ParameterError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
        n_outputs = architecture.n_outputs
        if not 1 <= n_outputs <= 16:
            raise BackendError(f"the CPU kernel has 1 to 16 outputs, found {n_outputs}; use backend 'reference'")
        self.architecture = architecture
        self.encoder_params = _rows(encoder_params, architecture.n_table)
        isa, usual, _ = chosen()
        precision = usual if precision == "auto" else precision
        if precision == "mixed":
            needs_tiles(isa)
        self.isa, self.precision = ISAS[isa], precision
        set_threads_from_environment()
        self._library = library()
        self._model = Model(architecture, mlp_params, isa, precision)

    def blend(self, indices: np.ndarray, weights: np.ndarray, guide: np.ndarray | None = None) -> np.ndarray:
        """The table for one theta, float32 or float16 as the precision asks; see Backend.blend."""
        indices = np.ascontiguousarray(indices, np.int64)
        weights = np.ascontiguousarray(weights, np.float32)
        if indices.ndim != 1 or indices.shape != weights.shape:
            raise ParameterError(f"indices {indices.shape} and weights {weights.shape} differ; expected (K,) for both")
        table = _aligned(
            self.architecture.hash_grid.table_length, np.float16 if self.precision == "bfloat16" else np.float32
        )
        stored = self.encoder_params
        rows = stored.having(indices) if isinstance(stored, StoredTables) else stored
        args = rows.ctypes.data, _ROW_TYPES[rows.dtype], rows.shape[0], rows.shape[1]
        if guide is not None:
            guide, length = np.ascontiguousarray(guide, np.float32), table.size - self.architecture.n_table
            if guide.shape != (length,):
                raise ParameterError(f"guide has shape {guide.shape}; expected ({length},)")
        rest = None if guide is None else guide.ctypes.data
        used = indices.ctypes.data, weights.ctypes.data, len(indices), rest
        check(self._library.hinr_blend(self._model.handle, *args, *used, table.ctypes.data, table.size))
        return table

    def sample(self, table: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Normalised values (B, C) float32 at scattered points (B, D) in [0, 1]."""
        points = np.ascontiguousarray(points, np.float32)
        n_dims = self.architecture.encoding.n_pos_dims
        if points.ndim != 2 or points.shape[1] != n_dims:
            raise ParameterError(f"points has shape {points.shape}; expected (B, {n_dims})")
        values = np.empty((len(points), self.architecture.n_outputs), np.float32)
        args = points.ctypes.data, len(points), values.ctypes.data
        check(self._library.hinr_sample(self._model.handle, *self._table(table), *args))
        return values

    def sample_grid(
        self,
        table: np.ndarray,
        axes: tuple[np.ndarray, ...],
        out: np.ndarray,
        scale: np.ndarray,
        offset: np.ndarray,
    ) -> None:
        """Values at every combination of coordinates into `out`; see Backend.sample_grid."""
        axes = tuple(np.ascontiguousarray(axis, np.float32).ravel() for axis in axes)
        dims = np.array([len(axis) for axis in axes], np.int64)
        scale, offset = (np.ascontiguousarray(array, np.float32) for array in (scale, offset))
        n_dims, n_outputs = self.architecture.encoding.n_pos_dims, self.architecture.n_outputs
        if len(axes) != n_dims or not scale.shape == offset.shape == (n_outputs,):
            raise ParameterError(
                f"found {len(axes)} axes, scale {scale.shape}, offset {offset.shape}; "
                f"expected {n_dims} axes and ({n_outputs},) for both"
            )
        shape = (*(int(n) for n in dims[::-1]), n_outputs)
        if out.dtype != np.float32 or not out.flags.c_contiguous or not out.flags.writeable or out.shape != shape:
            raise ParameterError(f"out is {out.dtype} {out.shape}; expected a writeable C-contiguous float32 {shape}")
        if out.size == 0:
            return
        pointers = (c_void_p * len(axes))(*(axis.ctypes.data for axis in axes))
        args = pointers, dims.ctypes.data, out.ctypes.data, scale.ctypes.data, offset.ctypes.data
        check(self._library.hinr_sample_grid(self._model.handle, *self._table(table), *args))

    def _table(self, table: np.ndarray) -> tuple[int, int]:
        dtype = np.float16 if self.precision == "bfloat16" else np.float32
        length = self.architecture.hash_grid.table_length
        if table.dtype != dtype or table.shape != (length,) or not table.flags.c_contiguous:
            raise ParameterError(
                f"the table is {table.dtype} {table.shape}; expected {np.dtype(dtype)} ({length},) from blend"
            )
        return table.ctypes.data, table.size


def _rows(encoder_params: np.ndarray, n_params: int) -> np.ndarray:
    if encoder_params.ndim != 2 or encoder_params.shape[1] != n_params:
        raise ParameterError(f"encoder_params has shape {encoder_params.shape}; expected (N, {n_params})")
    if encoder_params.dtype not in _ROW_TYPES:
        raise ParameterError(f"encoder_params is {encoder_params.dtype}; expected float16 or float32")
    return encoder_params if isinstance(encoder_params, StoredTables) else np.ascontiguousarray(encoder_params)


def _aligned(size: int, dtype: type) -> np.ndarray:
    memory = np.empty(size * np.dtype(dtype).itemsize + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size * np.dtype(dtype).itemsize].view(dtype)
