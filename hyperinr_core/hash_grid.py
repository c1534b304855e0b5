"""Geometry of a multiresolution hash grid, exactly as tiny-cuda-nn lays it out.

Everything that decides which table entry a vertex reads is computed here once, in the float32 arithmetic of
tiny-cuda-nn, and handed to every backend, so that backends cannot disagree about it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyperinr_core.config import EncodingConfig
from hyperinr_core.errors import ParameterError

#: Multipliers of the spatial hash for x, y, z (Instant-NGP; HyperINR equation 5).
PRIMES = (1, 2654435761, 805459861)

#: A level holds a multiple of this many entries.
ENTRY_ALIGNMENT = 8

#: Beyond it float32 positions have no fraction left.
MAX_RESOLUTION = 1 << 24


@dataclass(frozen=True)
class HashGrid:
    """Where the levels of one encoder lie in its flat table.

    Attributes
    ----------
    L counts the guide's level, the last, where there is one.

    scales : (L,) float32, a point x of [0, 1] lies at x * scale + 0.5 on the level's grid.
    resolutions : (L,) int64, vertices along an axis.
    offsets : (L + 1,) int64, first entry of each level and the number of all entries.
    hashed : (L,) bool, whether the level has more vertices than entries.
    """

    config: EncodingConfig
    scales: np.ndarray
    resolutions: np.ndarray
    offsets: np.ndarray
    hashed: np.ndarray

    @property
    def n_entries(self) -> int:
        return int(self.offsets[-1])

    @property
    def n_levels(self) -> int:
        return len(self.scales)

    @property
    def table_length(self) -> int:
        """Length of a whole table; entry e keeps its features at [e * F, e * F + F)."""
        return self.n_entries * self.config.n_features_per_level

    @property
    def n_params(self) -> int:
        """How much of the table an encoder has and training learns, M: all of it but the guide's level."""
        return int(self.offsets[self.config.n_levels]) * self.config.n_features_per_level

    def entry_indices(self, level: int, vertices: np.ndarray) -> np.ndarray:
        """Table entry of each vertex of a level.

        Parameters
        ----------
        vertices : (..., D) integer, vertex positions on the level's grid, x first.

        Returns
        -------
        (...) int64, entry number within the whole table (the level's offset included).
        """
        size = int(self.offsets[level + 1] - self.offsets[level])
        vertices = vertices.astype(np.uint32)
        index = np.zeros(vertices.shape[:-1], np.uint32)
        stride = 1
        for axis in range(self.config.n_pos_dims):
            if self.hashed[level]:
                index ^= vertices[..., axis] * np.uint32(PRIMES[axis])
            else:
                index += vertices[..., axis] * np.uint32(stride)
                stride *= int(self.resolutions[level])
        return index.astype(np.int64) % size + int(self.offsets[level])


def hash_grid(config: EncodingConfig) -> HashGrid:
    """The layout of an encoder (tiny-cuda-nn's grid_scale, grid_resolution and offset table)."""
    finest = config.base_resolution * config.per_level_scale ** (config.n_levels - 1)
    if finest >= MAX_RESOLUTION:
        raise ParameterError(
            f"the finest level has {finest:g} vertices along an axis; expected less than {MAX_RESOLUTION}, "
            "lower n_levels or per_level_scale"
        )
    # As tiny-cuda-nn's kernels round: log2, its multiple and exp2 to float32, then one fused multiply-add. Taken in float64
    # first, because libraries differ in the last bit of a float32 exp2 and a file must mean the same everywhere.
    growth = np.float32(np.log2(np.float64(np.float32(config.per_level_scale))))
    powers = np.array([2.0 ** float(np.float32(level) * growth) for level in range(config.n_levels)]).astype(np.float32)
    scales = (powers.astype(np.float64) * config.base_resolution - 1).astype(np.float32)
    resolutions = np.ceil(scales).astype(np.int64) + 1
    capacity = 1 << config.log2_hashmap_size
    vertices = [int(r) ** config.n_pos_dims for r in resolutions]
    entries = [min(-(-v // ENTRY_ALIGNMENT) * ENTRY_ALIGNMENT, capacity) for v in vertices]
    hashed = [v > capacity for v in vertices]
    if config.guide_resolution:  # this scale puts the last vertex on x = 1, so that no point reads beyond it
        scales = np.append(scales, np.float32(config.guide_resolution - 1.5))
        resolutions = np.append(resolutions, config.guide_resolution)
        entries.append(config.guide_resolution**3)
        hashed.append(False)
    return HashGrid(
        config=config,
        scales=scales,
        resolutions=resolutions,
        offsets=np.concatenate([[0], np.cumsum(entries)]).astype(np.int64),
        hashed=np.array(hashed),
    )
