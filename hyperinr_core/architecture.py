"""What a model computes, without its numbers: everything that their counts and places follow from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.hash_grid import HashGrid, hash_grid
from hyperinr_core.volume import Field


@dataclass(frozen=True)
class Architecture:
    """Encoders of one kind, and the network that they share.

    Attributes
    ----------
    encoding, network : the settings of both.
    n_outputs : values per point, C.

    Examples
    --------
    >>> architecture = Architecture(EncodingConfig(), NetworkConfig(), n_outputs=1)
    >>> architecture.n_table, architecture.n_mlp
    (674048, 14400)
    >>> architecture.hash_grid.resolutions.tolist()
    [4, 8, 16, 32, 64, 128, 256, 512]
    """

    encoding: EncodingConfig
    network: NetworkConfig
    n_outputs: int

    @classmethod
    def of(cls, encoding: EncodingConfig, network: NetworkConfig, fields: Sequence[Field]) -> Architecture:
        """That of a model of fields, each component of which is an output."""
        return cls(encoding, network, sum(field.n_components for field in fields))

    @cached_property
    def hash_grid(self) -> HashGrid:
        """Where the levels of an encoder lie; ParameterError where they are finer than an index can reach."""
        return hash_grid(self.encoding)

    @property
    def n_table(self) -> int:
        """Numbers of one encoder, M."""
        return self.hash_grid.n_params

    @cached_property
    def layer_shapes(self) -> list[tuple[int, int]]:
        """(outputs, inputs) of every weight matrix, in the order in which `mlp_params` stores them."""
        return self.network.layer_shapes(self.encoding.n_output_dims, self.n_outputs)

    @property
    def n_mlp(self) -> int:
        """Numbers of the network, W."""
        return sum(rows * columns for rows, columns in self.layer_shapes)
