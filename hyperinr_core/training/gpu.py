"""What training on a GPU needs besides an evaluator: whether there is one, a scale for half-precision gradients, and words for
full memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch

from hyperinr_core.backends import cuda, say_once
from hyperinr_core.errors import BackendError, ParameterError


def choose_device(name: str) -> str:
    """ "cpu" or "cuda" for auto, cpu or cuda; ParameterError when CUDA was named and cannot be used, a word for auto."""
    if name not in ("auto", "cpu", "cuda"):
        raise ParameterError(f"device is {name!r}; expected auto, cpu or cuda")
    if name == "cpu":
        return name
    reason = cuda.obstacle()
    if reason and name == "cuda":
        raise ParameterError(f"device is 'cuda', but {reason}; use --device cpu or mend that")
    if reason and cuda.driver_is_present():
        say_once(f"the GPU is not used ({reason}); training on the CPU")
    return "cpu" if reason else "cuda"


@contextlib.contextmanager
def memory_errors_explained() -> Iterator[None]:
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

    def unscale(self, gradients: Sequence[torch.Tensor]) -> bool:
        """Divide gradients by the scale, in place; False when the step must be skipped."""
        if not self._enabled:
            return True
        for gradient in gradients:
            gradient.div_(self.value)
        finite = bool(torch.stack([gradient.isfinite().all() for gradient in gradients]).all())
        self.good_steps = self.good_steps + 1 if finite else 0
        if not finite:
            self.value /= 2
        elif self.good_steps % self.GROWTH_INTERVAL == 0:
            self.value *= 2
        return finite
