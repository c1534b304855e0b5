"""What every space of positions is: the interpolations that it knows, and weights by one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Callable, ClassVar

import numpy as np

from hyperinr_core.errors import ParameterError

#: (indices (K,) int64, weights (K,) float64 that sum to 1)
Coefficients = tuple[np.ndarray, np.ndarray]

#: Neighbours of inverse distance weights.
N_NEIGHBORS = 4


class Space(ABC):
    """Positions in parameter space. Whoever blends there, encoders or volumes or pictures, takes the weights from here.

    Parameters
    ----------
    roles : of the P parameters, such as ("time",).
    positions : (N, P).
    bounds : (P, 2) of the parameters.

    Attributes
    ----------
    kinds : the interpolations that it knows by name, the default first, and what computes each of them.
    """

    kinds: ClassVar[dict[str, Callable[..., Coefficients]]]

    def __init__(self, roles: Sequence[str], positions: np.ndarray, bounds: np.ndarray) -> None:
        self.roles, self.positions, self.bounds = tuple(roles), positions, bounds

    @classmethod
    @abstractmethod
    def fits(cls, roles: Sequence[str]) -> bool:
        """Whether parameters of these roles span such a space."""

    @abstractmethod
    def _weights(self, theta: np.ndarray, kind: str) -> Coefficients:
        """Coefficients for theta (P,) by one of the kinds."""

    def weights(self, theta: np.ndarray, kind: str) -> Coefficients:
        """Coefficients for theta (P,): indices (K,) and weights (K,) that sum to 1 (HyperINR equation 4).

        Raises
        ------
        ParameterError for an interpolation that the space does not know.
        """
        self.check(kind, self.roles)
        return self._weights(theta, kind)

    @classmethod
    def check(cls, kind: str, roles: Sequence[str]) -> None:
        """Raise ParameterError unless the space, of parameters of these roles, knows an interpolation."""
        if kind not in tuple(cls.kinds):  # a file may hold a list here, which no dictionary can be asked for
            raise ParameterError(
                f"interpolation is {kind!r}; expected one of {', '.join(cls.kinds)} for {len(roles)} parameter(s), "
                f"{', '.join(roles)}"
            )


def alone(index: int) -> Coefficients:
    """Coefficients of one position."""
    return np.array([index]), np.array([1.0])
