"""What a trained model is to whoever looks at it: one file's `HyperINR`, or `Bricks` that are joined."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.inr import INR
from hyperinr_core.volume import Field, Grid, Parameter

#: A scene parameter as callers write it: a number, a sequence, or values by parameter name.
Theta = Union[float, Sequence[float], np.ndarray, Mapping[str, float]]


class Model(ABC):
    """Fields over a grid for any theta: all that ParaView, the commands that look, and measuring need.

    Attributes
    ----------
    parameters : the P scene parameters.
    grid, fields : what the training data was.
    interpolation : how encoders blend unless a caller says otherwise.
    provenance, quality : JSON objects about where the model came from and how well it fits.
    """

    parameters: tuple[Parameter, ...]
    grid: Grid
    fields: tuple[Field, ...]
    interpolation: str
    provenance: dict[str, Any]
    quality: dict[str, Any]

    @abstractmethod
    def generate(self, theta: Theta, backend: str = "auto", interpolation: str | None = None) -> INR:
        """The neural field at theta."""

    @property
    @abstractmethod
    def is_masked(self) -> bool:
        """Whether there may be masked points."""

    @property
    @abstractmethod
    def anchored(self) -> tuple[bool, ...]:
        """Of each motion that training steps are carried along, whether it was traced through a velocity; empty without any."""

    @property
    @abstractmethod
    def motion_bytes(self) -> int:
        """Of what says how fields move."""

    @property
    def largest_errors(self) -> tuple[float, ...]:
        """What no point of a training step is off by, in the units of each field; empty where nobody knows."""
        return ()

    @property
    @abstractmethod
    def n_bytes(self) -> int:
        """Of the numbers that make the fields."""

    @property
    @abstractmethod
    def parts(self) -> tuple[int, str]:
        """How many parts the model has, and what they are called: "encoders" or "bricks"."""

    def coarse(self, points: int) -> Model:
        """What to sample a coarse grid of, with an interpolation named: blended encoders without what does not show there.

        That is this model, but where large tables are in their file: then the levels that show are read from it, no others.

        Parameters
        ----------
        points : of the coarse grid, along its longest axis.
        """
        return self

    def typical(self) -> Sequence[Model]:
        """Models of parts of the grid, or of all of it, whose values tell of what values there are."""
        return [self]

    @property
    def theta_bounds(self) -> np.ndarray:
        """(P, 2) smallest and largest value of each parameter."""
        return np.array([parameter.bounds for parameter in self.parameters], np.float64)

    @property
    def n_output_dims(self) -> int:
        """Values per point, C."""
        return sum(field.n_components for field in self.fields)

    def theta(self, value: Theta, clamp: bool = False) -> np.ndarray:
        """A scene parameter as (P,) float64.

        Parameters
        ----------
        value : a number (P = 1), P numbers, or a mapping from every parameter's name to a number.
        clamp : move values outside the bounds onto them instead of raising.

        Raises
        ------
        ParameterError for a wrong count, an unknown or missing name, or a value outside the bounds.

        Examples
        --------
        >>> from hyperinr_core import load
        >>> model = load("flow.hinr")
        >>> model.theta({"time": 0.5}), model.theta(7.0, clamp=True)
        (array([0.5]), array([2.]))
        """
        return theta_of(self.parameters, value, clamp)


def theta_of(
    parameters: Sequence[Parameter], value: Theta, clamp: bool = False, unbounded: Sequence[int] = ()
) -> np.ndarray:
    """What `Model.theta` gives; parameters of `unbounded` numbers may have any finite value."""
    names = [parameter.name for parameter in parameters]
    if isinstance(value, Mapping):
        if set(value) != set(names):
            raise ParameterError(f"values are given for {sorted(value)}; expected one for each of {sorted(names)}")
        value = [value[name] for name in names]
    theta = np.atleast_1d(np.array(value, np.float64))
    if theta.shape != (len(names),) or not np.isfinite(theta).all():
        raise ParameterError(f"theta is {theta.tolist()}; expected {len(names)} finite numbers: {', '.join(names)}")
    for column, parameter in enumerate(parameters):
        low, high = parameter.bounds
        if column in unbounded or low <= theta[column] <= high:
            continue
        if not clamp:
            raise ParameterError(
                f"{parameter.name} is {theta[column]:g}; expected {low:g} to {high:g}, the range of the training data"
            )
        theta[column] = min(max(theta[column], low), high)
    return theta
