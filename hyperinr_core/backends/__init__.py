"""Ways to evaluate a model. Each is a `Backend`, gives the values of `ReferenceBackend`, and has a line in `BACKENDS`."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import cuda
from hyperinr_core.backends.base import Backend
from hyperinr_core.errors import BackendError

logger = logging.getLogger("hyperinr")


class Spec(NamedTuple):
    """Where a backend is: a class in a module of this package, whether it uses a GPU, and what few users install for it."""

    module: str
    attribute: str
    gpu: bool = False
    optional: str | None = None


#: By name; those that use a GPU the fastest first.
BACKENDS = {
    "native": Spec("native", "NativeBackend"),
    "triton": Spec("triton", "TritonBackend", gpu=True),
    "tcnn": Spec("tcnn", "TcnnBackend", gpu=True, optional="tinycudann"),
    "torch": Spec("torch", "TorchBackend", gpu=True),
    "reference": Spec("reference", "ReferenceBackend"),
}

#: What a caller can ask for; "auto" is the fastest that is there: one that uses a GPU where there is CUDA, else native.
NAMES = ("auto", *BACKENDS)

_said: set[str] = set()


def create(name: str, architecture: Architecture, encoder_params: np.ndarray, mlp_params: np.ndarray) -> Backend:
    """The backend of that name for one model.

    Parameters
    ----------
    name : one of `NAMES`.
    encoder_params : (N, M) float16 or float32, one table per encoder.
    mlp_params : (W,) float32, the network.

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


def _best_first(arguments: tuple) -> Iterator[Backend]:
    """Backends that can run here, the fastest first; what cannot is skipped and said once."""
    reason = cuda.obstacle()
    if reason:
        say_once(f"the GPU is not used ({reason}); sampling on the CPU")
    for name in () if reason else [name for name, spec in BACKENDS.items() if spec.gpu]:
        optional = BACKENDS[name].optional
        if optional and not cuda.is_installed(optional):
            continue  # nobody needs to hear of it each time
        try:
            backend = _backend_class(name)(*arguments)
        except (BackendError, RuntimeError) as error:  # torch's errors are RuntimeErrors
            say_once(f"the {name} backend is not used ({error}); trying the next best")
        else:
            yield backend
    yield from _on_cpu(arguments)


def _on_cpu(arguments: tuple) -> Iterator[Backend]:
    try:
        backend = _backend_class("native")(*arguments)
    except BackendError as error:
        say_once(f"the native backend is not used ({error}); sampling with NumPy, which is much slower")
    else:
        yield backend
    yield _backend_class("reference")(*arguments)


def say_once(sentence: str) -> None:
    """A warning that is not repeated."""
    if sentence not in _said:
        _said.add(sentence)
        logger.warning("%s", sentence)


def _backend_class(name: str) -> Callable[..., Backend]:
    if name not in BACKENDS:
        raise BackendError(f"backend is {name!r}; expected one of {', '.join(NAMES)}")
    spec = BACKENDS[name]
    return getattr(importlib.import_module(f"{__name__}.{spec.module}"), spec.attribute)
