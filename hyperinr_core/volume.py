"""Regular grids, the fields on them, and series of volumes that are read as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.mask import Mask, valid_points

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

#: The greatest number of float32.
LARGE = float(np.finfo(np.float32).max)

#: An inclusive box of point indices x0, x1, y0, y1, z0, z1, as VTK writes extents.
Extent = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, init=False)
class Grid:
    """A regular grid of points, as vtkImageData describes it.

    Attributes
    ----------
    dims : (nx, ny, nz) number of points along each axis.
    origin : (3,) position of the first point, in the data's length unit.
    spacing : (3,) distance of neighbouring points.
    direction : (9,) row-major rotation from index axes to space.

    Examples
    --------
    >>> grid = Grid((12, 10, 8), spacing=(0.5, 0.5, 1.0))
    >>> grid.shape, grid.n_points
    ((8, 10, 12), 960)
    >>> grid.with_dims((23, 10, 8)).spacing
    (0.25, 0.5, 1.0)
    """

    dims: tuple[int, int, int]
    origin: tuple[float, float, float]
    spacing: tuple[float, float, float]
    direction: tuple[float, ...]

    def __init__(
        self,
        dims: Sequence[int],
        origin: Sequence[float] = (0.0, 0.0, 0.0),
        spacing: Sequence[float] = (1.0, 1.0, 1.0),
        direction: Sequence[float] = IDENTITY,
    ) -> None:
        object.__setattr__(self, "dims", tuple(int(n) for n in dims))
        for name, given, length in (("origin", origin, 3), ("spacing", spacing, 3), ("direction", direction, 9)):
            numbers = tuple(float(v) for v in given)
            if len(numbers) != length or not np.isfinite(numbers).all():
                raise ParameterError(f"grid {name} is {numbers}; expected {length} finite numbers")
            object.__setattr__(self, name, numbers)
        if len(self.dims) != 3 or min(self.dims) < 1:
            raise ParameterError(f"grid dims are {self.dims}; expected three numbers of at least 1")

    @property
    def shape(self) -> tuple[int, int, int]:
        """NumPy's order, (nz, ny, nx)."""
        return self.dims[::-1]

    @property
    def n_points(self) -> int:
        return self.dims[0] * self.dims[1] * self.dims[2]

    @property
    def n_pos_dims(self) -> int:
        """2 for a plane of constant z, 3 otherwise."""
        return 2 if self.dims[2] == 1 else 3

    @property
    def extent(self) -> Extent:
        return (0, self.dims[0] - 1, 0, self.dims[1] - 1, 0, self.dims[2] - 1)

    def with_dims(self, dims: Sequence[int]) -> Grid:
        """The same box in space, sampled at other dims (nx, ny, nz)."""
        spacing = tuple(
            step * (old - 1) / (new - 1) if new > 1 and old > 1 else step
            for step, old, new in zip(self.spacing, self.dims, dims)
        )
        return Grid(dims, self.origin, spacing, self.direction)

    def part(self, extent: Sequence[int]) -> Grid:
        """The points of an inclusive extent x0, x1, y0, y1, z0, z1."""
        starts, ends = np.array(extent[::2]), np.array(extent[1::2])
        along = np.reshape(self.direction, (3, 3)) @ (starts * self.spacing)
        return Grid((ends - starts + 1).tolist(), np.add(self.origin, along).tolist(), self.spacing, self.direction)

    def axes(self, region: Sequence[int] | None = None, n_pos_dims: int = 3) -> tuple[np.ndarray, ...]:
        """Unit coordinates i / (n - 1) of the points of a region along x, y (, z), float32.

        Parameters
        ----------
        region : inclusive extent of the points; all when None.
        n_pos_dims : 2 for x and y alone.

        Raises ParameterError when the region leaves the grid.
        """
        region = self.extent if region is None else tuple(int(i) for i in region)
        for axis, limit in enumerate(self.dims):
            low, high = region[2 * axis], region[2 * axis + 1]
            if not 0 <= low <= high < limit:
                raise ParameterError(
                    f"region {region} asks for points {low} to {high} along {'xyz'[axis]}; expected within 0 to {limit - 1}"
                )
        return tuple(
            (np.arange(region[2 * a], region[2 * a + 1] + 1) / max(self.dims[a] - 1, 1)).astype(np.float32)
            for a in range(n_pos_dims)
        )


