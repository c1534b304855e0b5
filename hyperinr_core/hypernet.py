"""HyperINR: encoders placed in parameter space that blend into a compact neural field for any theta."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from hyperinr_core import backends
from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.base import Backend
from hyperinr_core.bound import Bound, Bounded
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.inr import INR, Generated, Progress, Values
from hyperinr_core.light.guide import Guide
from hyperinr_core.mask import Mask, ValidAt, filled
from hyperinr_core.model import Model, Theta
from hyperinr_core.motion.carried import Carried
from hyperinr_core.motion.motion import Motion
from hyperinr_core.motion.steps import Box, Source, Steps
from hyperinr_core.once import Once
from hyperinr_core.shift import Shifts, shifted_model, shifts_of
from hyperinr_core.spaces import check_interpolation, space_of
from hyperinr_core.spaces.space import Coefficients, Space
from hyperinr_core.spline_base import Base
from hyperinr_core.stored_tables import StoredTables
from hyperinr_core.volume import Field, Grid, Parameter

#: Steps of a bound whose difference from the encoders' values stays in memory: those around a time.
N_LACKED = 2

#: Vertices of a level along an axis, for each point of a coarse grid, beyond which the level does not show there: on grids of 16
#: points or more that changes -0.2 to +0.2 dB against the full one. With 2 it would take 2 dB (docs/sizes.md).
MOST_VERTICES = 2.5


@dataclass(frozen=True, eq=False)
class HyperINR(Model):
    """A trained model (HyperINR section 2): a value, of which `dataclasses.replace` makes another with something changed.

    Attributes
    ----------
    parameters : the P scene parameters.
    grid, fields : what the training data was.
    encoder_positions : (N, P) float64, increasing when P is 1.
    encoder_params : (N, M) float16 or float32, one hash table per encoder.
    mlp_params : (W,) float32, the shared network.
    interpolation : how encoders blend unless a caller says otherwise.
    guide : what the guide's level is computed from, where the encoding has one.
    provenance, quality : JSON objects about where the model came from and how well it fits.
    base : what the network's values are added to; None where they stand alone.
    mask : where the fields hold values; None where they do everywhere.
    motion : along which decoded training steps are carried to any time; None where encoders blend.
    bound : training steps that are stored within an error; None where they are what the encoders give.
    """

    encoding: EncodingConfig
    network: NetworkConfig
    parameters: tuple[Parameter, ...]
    grid: Grid
    fields: tuple[Field, ...]
    encoder_positions: np.ndarray
    encoder_params: np.ndarray
    mlp_params: np.ndarray
    interpolation: str = "linear"
    provenance: dict[str, Any] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)
    base: Base | None = None
    guide: Guide | None = None
    mask: Mask | None = None
    motion: Motion | None = None
    bound: Bound | None = None

    def __post_init__(self) -> None:
        check_interpolation(self.interpolation, self._roles)

    @property
    def _roles(self) -> tuple[str, ...]:
        return tuple(parameter.role for parameter in self.parameters)

    @cached_property
    def space(self) -> Space:
        """Where the encoders lie, and how they blend there; ParameterError where its parameters cannot lie so."""
        return space_of(self._roles, self.encoder_positions, self.theta_bounds)

    @property
    def is_masked(self) -> bool:
        return self.mask is not None

    @property
    def anchored(self) -> tuple[bool, ...]:
        return () if self.motion is None else tuple(self.motion.anchored)

    @property
    def motion_bytes(self) -> int:
        return self.motion.n_bytes if self.motion else 0

    @property
    def largest_errors(self) -> tuple[float, ...]:
        return self.bound.largest_errors if self.bound else ()

    @property
    def parts(self) -> tuple[int, str]:
        return len(self.encoder_positions), "encoders"

    @cached_property
    def architecture(self) -> Architecture:
        """What the numbers are numbers of."""
        return Architecture.of(self.encoding, self.network, self.fields)

    @property
    def n_bytes(self) -> int:
        """Of the numbers that make the field: tables, network, base, guide, mask, motion and bound."""
        arrays = [self.encoder_params, self.mlp_params]
        arrays += [self.base.coefficients] if self.base else []
        arrays += [self.guide.extinction] if self.guide else []
        arrays += [self.mask.sheets] if self.mask else []
        return sum(array.nbytes for array in arrays) + self.motion_bytes + (self.bound.n_bytes if self.bound else 0)

    @property
    def network_range(self) -> np.ndarray:
        """(C, 2) what 0 and 1 of each of the network's outputs stand for, in the fields' units."""
        ranges = np.array([limits for field in self.fields for limits in field.value_range], np.float64)
        if self.base is not None:
            ranges[list(self.base.components)] = self.base.residual
        return ranges

    def interpolation_weights(self, theta: Theta, interpolation: str | None = None) -> Coefficients:
        """Encoders that answer for theta: indices (K,) and weights (K,) that sum to 1 (equation 4).

        Parameters
        ----------
        theta, interpolation : as for `generate`.

        Examples
        --------
        >>> from hyperinr_core import load
        >>> indices, weights = load("flow.hinr").interpolation_weights(0.625)
        >>> indices.tolist(), weights.tolist()
        ([1, 2], [0.75, 0.25])
        """
        return self._weights(self.theta(theta), interpolation)

    def _weights(self, theta: np.ndarray, interpolation: str | None) -> Coefficients:
        return self.space.weights(theta, self.interpolation if interpolation is None else interpolation)

    def generate(self, theta: Theta, backend: str = "auto", interpolation: str | None = None) -> INR:
        """The neural field at theta: blended encoders and the shared network (figure 1).

        Parameters
        ----------
        theta : a number (P = 1), P numbers, or a mapping from every parameter's name to a number.
        backend : one of `backends.NAMES`; "auto" takes the fastest that runs here.
        interpolation : one of the kinds that `space` knows, of the encoders alone; when None along the model's motion, by its own
            kind without one, and within its bound.

        Raises
        ------
        ParameterError for theta outside the bounds; BackendError for a named backend that cannot run here.

        Examples
        --------
        >>> from hyperinr_core import load
        >>> inr = load("flow.hinr").generate(0.6)
        >>> inr.sample_grid().shape
        (8, 10, 12, 1)
        """
        theta = self.theta(theta)
        valid = None if self.mask is None else ValidAt(self.mask, theta, self.theta_bounds)
        values = self.values(theta, backend, interpolation)
        return INR(values, self.grid, self.fields, self.encoding.n_pos_dims, valid, self.shifts)

    def values(self, theta: np.ndarray, backend: str, interpolation: str | None, steps: Source | None = None) -> Values:
        """Where the numbers at theta (P,) come from: before the fields' shifts, and with numbers at masked points.

        Parameters
        ----------
        steps : what motion carries from, if not this model's own.
        """
        if self.motion is not None and interpolation is None:
            carried = steps or self._steps(self.motion, backend)
            return Carried(self.motion, carried, self._columns, float(theta[0]))
        plain = self._generated(theta, *self._weights(theta, interpolation), backend)
        if self.bound is None or interpolation is not None:
            return plain
        near = self.bound.nearest(float(theta[0]))
        return Bounded(plain, self.grid.shape, near, self._stored, partial(self._lacking, backend))

    def _generated(
        self, theta: np.ndarray, indices: np.ndarray, weights: np.ndarray, backend: str, stays: bool = False
    ) -> Generated:
        chosen = self._backend(backend)
        table = chosen.blend(indices, weights, self.guide_level(theta))
        plain = shifted_model(self, self.shifts)
        spline = None if plain.base is None else plain.base.at(float(theta[0]))
        return Generated(chosen, table, spline, plain.network_range, stays)

    def along(self, motion: Motion) -> HyperINR:
        """The model along another motion through the same gaps; what it has decoded of its steps is shared."""
        other = replace(self, motion=motion)
        vars(other)["_decoded"] = self._decoded
        return other

    def coarse(self, points: int) -> HyperINR:
        """See `Model.coarse`: without motion and bound, which need whole steps. A guide's level is the last: all stay."""
        resolutions = self.architecture.hash_grid.resolutions
        n_levels = max(int(np.count_nonzero(resolutions <= MOST_VERTICES * points)), 1)
        if not isinstance(self.encoder_params, StoredTables) or self.guide or n_levels == len(resolutions):
            return self
        if n_levels not in self._coarse:
            self._coarse[n_levels] = self._first_levels(n_levels, self.encoder_params.first(n_levels))
        return self._coarse[n_levels]

    def _first_levels(self, n_levels: int, tables: Any) -> HyperINR:
        """Blended encoders of the coarsest levels: their features are the first that the network's first matrix multiplies."""
        encoding, shape = self.encoding.replace(n_levels=n_levels), self.architecture.layer_shapes[0]
        first, others = np.split(self.mlp_params, [shape[0] * shape[1]])
        network = np.concatenate([first.reshape(shape)[:, : encoding.n_output_dims].ravel(), others])
        return replace(self, encoding=encoding, encoder_params=tables, mlp_params=network, motion=None, bound=None)

    def _steps(self, motion: Motion, backend: str) -> Steps:
        """The decoded training steps that motion carries from."""
        if backend not in self._decoded:
            whole = self.mask is not None  # what stands at masked points depends on all others
            decode = partial(self.decoded, backend)
            steps = Steps(decode, self.grid.shape, motion.periodic, whole)
            chosen = self._backend(backend)
            if chosen.resident is not None:
                from hyperinr_core.motion.device import DeviceSteps  # imports torch

                decode = partial(decode, stays=not whole)  # masked points are filled on the host
                steps = DeviceSteps(decode, self.grid.shape, motion.periodic, whole, chosen, steps)
            self._decoded[backend] = steps
        return self._decoded[backend]

    def decoded(
        self, backend: str, step: int, box: Box, progress: Progress | None = None, stays: bool = False
    ) -> np.ndarray:
        """(z, y, x, C) of a training step at the points of a box of the grid, before shifts, with numbers at masked points.

        Of a model with a mask the box is the whole grid: what stands at masked points depends on all others.

        Parameters
        ----------
        stays : give a tensor on the backend's device; of a model without a mask.
        """
        theta = self.encoder_positions[step]
        (z0, z1), (y0, y1), (x0, x1) = box
        stored = None if self.bound is None else self.bound.step_at(float(theta[0]))
        if stored is None:
            values = self._generated(theta, np.array([step]), np.ones(1), backend, stays)
            inr = INR(values, self.grid, self.fields, self.encoding.n_pos_dims)
            found = inr.sample_grid(region=(x0, x1, y0, y1, z0, z1), progress=progress)
        else:
            found = self._stored(stored, box)
        if self.mask is None:
            return found
        for columns, valid in zip(self._columns, self.mask.at(theta, self.theta_bounds)):
            if not valid.all():
                found[..., columns] = filled(found[..., columns], valid)
        return found

    def _stored(self, step: int, box: Box | None = None) -> np.ndarray:
        """(z, y, x, C) of a step of the bound, before shifts, with numbers at masked points."""
        assert self.bound is not None
        return self.bound.values(step, shifted_model(self, self.shifts).fields, box)

    def _lacking(self, backend: str, step: int, progress: Progress | None = None) -> np.ndarray:
        """(z, y, x, C) that the blended encoders lack at a step of the bound; those of the latest are kept."""
        assert self.bound is not None
        theta = self.bound.positions[step : step + 1]

        def found() -> np.ndarray:
            values = self._generated(theta, *self._weights(theta, None), backend)
            inr = INR(values, self.grid, self.fields, self.encoding.n_pos_dims)
            return self._stored(step) - inr.sample_grid(progress=progress)

        return self._lacked.get((backend, step), found)

    @property
    def _columns(self) -> list[slice]:
        """Of each field's components among all."""
        ends = np.cumsum([0, *(field.n_components for field in self.fields)]).tolist()
        return [slice(*pair) for pair in zip(ends, ends[1:])]

    @cached_property
    def _coarse(self) -> dict[int, HyperINR]:
        return {}

    @cached_property
    def _decoded(self) -> dict[str, Steps]:
        return {}

    @cached_property
    def _lacked(self) -> Once[np.ndarray]:
        return Once(N_LACKED)

    @cached_property
    def shifts(self) -> Shifts:
        """Of the fields whose values float32 does not tell apart."""
        return shifts_of(self.fields)

    def guide_level(self, theta: np.ndarray) -> np.ndarray | None:
        """The numbers of the guide's level at theta (P,), None without a guide."""
        return self.guide(theta, self.encoding.n_features_per_level) if self.guide else None

    def _backend(self, name: str) -> Backend:
        if name not in self._backends:
            self._backends[name] = backends.create(name, self.architecture, self.encoder_params, self.mlp_params)
        return self._backends[name]

    # Made once for each value, and for none that is made of it: no changed model answers from numbers that it has no more.

    @cached_property
    def _backends(self) -> dict[str, Backend]:
        return {}
