"""Ways to evaluate a model. All have the methods of `ReferenceBackend` and give its values."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import BackendError

logger = logging.getLogger("hyperinr")

#: What a caller can ask for; "auto" is the fastest that needs no torch.
NAMES = ("auto", "native", "torch", "reference")

_said: set[str] = set()


def create(
    name: str,
    encoding: EncodingConfig,
    network: NetworkConfig,
    n_output_dims: int,
    encoder_params: np.ndarray,
    mlp_params: np.ndarray,
) -> Any:
    """The backend of that name for one model.

    Raises
    ------
    BackendError for an unknown name, and for a named backend that cannot run here. Only "auto" falls back, and it
    says so once in the log.
    """
    arguments = (encoding, network, n_output_dims, encoder_params, mlp_params)
    if name != "auto":
        return _backend_class(name)(*arguments)
    try:
        return _backend_class("native")(*arguments)
    except BackendError as error:
        if str(error) not in _said:
            _said.add(str(error))
            logger.warning("the native backend is not used (%s); sampling with NumPy, which is much slower", error)
        return _backend_class("reference")(*arguments)


def _backend_class(name: str) -> type:
    if name == "native":
        from hyperinr_core.backends.native import NativeBackend

        return NativeBackend
    if name == "torch":
        from hyperinr_core.backends.torch import TorchBackend

        return TorchBackend
    if name == "reference":
        from hyperinr_core.backends.reference import ReferenceBackend

        return ReferenceBackend
    raise BackendError(f"backend is {name!r}; expected one of {', '.join(NAMES)}")
