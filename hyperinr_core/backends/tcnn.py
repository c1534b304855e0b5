"""tiny-cuda-nn through its torch bindings, which the user installs; params are handed in, none are kept in its modules."""

from __future__ import annotations

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import cuda, tcnn_layout
from hyperinr_core.errors import BackendError

cuda.require("tcnn")
try:
    import tinycudann
    import torch

    from hyperinr_core.backends.device import DeviceBackend, upload
except (ImportError, OSError) as error:  # OSError: it was built for another card
    raise BackendError(
        f"the tcnn backend needs tiny-cuda-nn's torch bindings ({error}); see docs/gpu.md, or use 'triton' or 'torch'"
    ) from error


class TcnnBackend(DeviceBackend):
    """Evaluates one model with tiny-cuda-nn in half precision."""

    name = "tcnn"

    #: Memory for the activations between its kernels grows with the points.
    most_points = 1 << 21

    def __init__(self, architecture: Architecture, encoder_params: np.ndarray, mlp_params: np.ndarray) -> None:
        super().__init__(architecture, cuda.device())
        self._module = make_module(architecture)
        self._rows = upload(self.name, encoder_params, self.device)
        self._network_params = self._to_device(tcnn_layout.padded(architecture, mlp_params)).half()

    @torch.no_grad()
    def blend(self, indices: np.ndarray, weights: np.ndarray, guide: np.ndarray | None = None) -> torch.Tensor:
        """tiny-cuda-nn's float16 params of one theta: the network's, then the blended table."""
        rows = self._rows[self._to_device(np.asarray(indices, np.int64))].float()
        table = self._to_device(np.asarray(weights, np.float32)) @ rows
        return torch.cat([self._network_params, table.half()])

    def _evaluate(self, table: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        return evaluate(self._module, table, points)


def make_module(architecture: Architecture) -> torch.nn.Module:
    """tiny-cuda-nn's encoding and network for a model; BackendError when its params are not laid out as we know them."""
    cuda.refuse_guide(architecture.encoding, "tcnn")
    encoding = tcnn_layout.encoding_json(architecture.encoding)
    network = tcnn_layout.network_json(architecture.network)
    sizes = architecture.encoding.n_pos_dims, architecture.n_outputs
    try:
        module = tinycudann.NetworkWithInputEncoding(*sizes, encoding, network)
    except RuntimeError as error:
        raise BackendError(f"tiny-cuda-nn refuses this model ({error}); use backend 'triton' or 'torch'") from error
    expected = tcnn_layout.n_network_params(architecture) + architecture.n_table
    found = module.params.numel()
    if found != expected:
        raise BackendError(
            f"this tiny-cuda-nn has {found} params for the model; expected {expected}, use backend 'triton' or 'torch'"
        )
    return module


def evaluate(module: torch.nn.Module, params: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """(B, C) float32 with params from outside, differentiable in them."""
    return torch.func.functional_call(module, {"params": params}, (points,)).float()
