"""A model that is too large for one table: bricks, each a model of its own, that blend where they overlap."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from hyperinr_core.cuts import Cuts
from hyperinr_core.errors import FormatError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.inr import INR
from hyperinr_core.joined import Joined, decoded
from hyperinr_core.model import Model, Theta
from hyperinr_core.motion.steps import Steps
from hyperinr_core.volume import Field, Grid, Parameter

#: Bytes of bricks that stay open although what is shown does not touch them.
KEPT_BYTES = 1 << 30

#: Bricks that tell what all look like.
MOST_TYPICAL = 4


class Bricks(Model):
    """Models of the boxes of a grid, read when a region touches them.

    Parameters
    ----------
    path : of the index. folder : beside it, with the bricks' files.
    files : (n,) names by the bricks' numbers, None for those that are not there: points that no other has are masked.
    mask : the masked share of each field, None where nothing is masked.
    motion : {"anchored", "bytes"}, None unless every brick has one.
    open_one : reads the model of one file.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        parameters: tuple[Parameter, ...],
        grid: Grid,
        fields: tuple[Field, ...],
        provenance: dict[str, Any],
        quality: dict[str, Any],
        folder: str,
        files: Sequence[str | None],
        cuts: Cuts,
        mask: list[float] | None,
        motion: dict[str, Any] | None,
        open_one: Callable[[str | os.PathLike], HyperINR],
    ) -> None:
        self.parameters, self.grid, self.fields = parameters, grid, fields
        self.provenance, self.quality, self.cuts, self.files = provenance, quality, cuts, tuple(files)
        self.interpolation = "linear" if len(parameters) == 1 else "idw"
        self.folder = Path(os.path.abspath(path)).parent / folder
        self._path, self._mask, self._motion, self._open_one = path, mask, motion, open_one
        self._opened: dict[int, HyperINR] = {}
        self._decoded: dict[str, Steps] = {}

    @property
    def is_masked(self) -> bool:
        return self._mask is not None or None in self.files

    @property
    def anchored(self) -> tuple[bool, ...]:
        return self._motion["anchored"] if self._motion else ()

    @property
    def carries(self) -> bool:
        """Whether values are carried along the bricks' motions."""
        return self._motion is not None

    def steps(self, backend: str) -> Steps:
        """The training steps of all bricks together, which each brick's motion carries from: paths know no seams."""
        if backend not in self._decoded:
            decode = partial(decoded, self, backend)
            self._decoded[backend] = Steps(decode, self.grid.shape, self._periodic, beyond=True)
        return self._decoded[backend]

    @property
    def motion_bytes(self) -> int:
        return self._motion["bytes"] if self._motion else 0

    @property
    def n_bytes(self) -> int:
        """Of the files that are there: what is not open is not read to know what it takes in memory."""
        return self._file_bytes

    @cached_property
    def _file_bytes(self) -> int:  # asked for with every image, of thousands of files
        paths = [self.folder / name for name in self.files if name is not None]
        return sum(path.stat().st_size for path in paths if path.is_file())

    @property
    def parts(self) -> tuple[int, str]:
        return sum(name is not None for name in self.files), "bricks"

    def generate(self, theta: Theta, backend: str = "auto", interpolation: str | None = None) -> INR:
        """The neural field at theta; arguments and errors as for `HyperINR.generate`.

        What touches a brick that cannot be read raises FormatError, all else works.
        """
        theta = self.theta(theta)
        values = Joined(self, theta, backend, interpolation)
        return INR(
            values,
            self.grid,
            self.fields,
            self.grid.n_pos_dims,
            values.valid if self.is_masked else None,
            values.shifts,
        )

    def coarse(self, points: int) -> Bricks:
        """See `Model.coarse`."""
        return _CoarseBricks(self, points)

    @property
    def _periodic(self) -> tuple[bool, bool, bool]:
        """z, y, x: axes that all bricks found to go on at their other end."""
        told = self.provenance.get("periodic")
        x, y, z = told if isinstance(told, list) and len(told) == 3 else (False,) * 3
        return z is True, y is True, x is True

    def brick(self, number: int) -> HyperINR:
        """The model of one box; FormatError where it cannot be read, or is of something else."""
        if number not in self._opened:
            path = self.folder / str(self.files[number])
            model = self._open_one(path)
            wanted = self.grid.part(self.cuts.extent(number))
            found = [(p.name, p.role, p.bounds) for p in model.parameters], _kinds(model.fields), model.grid
            expected = [(p.name, p.role, p.bounds) for p in self.parameters], _kinds(self.fields), wanted
            if found != expected or model.encoding.n_pos_dims != self.grid.n_pos_dims:
                raise FormatError(
                    f"{path} holds another model than brick {number + 1} of {self._path}; expected {wanted.dims} points from "
                    f"{wanted.origin} on with the same parameters and fields, train that brick again or join them anew"
                )
            self._opened[number] = model
        return self._opened[number]

    def typical(self) -> Sequence[Model]:
        """A few bricks: nobody waits for all of them to know what they look like."""
        there = [number for number, name in enumerate(self.files) if name is not None]
        step = -(-len(there) // MOST_TYPICAL)
        found = []
        for number in there[::step]:
            with contextlib.suppress(FormatError):  # which whoever looks at that one hears
                found.append(self.brick(number))
        return found

    def keep(self, touched: Sequence[int]) -> None:
        """Let go of open bricks that what is shown does not touch, where they take much memory."""
        if sum(model.n_bytes for model in self._opened.values()) > KEPT_BYTES:
            self._opened = {number: model for number, model in self._opened.items() if number in touched}

    @property
    def is_whole(self) -> bool:
        """Whether every brick has a file."""
        return None not in self.files


class _CoarseBricks(Bricks):
    """Bricks that are coarse for their share of a grid's points; they are those of other bricks, and open there."""

    def __init__(self, whole: Bricks, points: int) -> None:
        vars(self).update(vars(whole), _motion=None)
        self._whole, self._points = whole, points

    def brick(self, number: int) -> HyperINR:
        brick = self._whole.brick(number)
        return brick.coarse(math.ceil(self._points * max(brick.grid.dims) / max(self.grid.dims)))

    def keep(self, touched: Sequence[int]) -> None:
        self._whole.keep(touched)


def _kinds(fields: Sequence[Field]) -> list[tuple[str, int, str]]:
    return [(field.name, field.n_components, field.units) for field in fields]
