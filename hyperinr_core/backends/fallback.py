"""What "auto" gives where there is a GPU: the fastest backend, and the next best when that one cannot go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hyperinr_core.backends.base import Backend
from hyperinr_core.errors import BackendError

logger = logging.getLogger("hyperinr")


class FallbackBackend(Backend):
    """A backend that hands over to the next one when a GPU fails on the way.

    Parameters
    ----------
    backends : makes backends, the best first; a first one is there.

    Attributes
    ----------
    name, slab_points, resident : of the backend in use.
    """

    def __init__(self, backends: Iterator[Backend]) -> None:
        self._others = backends
        self._use(next(backends))

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """An array for values that suits the backend in use."""
        return self._backend.empty(shape)

    def empty_there(self, shape: tuple[int, ...]) -> Any:
        """An array or tensor for values that stay where the backend in use computes them."""
        return self._backend.empty_there(shape)

    def blend(self, indices: np.ndarray, weights: np.ndarray, guide: np.ndarray | None = None) -> _Table:
        """The table of one theta, which remembers what it was made of."""
        table = _Table(indices, weights, guide)
        self._with_backend(lambda backend: table.for_backend(backend))
        return table

    def sample(self, table: _Table, points: np.ndarray) -> np.ndarray:
        """See Backend.sample."""
        return self._with_backend(lambda backend: backend.sample(table.for_backend(backend), points))

    def sample_grid(self, table: _Table, *arguments: Any) -> None:
        """See Backend.sample_grid."""
        self._with_backend(lambda backend: backend.sample_grid(table.for_backend(backend), *arguments))

    def _with_backend(self, run: Callable[[Backend], Any]) -> Any:
        try:
            return run(self._backend)
        except (BackendError, RuntimeError) as error:  # torch's errors, that of full memory too, are RuntimeErrors
            self._hand_over(error)
        return self._with_backend(run)

    def _hand_over(self, error: Exception) -> None:
        """Take the next backend; the error is raised again when there is none."""
        following = next(self._others, None)
        if following is None:
            raise error
        reason = " ".join(str(error).split())
        logger.warning("the %s backend failed (%s); going on with the %s backend", self.name, reason, following.name)
        self._use(following)

    def _use(self, backend: Backend) -> None:
        self._backend, self.name = backend, backend.name
        self.slab_points, self.resident = backend.slab_points, backend.resident


class _Table:
    """Which encoders are blended and how, and the blend of the backend that read it last."""

    def __init__(self, indices: np.ndarray, weights: np.ndarray, guide: np.ndarray | None) -> None:
        self._arguments = indices, weights, guide
        self._backend: Backend | None = None
        self._blended: Any = None

    def for_backend(self, backend: Backend) -> Any:
        """What `blend` of a backend gives."""
        if backend is not self._backend:
            self._blended = backend.blend(*self._arguments)
            self._backend = backend
        return self._blended
