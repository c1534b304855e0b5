"""Which evaluator trains on a device, and the scale that half-precision gradients need on some."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import torch

from hyperinr_core.architecture import Architecture
from hyperinr_core.errors import BackendError
from hyperinr_core.training.torch_evaluator import TorchEvaluator

logger = logging.getLogger("hyperinr")


def make_evaluator(architecture: Architecture, device: torch.device) -> Any:
    """The fastest evaluator for a device: a compiled one where there is one that runs, torch otherwise."""
    makers = (_triton, _tcnn) if device.type == "cuda" else (_native,)
    found = (_attempt(make, architecture) for make in makers)
    return next((evaluator for evaluator in found if evaluator is not None), None) or TorchEvaluator(architecture)


def _attempt(make: Callable[[Architecture], Any], architecture: Architecture) -> Any:
    try:
        return make(architecture)
    except (BackendError, ImportError) as error:
        logger.info("not trained with it: %s", error)
        return None


def _native(architecture: Architecture) -> Any:
    from hyperinr_core.training.native_evaluator import NativeEvaluator

    return NativeEvaluator(architecture)


def _triton(architecture: Architecture) -> Any:
    from hyperinr_core.backends.triton import INTERPRETED
    from hyperinr_core.training.triton_evaluator import TritonEvaluator

    if INTERPRETED:
        raise BackendError("TRITON_INTERPRET is set, which keeps Triton's kernels on the CPU")
    evaluator = TritonEvaluator(architecture)
    evaluator.try_once()
    return evaluator


def _tcnn(architecture: Architecture) -> Any:
    from hyperinr_core.training.tcnn_evaluator import TcnnEvaluator

    return TcnnEvaluator(architecture)


@contextlib.contextmanager
def memory_in_words() -> Iterator[None]:
    """Full memory of the GPU in training as one sentence."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise BackendError(
            "the GPU's memory is too small for this training; expected room for three times all encoders in float32 "
            "and a batch, lower batch_points, log2_hashmap_size or the number of encoders, or use --device cpu"
        ) from error


class LossScale:
    """Keeps half-precision gradients from vanishing: grows while they stay finite, halves when they do not."""

    GROWTH_INTERVAL = 2000

    def __init__(self, enabled: bool) -> None:
        self.value = 2.0**16 if enabled else 1.0
        self.good_steps = 0
        self._enabled = enabled

    def resume(self, value: float, good_steps: float) -> None:
        """Go on from a checkpoint, which may come from another device: where nothing is unscaled nothing is scaled."""
        if self._enabled:
            self.value, self.good_steps = value, int(good_steps)

    def unscale(self, tensors: list[torch.Tensor]) -> bool:
        """Divide the gradients by the scale; False when the step must be skipped."""
        if not self._enabled:
            return True
        for tensor in tensors:
            tensor.grad /= self.value
        finite = bool(torch.stack([tensor.grad.isfinite().all() for tensor in tensors]).all())
        self.good_steps = self.good_steps + 1 if finite else 0
        if not finite:
            self.value /= 2
        elif self.good_steps % self.GROWTH_INTERVAL == 0:
            self.value *= 2
        return finite
