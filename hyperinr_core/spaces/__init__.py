"""Where encoders lie in parameter space, and how those around a theta blend.

A new interpolation is a method or function in one of these spaces and its line in `kinds`; a new space is a module with a
class, and its place in `SPACES`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperinr_core.spaces.line import Line
from hyperinr_core.spaces.nearest import Nearest
from hyperinr_core.spaces.space import Space
from hyperinr_core.spaces.sphere import LightSphere
from hyperinr_core.spaces.views import ViewSpace

#: The first that fits the roles of the parameters is taken.
SPACES: tuple[type[Space], ...] = (Line, LightSphere, ViewSpace, Nearest)


def space_of(roles: Sequence[str], positions: np.ndarray, bounds: np.ndarray | None = None) -> Space:
    """The space of parameters of these roles with something at positions.

    Parameters
    ----------
    roles : of the P parameters.
    positions : (N, P), increasing when P is 1.
    bounds : (P, 2) of the parameters; those of the positions when None.

    Raises
    ------
    ParameterError for positions that such a space cannot have.

    Examples
    --------
    >>> import numpy as np
    >>> space = space_of(("time",), np.array([[0.0], [1.0], [3.0]]))
    >>> list(space.kinds)
    ['linear', 'catmull_rom']
    >>> indices, weights = space.weights(np.array([2.5]), "linear")
    >>> indices.tolist(), weights.tolist()
    ([1, 2], [0.25, 0.75])
    """
    if bounds is None:
        bounds = np.stack([positions.min(axis=0), positions.max(axis=0)], axis=1)
    return _space_class(roles)(roles, positions, bounds)


def check_interpolation(kind: str, roles: Sequence[str]) -> None:
    """Raise ParameterError unless encoders in a space of parameters of these roles can be blended this way."""
    _space_class(roles).check(kind, roles)


def _space_class(roles: Sequence[str]) -> type[Space]:
    return next(space for space in SPACES if space.fits(roles))