@dataclass(frozen=True)
class Parameter:
    """One scene parameter.

    Attributes
    ----------
    role : time, light_azimuth, light_polar, free, or a name that starts with `view_`.
    bounds : smallest and largest value the model answers for, in `units`.
    values : the values of the training data, in the order of the training steps.
    """

    name: str
    role: str
    bounds: tuple[float, float]
    units: str = ""
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Field:
    """One array of the data: its name, components, and the range that the model maps to [0, 1]."""

    name: str
    n_components: int
    value_range: tuple[tuple[float, float], ...]
    units: str = ""

    @property
    def whole_range(self) -> tuple[float, float]:
        """Smallest and largest value of all components, which PSNR is over."""
        lows, highs = zip(*self.value_range)
        return min(lows), max(highs)


@dataclass
class VolumeSeries:
    """Volumes on one grid, one per theta, read from where they are when asked for.

    Attributes
    ----------
    grid : the grid all steps share.
    thetas : (n, P) float64, strictly increasing in the first parameter when P is 1.
    field_info : components of every field the data has.
    loader : (step, field name, z_range or None) to an array (nz, ny, nx) or (nz, ny, nx, c).
    source : where the data came from, for messages and provenance.
    notes : what the user should hear about how the files were understood, a sentence each.
    mask : where a loader that has numbers everywhere is masked, by the order of `field_info`; None where NaN says it.

    Examples
    --------
    >>> import numpy as np
    >>> steps = np.random.default_rng(0).random((3, 8, 10, 12), np.float32)
    >>> series = VolumeSeries(
    ...     Grid((12, 10, 8)), thetas=[0.0, 0.5, 2.0], field_info={"density": 1},
    ...     loader=lambda step, name, planes: steps[step] if planes is None else steps[step, slice(*planes)],
    ...     source="random numbers",
    ... )
    >>> len(series), series.read(1, ["density"]).shape, series.read(1, ["density"], (2, 4)).shape
    (3, (8, 10, 12, 1), (2, 10, 12, 1))
    """

    grid: Grid
    thetas: np.ndarray
    field_info: dict[str, int]
    loader: Callable[[int, str, tuple[int, int] | None], np.ndarray]
    source: str
    parameters: tuple[str, ...] = ("time",)
    roles: tuple[str, ...] = ("time",)
    units: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    mask: Mask | None = None

    def __post_init__(self) -> None:
        self.thetas = np.asarray(self.thetas, np.float64).reshape(-1, len(self.parameters))
        if not len(self.thetas):
            raise DataError(f"{self.source} has no steps; expected at least one, check the path or pattern")
        if not self.field_info:
            raise DataError(f"{self.source} has no numeric arrays; expected at least one to train on")
        if not np.isfinite(self.thetas).all():
            raise DataError(f"{self.source} has a step at {self.thetas.tolist()}; expected finite parameter values")
        if len(self.parameters) == 1 and (np.diff(self.thetas[:, 0]) <= 0).any():
            step = int(np.argmax(np.diff(self.thetas[:, 0]) <= 0))
            raise DataError(
                f"{self.source} goes from {self.parameters[0]} {self.thetas[step, 0]:.15g} (step {step}) to "
                f"{self.thetas[step + 1, 0]:.15g}; expected strictly increasing values, give each step its own"
            )

    def __len__(self) -> int:
        return len(self.thetas)

    def read(self, step: int, names: Sequence[str], z_range: tuple[int, int] | None = None) -> np.ndarray:
        """Fields of one step, (nz, ny, nx, C) float32, the named fields one after the other along C.

        NaN says that a point of a field is masked; where the series has a `mask`, there are numbers instead.

        Parameters
        ----------
        z_range : first and one-past-last plane, all planes when None.

        Raises
        ------
        DataError when the step cannot be read, has another shape, holds infinity, or nothing but NaN.
        """
        depth = self.grid.dims[2] if z_range is None else z_range[1] - z_range[0]
        parts = []
        for name in names:
            n_components = self._components(name)
            array = self._single(np.asarray(self.loader(step, name, z_range)), step, name)
            expected = (depth, *self.grid.shape[1:])
            if array.shape not in (expected, (*expected, n_components)):
                raise DataError(
                    f"step {step} of {self.source} gives {name!r} with shape {array.shape}; expected {expected}"
                )
            parts.append(self._checked(array.reshape(*expected, n_components), step, name, z_range))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def truth(self, step: int, names: Sequence[str], z_range: tuple[int, int] | None = None) -> np.ndarray:
        """What `read` gives, with NaN at masked points in any case."""
        values = self.read(step, names, z_range)
        if self.mask is None:
            return values
        parts = []
        for name in names:
            valid = self.valid(step, name)[slice(*(z_range or (None,)))]
            parts.append(np.broadcast_to(valid[..., None], (*valid.shape, self.field_info[name])))
        return np.where(np.concatenate(parts, axis=-1), values, np.float32(np.nan))

    def valid(self, step: int, name: str) -> np.ndarray:
        """(nz, ny, nx) bool, where a field of a step holds values."""
        if self.mask is None:
            return valid_points(self.read(step, [name]))
        return self.mask.valid(self.mask.owners[step, list(self.field_info).index(name)])

    def select(self, indices: Iterable[int]) -> VolumeSeries:
        """The series of only these steps."""
        chosen = [int(index) for index in indices]
        loader = self.loader
        return VolumeSeries(
            self.grid,
            self.thetas[chosen],
            self.field_info,
            lambda step, name, z_range: loader(chosen[step], name, z_range),
            self.source,
            self.parameters,
            self.roles,
            self.units,
            self.notes,
            self.mask and self.mask.select(chosen),
        )

    def _components(self, name: str) -> int:
        if name not in self.field_info:
            raise DataError(
                f"{self.source} has no field {name!r}; expected one of {', '.join(sorted(self.field_info))}"
            )
        return self.field_info[name]

    def _single(self, array: np.ndarray, step: int, name: str) -> np.ndarray:
        """Numbers as float32; DataError for those that it has no room for."""
        if array.dtype == np.float32:
            return array
        with np.errstate(over="ignore"):
            single = array.astype(np.float32)
        if array.dtype.kind != "f" or array.itemsize < 8 or not array.size:
            return single
        # of a sum it is told at once whether any number was too large
        if not np.isfinite(np.sum(single, dtype=np.float64)) and np.isfinite(array[np.isinf(single)]).any():
            largest = np.abs(array[np.isfinite(array)]).max()
            raise DataError(
                f"step {step} of {self.source} holds numbers up to {largest:.6g} in field {name!r}; expected at most "
                f"{LARGE:.6g}, which float32 holds, save it in another unit"
            )
        return single

    def _checked(self, array: np.ndarray, step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        """The array (nz, ny, nx, c), where a point that has NaN has nothing else."""
        # A sum is finite when all its terms are, and costs no temporary array of flags.
        if np.isfinite(np.sum(array, dtype=np.float64)):
            return array
        if np.isinf(array).any():
            z, y, x, _ = (int(i) for i in np.argwhere(np.isinf(array))[0])
            raise DataError(
                f"step {step} of {self.source} holds {array[z, y, x].tolist()} in field {name!r} at point "
                f"({x}, {y}, {z + (z_range[0] if z_range else 0)}); expected finite numbers, or NaN where there is no value"
            )
        valid = valid_points(array)
        if z_range is None and not valid.any():
            raise DataError(
                f"step {step} of {self.source} has no value but NaN in field {name!r}; expected one at least, leave the step out"
            )
        return array if array.shape[-1] == 1 else np.where(valid[..., None], array, np.float32(np.nan))
