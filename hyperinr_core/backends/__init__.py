"""Ways to evaluate a model. All have the methods of `ReferenceBackend` and give its values."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import cuda
from hyperinr_core.errors import BackendError

logger = logging.getLogger("hyperinr")

#: What a caller can ask for; "auto" is the fastest that is there: one of GPU where there is CUDA, else native.
NAMES = ("auto", "native", "triton", "tcnn", "torch", "reference")

#: Those that use a GPU, the fastest first.
GPU = ("triton", "tcnn", "torch")

_CLASSES = {
    "native": "NativeBackend",
    "triton": "TritonBackend",
    "tcnn": "TcnnBackend",
    "torch": "TorchBackend",
    "reference": "ReferenceBackend",
}

_said: set[str] = set()


def create(name: str, architecture: Architecture, encoder_params: np.ndarray, mlp_params: np.ndarray) -> Any:
    """The backend of that name for one model.

    Raises
    ------
    BackendError for an unknown name, and for a named backend that cannot run here. Only "auto" falls back, and it
    says so once in the log.
    """
    arguments = (architecture, encoder_params, mlp_params)
    if name != "auto":
        return _backend_class(name)(*arguments)
    if not cuda.driver_is_present():
        return next(_on_cpu(arguments))
    from hyperinr_core.backends.fallback import FallbackBackend

    return FallbackBackend(_best_first(arguments))


def _best_first(arguments: tuple) -> Iterator[Any]:
    """Backends that can run here, the fastest first; what cannot is skipped and said once."""
    reason = cuda.obstacle()
    if reason:
        _say(f"the GPU is not used ({reason}); sampling on the CPU")
    for name in () if reason else GPU:
        if name == "tcnn" and not cuda.is_installed("tinycudann"):
            continue  # optional: nobody needs to hear of it each time
        try:
            backend = _backend_class(name)(*arguments)
        except (BackendError, RuntimeError) as error:  # torch's errors are RuntimeErrors
            _say(f"the {name} backend is not used ({error}); trying the next best")
        else:
            yield backend
    yield from _on_cpu(arguments)


def _on_cpu(arguments: tuple) -> Iterator[Any]:
    try:
        backend = _backend_class("native")(*arguments)
    except BackendError as error:
        _say(f"the native backend is not used ({error}); sampling with NumPy, which is much slower")
    else:
        yield backend
    yield _backend_class("reference")(*arguments)


def _say(sentence: str) -> None:
    if sentence not in _said:
        _said.add(sentence)
        logger.warning("%s", sentence)


def _backend_class(name: str) -> type:
    if name not in _CLASSES:
        raise BackendError(f"backend is {name!r}; expected one of {', '.join(NAMES)}")
    return getattr(importlib.import_module(f"hyperinr_core.backends.{name}"), _CLASSES[name])
