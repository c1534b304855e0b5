"""Settings as frozen dataclasses that map to JSON and back without loss.

Hyperparameters carry tiny-cuda-nn's names. An unknown or a missing key is an error, never ignored.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from hyperinr_core.errors import ParameterError

T = TypeVar("T", bound="Config")

#: Of EncodingConfig.
MOST_LOG2_HASHMAP_SIZE = 24


@dataclass(frozen=True)
class Config:
    """A frozen dataclass of numbers and strings, checked when it is made.

    Examples
    --------
    >>> NetworkConfig().replace(n_neurons=32).to_dict()
    {'n_neurons': 32, 'n_hidden_layers': 4}
    >>> NetworkConfig(n_neurons=20)
    Traceback (most recent call last):
    hyperinr_core.errors.ParameterError: n_neurons is 20; expected a multiple of 16 from 16 to 128
    """

    #: name -> (smallest, largest) for numbers, or the tuple of allowed strings
    LIMITS: ClassVar[dict[str, tuple]] = {}

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _coerce(field, getattr(self, field.name), type(self).__name__)
            object.__setattr__(self, field.name, value)
            self._check_limits(field.name, value)

    def _check_limits(self, name: str, value: Any) -> None:
        limits = self.LIMITS.get(name)
        if limits is None:
            return
        if isinstance(limits[0], str):
            if value not in limits:
                raise ParameterError(f"{name} is {value!r}; expected one of {', '.join(limits)}")
        elif not limits[0] <= value <= limits[1]:
            raise ParameterError(f"{name} is {value}; expected {limits[0]} to {limits[1]}")

    def to_dict(self) -> dict[str, Any]:
        """Every setting by name, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls: type[T], data: Any) -> T:
        """The settings from a complete dictionary; a missing or unknown key raises ParameterError."""
        if not isinstance(data, dict):
            raise ParameterError(f"{cls.__name__} is {type(data).__name__}; expected an object of settings")
        names = {field.name for field in dataclasses.fields(cls)}
        missing, unknown = sorted(names - set(data)), sorted(set(data) - names)
        if missing or unknown:
            raise ParameterError(
                f"{cls.__name__} has missing keys {missing} and unknown keys {unknown}; expected exactly {sorted(names)}"
            )
        return cls(**data)

    def replace(self: T, **changes: Any) -> T:
        """A copy with some settings changed; an unknown name raises ParameterError."""
        return type(self).from_dict({**self.to_dict(), **changes})


def _coerce(field: dataclasses.Field, value: Any, owner: str) -> Any:
    kind = field.type
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "float" and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if kind == "str" and isinstance(value, str):
        return value
    raise ParameterError(f"{owner}.{field.name} is {value!r}; expected a finite {kind}")


@dataclass(frozen=True)
class EncodingConfig(Config):
    """One multiresolution hash encoder, in tiny-cuda-nn's words (HyperINR section 2.2).

    Attributes
    ----------
    n_pos_dims : 2 for images and planes, 3 for volumes.
    n_levels : number of grids, the paper's L.
    n_features_per_level : features at each vertex, the paper's F.
    log2_hashmap_size : log2 of the most vertices a level stores, the paper's T.
    base_resolution : vertices along an axis of the coarsest grid, the paper's R1.
    per_level_scale : growth of the resolution from one level to the next.
    guide_resolution : vertices along an axis of one more level, the last, whose entries are not learned but computed for
        theta (see guide.py); 0 for none.
    """

    n_pos_dims: int = 3
    n_levels: int = 8
    n_features_per_level: int = 4
    log2_hashmap_size: int = 15
    base_resolution: int = 4
    per_level_scale: float = 2.0
    guide_resolution: int = 0

    LIMITS: ClassVar[dict[str, tuple]] = {
        "n_pos_dims": (2, 3),
        "n_levels": (1, 32),
        "n_features_per_level": (1, 8),
        "log2_hashmap_size": (3, MOST_LOG2_HASHMAP_SIZE),
        "base_resolution": (1, 4096),
        "per_level_scale": (1.0, 16.0),
        "guide_resolution": (0, 256),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_features_per_level not in (1, 2, 4, 8):
            raise ParameterError(f"n_features_per_level is {self.n_features_per_level}; expected 1, 2, 4 or 8")
        if self.guide_resolution and (self.guide_resolution % 2 or self.n_pos_dims != 3):
            raise ParameterError(
                f"guide_resolution is {self.guide_resolution} in {self.n_pos_dims} dimensions; expected an even number in 3"
            )

    @property
    def n_output_dims(self) -> int:
        """Features that one point is encoded to."""
        return (self.n_levels + bool(self.guide_resolution)) * self.n_features_per_level


@dataclass(frozen=True)
class NetworkConfig(Config):
    """The shared bias-free ReLU network that turns features into values."""

    n_neurons: int = 64
    n_hidden_layers: int = 4

    LIMITS: ClassVar[dict[str, tuple]] = {"n_neurons": (16, 128), "n_hidden_layers": (1, 8)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_neurons % 16:
            raise ParameterError(f"n_neurons is {self.n_neurons}; expected a multiple of 16 from 16 to 128")

    def layer_shapes(self, n_input_dims: int, n_output_dims: int) -> list[tuple[int, int]]:
        """(outputs, inputs) of every weight matrix, in the order in which `mlp_params` stores them."""
        widths = [n_input_dims] + [self.n_neurons] * self.n_hidden_layers + [n_output_dims]
        return [(widths[i + 1], widths[i]) for i in range(len(widths) - 1)]
